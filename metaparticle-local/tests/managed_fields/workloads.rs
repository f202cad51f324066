//! Stories about pods, what makes them, and what stands beside them.

use metaparticle_local::api::resource::{
    CONTROLLER_REVISION, CRON_JOB, DEPLOYMENT, ENDPOINT_SLICE, INGRESS, JOB, LEASE, POD, ROLE,
    Resource, SECRET, SERVICE, STATEFUL_SET,
};
use serde_json::{Value, json};

use super::stories::{Step, applied, create, forced, merge, meta, strategic, update};

/// Every story is about one object.
pub(super) fn stories() -> Vec<(&'static Resource, Vec<Step>)> {
    vec![
        (&DEPLOYMENT, patched_deployment()),
        (&DEPLOYMENT, applied_deployment()),
        (&SERVICE, service()),
        (&POD, pods()),
    ]
    .into_iter()
    .chain(workloads())
    .chain(others())
    .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn ports(ports: Value) -> Value {
    json!({"spec": {"ports": ports}})
}

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn deployment(containers: Value) -> Value {
    json!({"spec": {
        "replicas": 0, "paused": true,
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": containers}},
    }})
}

fn workloads() -> Vec<(&'static Resource, Vec<Step>)> {
    vec![
        (
            &JOB,
            vec![
                create(
                    "a",
                    json!({"spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}}}),
                ),
                merge("b", json!({"spec": {"parallelism": 2}})),
            ],
        ),
        (
            &STATEFUL_SET,
            vec![
                create(
                    "a",
                    json!({"spec": {
                        "replicas": 0, "serviceName": "x", "selector": {"matchLabels": {"app": "x"}},
                        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}},
                    }}),
                ),
                applied("b", json!({"spec": {"replicas": 1}})),
            ],
        ),
        (
            &ENDPOINT_SLICE,
            vec![
                create(
                    "a",
                    json!({"addressType": "IPv4", "endpoints": [], "ports": [{"port": 80}]}),
                ),
                applied(
                    "b",
                    json!({"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}]}),
                ),
                update("c", json!({"endpoints": [{"addresses": ["10.0.0.2"]}]})),
            ],
        ),
    ]
}

fn others() -> Vec<(&'static Resource, Vec<Step>)> {
    vec![
        (
            &CONTROLLER_REVISION,
            vec![
                create(
                    "a",
                    json!({"revision": 1, "data": {"spec": {"x": [1, {"y": 2}], "z": {}}}}),
                ),
                applied("b", json!({"revision": 2})),
                applied("b", json!({"revision": 1, "data": {"spec": {"q": 1}}})),
            ],
        ),
        (
            &CRON_JOB,
            vec![
                create(
                    "a",
                    json!({"spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}}}}}),
                ),
                merge("b", json!({"spec": {"schedule": "0 0 2 1 *"}})),
            ],
        ),
        (
            &INGRESS,
            vec![
                create(
                    "a",
                    json!({"spec": {"rules": [{"host": "x.y", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}),
                ),
                applied("b", json!({"spec": {"ingressClassName": "c"}})),
            ],
        ),
        (
            &LEASE,
            vec![
                create(
                    "a",
                    json!({"spec": {"holderIdentity": "x", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}}),
                ),
                update(
                    "b",
                    json!({"spec": {"holderIdentity": "y", "renewTime": "2026-01-01T00:00:01.000000Z"}}),
                ),
                applied("c", json!({"spec": {"holderIdentity": "z"}})),
            ],
        ),
        (
            &SECRET,
            vec![
                create("a", json!({"data": {"a": "aGk="}, "type": "Opaque"})),
                applied("b", json!({"data": {"a": "aG8=", "b": "aGk="}})),
                applied("c", json!({"data": {"b": "aGk="}})),
            ],
        ),
        (
            &ROLE,
            vec![
                create(
                    "a",
                    json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
                ),
                applied(
                    "b",
                    json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}),
                ),
            ],
        ),
    ]
}

fn patched_deployment() -> Vec<Step> {
    vec![
        create(
            "a",
            deployment(
                json!([{"name": "a", "image": "x", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}]),
            ),
        ),
        update(
            "b",
            json!({"spec": {"minReadySeconds": 3, "strategy": {"rollingUpdate": {"maxSurge": 1}}}}),
        ),
        strategic(
            "c",
            pod(json!({"containers": [{"name": "a", "image": "y"}, {"name": "b", "image": "x"}]})),
        ),
        strategic(
            "d",
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        ),
        strategic(
            "kubectl",
            json!({"metadata": {"annotations": {"n": "1"}}, "spec": {"template": {"spec": {
                "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
                "containers": [{"name": "a", "env": [{"name": "B", "value": "2"}, {"name": "A", "$patch": "delete"}]}],
            }}}}),
        ),
        applied("e", json!({"spec": {"replicas": 0}})),
        applied("e", json!({"spec": {"replicas": 1}})),
        applied(
            "f",
            pod(json!({"containers": [{"name": "a", "image": "z"}]})),
        ),
        forced(
            "f",
            pod(
                json!({"containers": [{"name": "a", "image": "z", "resources": {"limits": {"cpu": "1000m"}}, "args": ["x"]}]}),
            ),
        ),
        forced(
            "f",
            pod(json!({"containers": [{"name": "a", "image": "z"}], "nodeSelector": {"a": "b"}})),
        ),
        merge("g", json!({"status": {"replicas": 3}})),
        merge(
            "g",
            json!({"status": {"conditions": [{"type": "X", "status": "True"}]}}),
        )
        .status(),
        applied(
            "h",
            json!({"status": {"conditions": [{"type": "Y", "status": "True"}]}}),
        )
        .status(),
        applied(
            "h",
            json!({"status": {"conditions": [{"type": "X", "status": "False"}]}}),
        )
        .status(),
        applied("h", json!({"spec": {"foo": 1}})),
        applied("h", json!({"spec": {"replicas": "x"}})),
        applied(
            "h",
            pod(json!({"containers": [{"name": "a"}, {"name": "a"}]})),
        ),
    ]
}

fn applied_deployment() -> Vec<Step> {
    let ports = json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]);
    vec![
        applied(
            "a",
            deployment(json!([{"name": "a", "image": "x", "ports": ports}])),
        ),
        applied(
            "b",
            pod(
                json!({"volumes": [{"name": "v", "emptyDir": {}}], "containers": [{"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
            ),
        ),
        applied(
            "a",
            deployment(
                json!([{"name": "a", "image": "x", "ports": [{"containerPort": 80, "protocol": "UDP"}]}, {"name": "b", "image": "x"}]),
            ),
        ),
        applied(
            "b",
            pod(json!({"containers": [{"name": "b", "image": "x"}]})),
        ),
        update("c", json!({"spec": {"replicas": 0, "paused": false}})),
        applied("a", deployment(json!([{"name": "a", "image": "y"}]))),
    ]
}

fn service() -> Vec<Step> {
    vec![
        create("a", ports(json!([{"port": 80}]))),
        applied("b", ports(json!([{"port": 80, "name": "x"}]))),
        applied(
            "b",
            ports(json!([{"port": 81, "name": "y"}, {"port": 80, "name": "x"}])),
        ),
        strategic("c", ports(json!([{"port": 81, "targetPort": "http"}]))),
        applied("b", ports(json!([{"port": 80, "name": "x"}]))),
        merge("c", json!({"spec": {"selector": {"a": "b"}}})),
        applied("b", json!({"spec": {"selector": {"c": "d"}}})),
        forced("b", json!({"spec": {"selector": {"c": "d"}}})),
    ]
}

fn pods() -> Vec<Step> {
    let env = json!([{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]);
    vec![
        create("a", json!({"spec": {"nodeName": "none", "containers": [{"name": "a", "image": "x", "env": env}]}})),
        merge("b", meta(json!({"labels": {"a": "b"}}))),
        merge("c", json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})).status(),
        applied("d", meta(json!({"labels": {"a": "b"}}))),
    ]
}
