//! Server-side apply of lists: keyed ones, sets and atomic ones; and what managedFields says of them.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    applied_elements_of_several_managers_live_together,
    element_that_its_manager_drops_is_removed,
    element_in_which_another_owns_a_field_stays_with_that_field,
    order_of_applied_elements_is_the_managers,
    ports_are_keyed_by_number_and_protocol,
    key_that_is_left_out_has_its_default,
    service_ports_are_keyed_by_port_and_protocol,
    elements_with_the_same_key_are_refused,
    finalizers_are_a_set,
    owner_references_are_keyed_by_uid,
    atomic_lists_are_owned_whole,
    selectors_are_owned_whole,
    everything_of_a_deployment_is_owned_as_applied,
    created_deployment_is_owned_with_its_defaults,
    created_secret_and_labels_are_owned_with_their_maps,
    empty_list_that_is_always_written_is_owned_and_not_kept,
    status_is_owned_in_an_entry_of_its_own,
    applied_replicas_are_not_reset_by_an_apply_without_them,
    apply_conflict_in_a_keyed_list_names_the_path,
    apply_of_a_wrong_type_is_refused_with_its_path,
];

/// A Deployment with these containers and nothing that others would set.
fn app(containers: &Value) -> Value {
    with(
        deployment("a"),
        "/spec/template/spec/containers",
        containers.clone(),
    )
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| text(&item["name"])).collect()
}

/// What a manager owns.
fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    let mut entries = entries.filter(|it| it["manager"] == manager);
    entries
        .next()
        .map_or(Value::Null, |it| it["fieldsV1"].clone())
}

async fn applied_elements_of_several_managers_live_together(c: &Context) {
    let app_only = app(&json!([{"name": "app", "image": "app:1"}]));
    let _ = c.apply("one", "deployments/a", &app_only).await.ok(201);
    let side = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "side:1"}]}}},
    });
    let changed = c.apply("two", "deployments/a", &side).await.ok(200);
    assert_eq!(
        names(&changed["spec"]["template"]["spec"]["containers"]),
        ["app", "side"]
    );
    let changed = c.apply("one", "deployments/a", &app_only).await.ok(200);
    assert_eq!(
        names(&changed["spec"]["template"]["spec"]["containers"]),
        ["app", "side"]
    );
}

async fn element_that_its_manager_drops_is_removed(c: &Context) {
    let both = json!([{"name": "app", "image": "app:1"}, {"name": "side", "image": "side:1"}]);
    let _ = c.apply("one", "deployments/a", &app(&both)).await.ok(201);
    let changed = c
        .apply(
            "one",
            "deployments/a",
            &app(&json!([{"name": "app", "image": "app:1"}])),
        )
        .await
        .ok(200);
    assert_eq!(
        names(&changed["spec"]["template"]["spec"]["containers"]),
        ["app"]
    );
}

async fn element_in_which_another_owns_a_field_stays_with_that_field(c: &Context) {
    let env = json!([{"name": "app", "image": "app:1", "env": [{"name": "A", "value": "1"}]}]);
    let _ = c.apply("one", "deployments/a", &app(&env)).await.ok(201);
    let other = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "B", "value": "2"}]}]}}},
    });
    let _ = c.apply("two", "deployments/a", &other).await.ok(200);
    let changed = c
        .apply(
            "one",
            "deployments/a",
            &app(&json!([{"name": "app", "image": "app:1"}])),
        )
        .await
        .ok(200);
    let container = &changed["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{"name": "B", "value": "2"}]));
}

async fn order_of_applied_elements_is_the_managers(c: &Context) {
    let first = json!([{"name": "x", "image": "x:1"}, {"name": "y", "image": "y:1"}]);
    let _ = c.apply("one", "deployments/a", &app(&first)).await.ok(201);
    let turned = json!([{"name": "y", "image": "y:1"}, {"name": "x", "image": "x:1"}]);
    let changed = c.apply("one", "deployments/a", &app(&turned)).await.ok(200);
    assert_eq!(
        names(&changed["spec"]["template"]["spec"]["containers"]),
        ["y", "x"]
    );
}

async fn ports_are_keyed_by_number_and_protocol(c: &Context) {
    let ports = json!([{"name": "app", "image": "app:1", "ports": [
        {"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"},
    ]}]);
    let made = c.apply("one", "deployments/a", &app(&ports)).await.ok(201);
    let container = &owned(&made, "one")["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"app\"}"];
    let keys: Vec<_> = container["f:ports"]
        .as_object()
        .expect("ports")
        .keys()
        .collect();
    assert_eq!(
        keys,
        [
            "k:{\"containerPort\":53,\"protocol\":\"TCP\"}",
            "k:{\"containerPort\":53,\"protocol\":\"UDP\"}"
        ]
    );
}

async fn key_that_is_left_out_has_its_default(c: &Context) {
    let ports = json!([{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]}]);
    let made = c.apply("one", "deployments/a", &app(&ports)).await.ok(201);
    let container = &owned(&made, "one")["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"app\"}"];
    assert_eq!(
        container["f:ports"],
        json!({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}})
    );
}

async fn service_ports_are_keyed_by_port_and_protocol(c: &Context) {
    let made = c.apply("one", "services/a", &service("a")).await.ok(201);
    assert_eq!(
        owned(&made, "one"),
        json!({"f:spec": {"f:clusterIP": {}, "f:ports": {
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
        }}})
    );
}

async fn elements_with_the_same_key_are_refused(c: &Context) {
    let twice = json!([{"name": "app", "image": "app:1"}, {"name": "app", "image": "app:2"}]);
    let answer = c.apply("one", "deployments/a", &app(&twice)).await;
    answer.refused(
        500,
        "",
        "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name=\"app\"]",
    );
}

async fn finalizers_are_a_set(c: &Context) {
    let sent = |finalizer: &str| with(lease("a"), "/metadata/finalizers", json!([finalizer]));
    let _ = c.apply("one", "leases/a", &sent("a.b/x")).await.ok(201);
    let changed = c.apply("two", "leases/a", &sent("a.b/y")).await.ok(200);
    assert_eq!(changed["metadata"]["finalizers"], json!(["a.b/x", "a.b/y"]));
    assert_eq!(
        owned(&changed, "two")["f:metadata"],
        json!({"f:finalizers": {"v:\"a.b/y\"": {}}})
    );
    let changed = c.apply("one", "leases/a", &lease("a")).await.ok(200);
    assert_eq!(changed["metadata"]["finalizers"], json!(["a.b/y"]));
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
}

async fn owner_references_are_keyed_by_uid(c: &Context) {
    let owner = c.made("configmaps", &config_map("o")).await;
    let uid = text(&owner["metadata"]["uid"]);
    let owners = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": uid}]);
    let made = c
        .apply(
            "one",
            "leases/a",
            &with(lease("a"), "/metadata/ownerReferences", owners),
        )
        .await
        .ok(201);
    assert_eq!(
        owned(&made, "one")["f:metadata"],
        json!({"f:ownerReferences": {format!("k:{{\"uid\":\"{uid}\"}}"): {}}})
    );
}

async fn atomic_lists_are_owned_whole(c: &Context) {
    let args = |args: &Value| app(&json!([{"name": "app", "image": "app:1", "args": args}]));
    let made = c
        .apply("one", "deployments/a", &args(&json!(["x"])))
        .await
        .ok(201);
    let container = &owned(&made, "one")["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"app\"}"];
    assert_eq!(container["f:args"], json!({}));
    c.apply("two", "deployments/a", &args(&json!(["x", "y"]))).await.refused(
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"one\": .spec.template.spec.containers[name=\"app\"].args",
    );
}

async fn selectors_are_owned_whole(c: &Context) {
    let made = c
        .apply("one", "deployments/a", &deployment("a"))
        .await
        .ok(201);
    assert_eq!(owned(&made, "one")["f:spec"]["f:selector"], json!({}));
}

async fn everything_of_a_deployment_is_owned_as_applied(c: &Context) {
    let made = c
        .apply("one", "deployments/a", &deployment("a"))
        .await
        .ok(201);
    assert_eq!(
        owned(&made, "one"),
        json!({"f:spec": {
            "f:paused": {}, "f:replicas": {}, "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:name": {}}}},
            },
        }})
    );
}

async fn created_deployment_is_owned_with_its_defaults(c: &Context) {
    let made = c
        .post("deployments?fieldManager=one", &deployment("a"))
        .await
        .ok(201);
    assert_eq!(
        owned(&made, "one"),
        json!({"f:spec": {
            "f:paused": {}, "f:progressDeadlineSeconds": {}, "f:replicas": {}, "f:revisionHistoryLimit": {},
            "f:selector": {},
            "f:strategy": {
                "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}, "f:type": {},
            },
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {
                    "f:containers": {"k:{\"name\":\"app\"}": {
                        ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {}, "f:resources": {},
                        "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {},
                    }},
                    "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {},
                    "f:terminationGracePeriodSeconds": {},
                },
            },
        }})
    );
}

async fn created_secret_and_labels_are_owned_with_their_maps(c: &Context) {
    let sent = with(secret("a"), "/metadata/labels", json!({"x": "y"}));
    let made = c.post("secrets?fieldManager=one", &sent).await.ok(201);
    assert_eq!(
        owned(&made, "one"),
        json!({
            "f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:labels": {".": {}, "f:x": {}}}, "f:type": {},
        })
    );
}

async fn empty_list_that_is_always_written_is_owned_and_not_kept(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": []});
    let path = "endpointslices?fieldManager=one";
    let made = c.post(path, &sent).await.ok(201);
    assert_eq!(
        owned(&made, "one"),
        json!({"f:addressType": {}, "f:endpoints": {}})
    );
    assert_eq!(
        (&made["endpoints"], &made["ports"]),
        (&Value::Null, &Value::Null)
    );
}

async fn status_is_owned_in_an_entry_of_its_own(c: &Context) {
    let _ = c
        .apply("one", "deployments/a", &deployment("a"))
        .await
        .ok(201);
    let status = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "status": {"collisionCount": 5},
    });
    let changed = c
        .apply("two", "deployments/a/status", &status)
        .await
        .ok(200);
    let entries = changed["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    let mut two = entries
        .filter(|it| it["manager"] == "two")
        .cloned()
        .collect::<Vec<_>>();
    two[0]["time"].take();
    assert_eq!(
        two,
        [json!({
            "manager": "two", "operation": "Apply", "apiVersion": "apps/v1", "time": null,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:collisionCount": {}}}, "subresource": "status",
        })]
    );
}

async fn applied_replicas_are_not_reset_by_an_apply_without_them(c: &Context) {
    let _ = c
        .apply("one", "deployments/a", &deployment("a"))
        .await
        .ok(201);
    let mut rest = deployment("a");
    rest["spec"]
        .as_object_mut()
        .expect("a spec")
        .remove("replicas");
    let patch = json!({"spec": {"revisionHistoryLimit": 3}});
    let _ = c.patch(Patch::Merge, "deployments/a", &patch).await.ok(200);
    let changed = c.apply("one", "deployments/a", &rest).await.ok(200);
    assert_eq!(changed["spec"]["replicas"], 1);
    assert_eq!(changed["spec"]["revisionHistoryLimit"], 3);
}

async fn apply_conflict_in_a_keyed_list_names_the_path(c: &Context) {
    let image = |image: &str| app(&json!([{"name": "app", "image": image}]));
    let _ = c
        .apply("one", "deployments/a", &image("app:1"))
        .await
        .ok(201);
    c.apply("two", "deployments/a", &image("app:2")).await.refused(
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"one\": .spec.template.spec.containers[name=\"app\"].image",
    );
}

async fn apply_of_a_wrong_type_is_refused_with_its_path(c: &Context) {
    let sent = with(deployment("a"), "/spec/replicas", "three");
    let answer = c.apply("one", "deployments/a", &sent).await;
    answer.refused(
        500,
        "",
        "failed to create typed patch object (/a; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string",
    );
}
