//! Good bodies, from which bad ones are made.

use metaparticle_local::api::{
    patch::Kind,
    resource::{
        CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, ENDPOINT_SLICE, JOB, POD, ROLE, Resource,
        SECRET, SERVICE,
    },
};
use serde_json::{Value, json};

use super::random::Random;

pub(super) static RESOURCES: &[&Resource] = &[
    &CONFIG_MAP,
    &CONTROLLER_REVISION,
    &DEPLOYMENT,
    &ENDPOINT_SLICE,
    &JOB,
    &POD,
    &ROLE,
    &SECRET,
    &SERVICE,
];

/// An object of a kind, or a part of one.
pub(super) fn configuration(resource: &Resource, random: &mut Random) -> Value {
    let mut object = json!({
        "apiVersion": resource.api_version(),
        "kind": resource.kind,
        "metadata": metadata(random),
    });
    let content = content(resource.kind, random);
    for (name, value) in content.as_object().into_iter().flatten() {
        if random.below(8) != 0 {
            object[name] = value.clone();
        }
    }
    object
}

/// A patch for a kind.
pub(super) fn patch(kind: Kind, resource: &Resource, random: &mut Random) -> Value {
    let mut changes = configuration(resource, random);
    match kind {
        Kind::Merge => changes,
        Kind::Strategic => {
            let spec = json!({
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "$retainKeys": ["containers", "volumes", "template"],
                "containers": [
                    {"name": "a", "$patch": random.pick(&["delete", "replace", "merge"])},
                    {"name": "c", "env": [{"name": "A", "$patch": "delete"}], "$setElementOrder/ports": [{"containerPort": 1}]},
                ],
                "volumes": [{"$retainKeys": ["name", "emptyDir"], "name": "v", "emptyDir": {}}, {"$patch": "replace"}],
                "ports": [{"port": 80, "$patch": "delete"}, {"port": 81}],
                "$setElementOrder/ports": [{"port": 81}],
            });
            match random.below(3) {
                0 => changes["spec"] = spec,
                1 => changes["spec"] = json!({"template": {"spec": spec}}),
                _ => changes["data"]["$patch"] = random.pick(&["delete", "replace"]).into(),
            }
            changes["metadata"]["$deleteFromPrimitiveList/finalizers"] = json!(["x.io/a"]);
            changes["metadata"]["$setElementOrder/finalizers"] = json!(["x.io/b", "x.io/a"]);
            changes
        }
        Kind::Json => {
            const PATHS: [&str; 12] = [
                "/data",
                "/data/a",
                "/metadata/labels",
                "/metadata/finalizers/-",
                "/metadata/finalizers/0",
                "/metadata/managedFields",
                "/metadata/managedFields/0",
                "/spec",
                "/spec/template/spec/containers/-1",
                "/spec/containers/0/env",
                "/x/y/z",
                "",
            ];
            let operations = (0..=random.below(5)).map(|_| {
                let op = random.pick(&["add", "remove", "replace", "move", "copy", "test"]);
                let value = content(random.pick(&["ConfigMap", "Pod"]), random);
                json!({"op": op, "path": random.pick(&PATHS), "from": random.pick(&PATHS), "value": value})
            });
            operations.collect()
        }
    }
}

fn metadata(random: &mut Random) -> Value {
    let all = json!({
        "name": "a",
        "namespace": "default",
        "labels": {"a": "1", "b": random.pick(&["1", "2"])},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"}}"},
        "finalizers": ["x.io/a", random.pick(&["x.io/b", "x.io/c"])],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": random.pick(&["1", "2"])}],
        "creationTimestamp": random.pick(&["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5+02:00"]),
    });
    let fields = all.as_object().into_iter().flatten();
    let some = fields.filter(|_| random.below(2) == 0);
    some.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn content(kind: &str, random: &mut Random) -> Value {
    match kind {
        "Pod" => {
            json!({"spec": pod_spec(random), "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
        }
        "Deployment" => json!({"spec": {
            "replicas": random.below(4),
            "selector": {"matchLabels": {"app": "x"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": random.pick(&["25%", "1"])}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec(random)},
        }}),
        "Job" => {
            json!({"spec": {"parallelism": random.below(3), "template": {"spec": pod_spec(random)}}})
        }
        "Service" => json!({"spec": {
            "selector": {"app": "x"},
            "ports": [{"port": 80, "name": "a"}, {"port": random.pick(&[80, 81]), "protocol": "UDP", "targetPort": "x"}],
        }}),
        "EndpointSlice" => json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}],
            "ports": random.pick(&[None, Some(80)]).map(|port| json!([{"port": port}])),
        }),
        "Role" => json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
        "ControllerRevision" => json!({"revision": random.below(9), "data": pod_spec(random)}),
        "Secret" => {
            json!({"data": {"a": "aGk=", "b": random.pick(&["", "aA=="])}, "type": "Opaque"})
        }
        _ => json!({"data": {"a": random.pick(&["1", "2"]), "b": "<&>"}, "immutable": false}),
    }
}

fn pod_spec(random: &mut Random) -> Value {
    let container = |name: &str, random: &mut Random| {
        json!({
            "name": name,
            "image": random.pick(&["x", "y:1"]),
            "args": ["--a", "--b"],
            "env": [{"name": "A", "value": "1"}, {"name": random.pick(&["A", "B"]), "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "ports": [{"containerPort": 80}, {"containerPort": random.pick(&[80, 81]), "protocol": "UDP"}],
            "resources": {"limits": {"cpu": random.pick(&["1000m", "0.5", "1e3", "1Ki"])}},
            "livenessProbe": {"httpGet": {"port": random.pick(&["http", "x"])}, "periodSeconds": 3},
        })
    };
    json!({
        "containers": [container("a", random), container(random.pick(&["a", "b"]), random)],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "c"}}],
        "nodeSelector": {"a": "b"},
        "topologySpreadConstraints": [{"topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}],
    })
}
