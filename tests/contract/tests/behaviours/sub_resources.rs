//! `/status` and `/scale`, and the sub-resources that pods have.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    status_update_changes_the_status_and_nothing_else,
    status_patch_changes_the_status,
    status_can_be_read_alone,
    status_patch_with_a_stale_resource_version_is_refused_with_409_conflict,
    status_of_a_kind_without_one_is_not_found,
    status_writes_are_recorded_with_their_sub_resource,
    scale_names_replicas_and_selector,
    scale_update_changes_the_replicas,
    scale_patch_changes_the_replicas,
    scale_with_a_stale_resource_version_is_refused_with_409_conflict,
    negative_scale_is_refused,
    scale_patch_of_another_media_type_is_refused_with_415,
    scale_can_be_patched_by_strategic_merge,
    scale_patch_with_a_wrong_type_is_refused,
    scale_with_unknown_fields_is_refused_if_asked_to,
    scale_of_another_name_is_refused,
    scale_of_another_uid_is_refused_with_409_conflict,
    scale_of_another_kind_is_refused,
    scale_selector_has_the_expressions,
    apply_of_a_scale_owns_the_replicas,
    apply_of_a_scale_conflicts_with_other_owners_of_the_replicas,
    apply_of_a_workload_to_its_scale_is_refused,
    update_of_a_scale_takes_the_replicas_from_their_owner,
    scale_of_a_kind_without_one_is_not_found,
    scale_of_a_missing_object_answers_404,
    log_of_a_pod_without_a_node_is_empty,
    log_of_a_missing_pod_answers_404,
    log_of_a_container_that_the_pod_lacks_is_refused,
    log_of_one_of_several_containers_must_name_it,
    binding_puts_a_pod_on_a_node_once,
    pod_condition_times_are_kept_as_written,
];

async fn status_update_changes_the_status_and_nothing_else(c: &Context) {
    let made = c.made("cronjobs", &cron_job("a")).await;
    let mut sent = with(made, "/status/lastScheduleTime", "2001-01-01T00:00:00Z");
    sent["spec"]["schedule"] = "5 5 * * *".into();
    sent["metadata"]["labels"] = json!({"x": "y"});
    let changed = c.put("cronjobs/a/status", &sent).await.ok(200);
    assert_eq!(
        changed["status"]["lastScheduleTime"],
        "2001-01-01T00:00:00Z"
    );
    assert_eq!(changed["spec"]["schedule"], "0 0 * * *");
    assert_eq!(changed["metadata"]["generation"], 1);
}

async fn status_patch_changes_the_status(c: &Context) {
    c.made("pods", &pod("a")).await;
    let patch = json!({"status": {"phase": "Running", "podIP": "10.9.8.7"}});
    let changed = c.patch(Patch::Merge, "pods/a/status", &patch).await.ok(200);
    assert_eq!(changed["status"]["phase"], "Running");
    assert_eq!(c.read("pods/a").await, changed);
}

async fn status_can_be_read_alone(c: &Context) {
    c.made("pods", &pod("a")).await;
    let status = c.read("pods/a/status").await;
    assert_eq!(status, c.read("pods/a").await);
}

async fn status_patch_with_a_stale_resource_version_is_refused_with_409_conflict(c: &Context) {
    let old = c.made("pods", &pod("a")).await;
    let _ = c
        .patch(
            Patch::Merge,
            "pods/a/status",
            &json!({"status": {"phase": "Running"}}),
        )
        .await
        .ok(200);
    let patch = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "status": {"phase": "Failed"}});
    let _ = c.patch(Patch::Merge, "pods/a/status", &patch).await.ok(409);
}

async fn status_of_a_kind_without_one_is_not_found(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let answer = c.get("configmaps/a/status").await;
    answer.refused(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
}

async fn status_writes_are_recorded_with_their_sub_resource(c: &Context) {
    c.made("pods", &pod("a")).await;
    let path = "pods/a/status?fieldManager=kubelet";
    let changed = c
        .patch(Patch::Merge, path, &json!({"status": {"phase": "Running"}}))
        .await
        .ok(200);
    let entries = changed["metadata"]["managedFields"]
        .as_array()
        .expect("entries");
    let entry = entries
        .iter()
        .find(|it| it["manager"] == "kubelet")
        .expect("an entry");
    assert_eq!(entry["subresource"], "status");
    assert_eq!(entry["fieldsV1"], json!({"f:status": {"f:phase": {}}}));
}

async fn scale_names_replicas_and_selector(c: &Context) {
    let made = c.made("deployments", &deployment("a")).await;
    let mut scale = c.read("deployments/a/scale").await;
    scale["metadata"]["resourceVersion"].take();
    assert_eq!(
        scale,
        json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": "a", "namespace": c.namespace, "uid": made["metadata"]["uid"],
                "resourceVersion": null, "creationTimestamp": made["metadata"]["creationTimestamp"],
            },
            "spec": {}, "status": {"replicas": 0, "selector": "app=a"},
        })
    );
}

async fn scale_update_changes_the_replicas(c: &Context) {
    let idle = with(
        deployment("a"),
        "/spec/template/spec/schedulerName",
        "nobody",
    );
    c.made("deployments", &idle).await;
    let mut scale = c.read("deployments/a/scale").await;
    scale["spec"]["replicas"] = 2.into();
    scale["metadata"]["resourceVersion"].take();
    let changed = c.put("deployments/a/scale", &scale).await.ok(200);
    assert_eq!(changed["spec"]["replicas"], 2);
    assert_eq!(c.read("deployments/a").await["spec"]["replicas"], 2);
}

async fn scale_patch_changes_the_replicas(c: &Context) {
    let idle = with(
        deployment("a"),
        "/spec/template/spec/schedulerName",
        "nobody",
    );
    c.made("deployments", &idle).await;
    let patch = json!({"spec": {"replicas": 3}});
    let changed = c
        .patch(Patch::Merge, "deployments/a/scale", &patch)
        .await
        .ok(200);
    assert_eq!(
        (&changed["kind"], &changed["spec"]["replicas"]),
        (&json!("Scale"), &json!(3))
    );
}

async fn scale_with_a_stale_resource_version_is_refused_with_409_conflict(c: &Context) {
    let made = c.made("deployments", &deployment("a")).await;
    let _ = c
        .patch(
            Patch::Merge,
            "deployments/a",
            &json!({"spec": {"minReadySeconds": 1}}),
        )
        .await
        .ok(200);
    let scale = json!({
        "metadata": {"name": "a", "namespace": c.namespace, "resourceVersion": made["metadata"]["resourceVersion"]},
        "spec": {"replicas": 2},
    });
    let _ = c.put("deployments/a/scale", &scale).await.ok(409);
}

async fn negative_scale_is_refused(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let patch = json!({"spec": {"replicas": -1}});
    let answer = c
        .patch(Patch::Merge, "deployments/a/scale", &patch)
        .await
        .ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "spec.replicas");
    assert_eq!(answer["details"]["kind"], "Scale");
}

async fn scale_patch_of_another_media_type_is_refused_with_415(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let headers = [("content-type", "application/json")];
    let patch = r#"{"spec": {"replicas": 1}}"#;
    let answer = c
        .send(http::Method::PATCH, "deployments/a/scale", &headers, patch)
        .await;
    let message = "415: Unsupported Media Type";
    answer.refused(415, "UnsupportedMediaType", message);
}

async fn scale_can_be_patched_by_strategic_merge(c: &Context) {
    c.made("deployments", &idle()).await;
    let patch = json!({"spec": {"replicas": 2}});
    let patch = c.patch(Patch::Strategic, "deployments/a/scale", &patch);
    assert_eq!(patch.await.ok(200)["spec"]["replicas"], 2);
}

async fn scale_patch_with_a_wrong_type_is_refused(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let patch = json!({"spec": {"replicas": "x"}});
    let answer = c.patch(Patch::Merge, "deployments/a/scale", &patch).await;
    let told =
        "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32";
    assert!(text(&answer.ok(422)["message"]).ends_with(told));
}

async fn scale_with_unknown_fields_is_refused_if_asked_to(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let scale = json!({"metadata": {"name": "a"}, "foo": 1});
    c.put("deployments/a/scale?fieldValidation=Strict", &scale)
        .await
        .refused(
            400,
            "BadRequest",
            "Scale in version \"v1\" cannot be handled as a Scale: strict decoding error: unknown field \"foo\"",
        );
}

async fn scale_of_another_name_is_refused(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let scale = json!({"metadata": {"name": "b"}, "spec": {"replicas": 1}});
    c.put("deployments/a/scale", &scale).await.refused(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
}

async fn scale_of_another_uid_is_refused_with_409_conflict(c: &Context) {
    let made = c.made("deployments", &deployment("a")).await;
    let uid = text(&made["metadata"]["uid"]);
    let scale = json!({"metadata": {"name": "a", "uid": "other"}, "spec": {"replicas": 1}});
    let patch = c.patch(Patch::Merge, "deployments/a/scale", &scale).await;
    let message = format!(
        "Operation cannot be fulfilled on deployments/scale.apps \"a\": Precondition failed: UID in precondition: other, UID in object meta: {uid}"
    );
    patch.refused(409, "Conflict", &message);
    let message = format!(
        "Operation cannot be fulfilled on deployments.apps \"a\": StorageError: invalid object, Code: 4, Key: /registry/deployments/NS/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: {uid}"
    );
    let put = c.put("deployments/a/scale", &scale).await;
    put.refused(409, "Conflict", &message);
}

async fn scale_of_another_kind_is_refused(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    c.put("deployments/a/scale", &deployment("a"))
        .await
        .refused(
            400,
            "BadRequest",
            "Deployment in version \"v1\" cannot be handled as a Scale: converting (v1.Deployment) to (autoscaling.Scale): unknown conversion",
        );
}

async fn scale_selector_has_the_expressions(c: &Context) {
    let expressions = json!([
        {"key": "z", "operator": "DoesNotExist"}, {"key": "b", "operator": "In", "values": ["y", "x"]},
    ]);
    let object = with(
        deployment("a"),
        "/spec/selector/matchExpressions",
        expressions,
    );
    let object = with(object, "/spec/template/metadata/labels/b", "x");
    c.made("deployments", &object).await;
    let scale = c.read("deployments/a/scale").await;
    assert_eq!(scale["status"]["selector"], "app=a,b in (x,y),!z");
}

async fn apply_of_a_scale_owns_the_replicas(c: &Context) {
    c.made("deployments", &with(idle(), "/spec/replicas", 1))
        .await;
    let _ = c.apply("x", "deployments/a/scale", &scale(1)).await.ok(200);
    let object = c.read("deployments/a").await;
    let entries = object["metadata"]["managedFields"].as_array();
    let entry = entries.and_then(|it| it.iter().find(|it| it["manager"] == "x"));
    let entry = entry.expect("an owner");
    assert_eq!(
        (
            &entry["operation"],
            &entry["subresource"],
            &entry["apiVersion"]
        ),
        (&json!("Apply"), &json!("scale"), &json!("apps/v1"))
    );
    assert_eq!(entry["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
}

async fn apply_of_a_scale_conflicts_with_other_owners_of_the_replicas(c: &Context) {
    let object = with(idle(), "/spec/replicas", 1);
    c.made("deployments?fieldManager=m", &object).await;
    c.apply("x", "deployments/a/scale", &scale(2))
        .await
        .refused(
            409,
            "Conflict",
            "Apply failed with 1 conflict: conflict with \"m\" using autoscaling/v1: .spec.replicas",
        );
    let path = "deployments/a/scale?force=true&fieldManager=x";
    let _ = c.patch(Patch::Apply, path, &scale(2)).await.ok(200);
    c.apply("y", "deployments/a/scale", &scale(3))
        .await
        .refused(
            409,
            "Conflict",
            "Apply failed with 1 conflict: conflict with \"x\" with subresource \"scale\": .spec.replicas",
        );
}

async fn apply_of_a_workload_to_its_scale_is_refused(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let config = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}});
    let answer = c.apply("x", "deployments/a/scale", &config).await;
    let message = "invalid object type: apps/v1, Kind=Deployment";
    answer.refused(400, "BadRequest", message);
}

async fn update_of_a_scale_takes_the_replicas_from_their_owner(c: &Context) {
    let object = with(idle(), "/spec/replicas", 1);
    c.made("deployments?fieldManager=m", &object).await;
    let path = "deployments/a/scale?fieldManager=s";
    let _ = c.patch(Patch::Merge, path, &scale(2)).await.ok(200);
    let object = c.read("deployments/a").await;
    let owners: Vec<String> = object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| !it["fieldsV1"]["f:spec"]["f:replicas"].is_null())
        .map(|it| {
            format!(
                "{} {} {}",
                it["manager"], it["operation"], it["subresource"]
            )
        })
        .collect();
    assert_eq!(owners, [r#""s" "Update" "scale""#]);
}

/// A paused Deployment whose pods no scheduler looks at.
fn idle() -> Value {
    with(
        deployment("a"),
        "/spec/template/spec/schedulerName",
        "nobody",
    )
}

fn scale(replicas: u64) -> Value {
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"},
        "spec": {"replicas": replicas},
    })
}

async fn scale_of_a_kind_without_one_is_not_found(c: &Context) {
    c.made("cronjobs", &cron_job("a")).await;
    let answer = c.get("cronjobs/a/scale").await;
    answer.refused(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
}

async fn scale_of_a_missing_object_answers_404(c: &Context) {
    let answer = c.get("deployments/a/scale").await;
    answer.refused(404, "NotFound", "deployments.apps \"a\" not found");
}

async fn log_of_a_pod_without_a_node_is_empty(c: &Context) {
    c.made("pods", &pod("a")).await;
    let answer = c.get("pods/a/log").await;
    assert_eq!((answer.status, answer.text()), (204, String::new()));
}

async fn log_of_a_missing_pod_answers_404(c: &Context) {
    c.get("pods/a/log")
        .await
        .refused(404, "NotFound", "pods \"a\" not found");
}

async fn log_of_a_container_that_the_pod_lacks_is_refused(c: &Context) {
    c.made("pods", &pod("a")).await;
    let answer = c.get("pods/a/log?container=x").await;
    answer.refused(400, "BadRequest", "container x is not valid for pod a");
}

async fn log_of_one_of_several_containers_must_name_it(c: &Context) {
    let both = json!([{"name": "x", "image": "x:1"}, {"name": "y", "image": "y:1"}]);
    c.made("pods", &with(pod("a"), "/spec/containers", both))
        .await;
    c.get("pods/a/log").await.refused(
        400,
        "BadRequest",
        "a container name must be specified for pod a, choose one of: [x y]",
    );
}

async fn binding_puts_a_pod_on_a_node_once(c: &Context) {
    c.made("pods", &pod("a")).await;
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "no-such-node"},
    });
    let answer = c.post("pods/a/binding", &binding).await.ok(201);
    assert_eq!(answer["status"], "Success");
    let bound = c.read("pods/a").await;
    assert_eq!(bound["spec"]["nodeName"], "no-such-node");
    let again = c.post("pods/a/binding", &binding).await;
    again.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"no-such-node\"",
    );
    let _ = c.delete("pods/a?gracePeriodSeconds=0").await.ok(200);
}

async fn pod_condition_times_are_kept_as_written(c: &Context) {
    c.made("pods", &pod("a")).await;
    let condition =
        json!({"type": "Ready", "status": "True", "lastTransitionTime": "2001-01-01T00:00:00Z"});
    let patch = json!({"status": {"conditions": [condition]}});
    let changed = c.patch(Patch::Merge, "pods/a/status", &patch).await.ok(200);
    let condition = &changed["status"]["conditions"][0];
    assert_eq!(condition["lastTransitionTime"], "2001-01-01T00:00:00Z");
    assert_eq!(condition["lastProbeTime"], Value::Null);
    assert!(
        condition
            .as_object()
            .expect("an object")
            .contains_key("lastProbeTime")
    );
}
