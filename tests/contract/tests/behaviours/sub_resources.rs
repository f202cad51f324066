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
