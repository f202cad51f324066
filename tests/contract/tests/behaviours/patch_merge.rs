//! Merge patches (RFC 7386).

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    merge_patch_adds_and_replaces,
    merge_patch_removes_with_null,
    merge_patch_replaces_lists_whole,
    merge_patch_without_effect_keeps_the_resource_version,
    merge_patch_of_a_missing_object_answers_404,
    merge_patch_of_nonsense_is_refused,
    merge_patch_of_another_type_than_the_field_has_is_refused,
    merge_patch_of_another_kind_is_refused,
    merge_patch_of_the_name_is_refused,
    merge_patch_cannot_set_the_status,
    merge_patch_removes_a_defaulted_field_and_it_comes_back,
    merge_patch_of_all_labels_to_null_removes_them,
];

async fn merge_patch_adds_and_replaces(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!({"data": {"k": "w", "n": "x"}});
    let changed = c.patch(Patch::Merge, "configmaps/a", &patch).await.ok(200);
    assert_eq!(changed["data"], json!({"k": "w", "n": "x"}));
    assert_eq!(c.read("configmaps/a").await, changed);
}

async fn merge_patch_removes_with_null(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!({"data": {"k": null, "n": "x"}});
    let changed = c.patch(Patch::Merge, "configmaps/a", &patch).await.ok(200);
    assert_eq!(changed["data"], json!({"n": "x"}));
}

async fn merge_patch_replaces_lists_whole(c: &Context) {
    c.made("services", &service("a")).await;
    let patch = json!({"spec": {"ports": [{"name": "b", "port": 81}]}});
    let changed = c.patch(Patch::Merge, "services/a", &patch).await.ok(200);
    let ports = changed["spec"]["ports"].as_array().expect("ports");
    assert_eq!(ports.len(), 1);
    assert_eq!(ports[0]["port"], 81);
}

async fn merge_patch_without_effect_keeps_the_resource_version(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let same = c
        .patch(Patch::Merge, "configmaps/a", &json!({"data": {"k": "v"}}))
        .await
        .ok(200);
    assert_eq!(same, made);
    let same = c
        .patch(Patch::Merge, "configmaps/a", &json!({}))
        .await
        .ok(200);
    assert_eq!(same, made);
}

async fn merge_patch_of_a_missing_object_answers_404(c: &Context) {
    let answer = c.patch(Patch::Merge, "leases/a", &json!({})).await;
    answer.refused(
        404,
        "NotFound",
        "leases.coordination.k8s.io \"a\" not found",
    );
}

async fn merge_patch_of_nonsense_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let headers = [("content-type", Patch::Merge.media_type())];
    let answer = c
        .send(http::Method::PATCH, "configmaps/a", &headers, "{nonsense")
        .await
        .ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn merge_patch_of_another_type_than_the_field_has_is_refused(c: &Context) {
    c.made("leases", &lease("a")).await;
    let patch = json!({"spec": {"leaseDurationSeconds": "ten"}});
    let answer = c.patch(Patch::Merge, "leases/a", &patch).await;
    assert_eq!(
        (answer.status, answer.json()["reason"].clone()),
        (422, "Invalid".into())
    );
}

async fn merge_patch_of_another_kind_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let answer = c
        .patch(Patch::Merge, "configmaps/a", &json!({"kind": "Secret"}))
        .await
        .ok(422);
    assert_eq!(answer["reason"], "Invalid");
}

async fn merge_patch_of_the_name_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!({"metadata": {"name": "b"}});
    let _ = c.patch(Patch::Merge, "configmaps/a", &patch).await.ok(400);
}

async fn merge_patch_cannot_set_the_status(c: &Context) {
    c.made("cronjobs", &cron_job("a")).await;
    let patch = json!({"status": {"lastScheduleTime": "2001-01-01T00:00:00Z"}});
    let changed = c.patch(Patch::Merge, "cronjobs/a", &patch).await.ok(200);
    assert_eq!(changed["status"], json!({}));
}

async fn merge_patch_removes_a_defaulted_field_and_it_comes_back(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let patch = json!({"spec": {"progressDeadlineSeconds": null, "revisionHistoryLimit": null}});
    let changed = c.patch(Patch::Merge, "deployments/a", &patch).await.ok(200);
    assert_eq!(changed["spec"]["progressDeadlineSeconds"], 600);
    assert_eq!(changed["spec"]["revisionHistoryLimit"], 10);
}

async fn merge_patch_of_all_labels_to_null_removes_them(c: &Context) {
    c.made("leases", &labelled("a", &json!({"x": "y"}))).await;
    let patch = json!({"metadata": {"labels": null}});
    let changed = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    assert_eq!(changed["metadata"]["labels"], Value::Null);
}
