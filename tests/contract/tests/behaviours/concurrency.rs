//! Optimistic concurrency: resourceVersion and uid as conditions, and races.

use futures::future::join_all;
use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::json;

/// Why a write with an old resourceVersion is refused.
const STALE: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

behaviours![
    update_with_a_stale_resource_version_is_refused_with_409_conflict,
    stale_update_without_a_change_is_refused_too,
    update_without_a_resource_version_overwrites,
    update_of_a_lease_needs_a_resource_version,
    update_with_a_resource_version_that_is_no_number_is_refused,
    update_with_a_future_resource_version_is_refused_with_409_conflict,
    update_with_another_uid_is_refused_with_409_conflict,
    put_with_a_resource_version_on_a_deleted_lease_creates_it_again,
    put_with_a_uid_on_a_deleted_lease_is_refused_with_409_conflict,
    update_after_a_recreation_is_refused_by_uid,
    merge_patch_with_a_stale_resource_version_is_refused_with_409_conflict,
    merge_patch_with_the_current_resource_version_is_accepted,
    merge_patch_cannot_change_the_uid,
    of_racing_updates_of_one_version_exactly_one_wins,
    of_racing_creations_of_one_name_exactly_one_wins,
    of_racing_deletions_of_one_object_exactly_one_wins,
    racing_patches_of_different_fields_all_win,
    racing_creations_get_different_resource_versions,
];

async fn update_with_a_stale_resource_version_is_refused_with_409_conflict(c: &Context) {
    let old = c.made("configmaps", &config_map("a")).await;
    let _ = c
        .put("configmaps/a", &with(old.clone(), "/data/k", "w"))
        .await
        .ok(200);
    let details = c
        .put("configmaps/a", &with(old, "/data/k", "x"))
        .await
        .refused(
            409,
            "Conflict",
            &format!("Operation cannot be fulfilled on configmaps \"a\": {STALE}"),
        );
    assert_eq!(details, json!({"name": "a", "kind": "configmaps"}));
    assert_eq!(c.read("configmaps/a").await["data"]["k"], "w");
}

async fn stale_update_without_a_change_is_refused_too(c: &Context) {
    let old = c.made("configmaps", &config_map("a")).await;
    let new = c
        .put("configmaps/a", &with(old.clone(), "/data/k", "w"))
        .await
        .ok(200);
    let same = with(
        new,
        "/metadata/resourceVersion",
        old["metadata"]["resourceVersion"].clone(),
    );
    let _ = c.put("configmaps/a", &same).await.ok(409);
}

async fn update_without_a_resource_version_overwrites(c: &Context) {
    let old = c.made("configmaps", &config_map("a")).await;
    let _ = c
        .put("configmaps/a", &with(old, "/data/k", "w"))
        .await
        .ok(200);
    let changed = c
        .put("configmaps/a", &with(config_map("a"), "/data/k", "x"))
        .await
        .ok(200);
    assert_eq!(changed["data"]["k"], "x");
}

async fn update_of_a_lease_needs_a_resource_version(c: &Context) {
    c.made("leases", &lease("a")).await;
    let details = c.put("leases/a", &lease("a")).await.refused(
        422,
        "Invalid",
        "leases.coordination.k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update",
    );
    assert_eq!(details["kind"], "leases");
}

async fn update_with_a_resource_version_that_is_no_number_is_refused(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let sent = with(made, "/metadata/resourceVersion", "abc");
    let answer = c.put("configmaps/a", &sent).await;
    answer.refused(
        500,
        "",
        "strconv.ParseUint: parsing \"abc\": invalid syntax",
    );
}

async fn update_with_a_future_resource_version_is_refused_with_409_conflict(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let sent = with(made, "/metadata/resourceVersion", "999999999");
    let _ = c.put("configmaps/a", &sent).await.ok(409);
}

async fn update_with_another_uid_is_refused_with_409_conflict(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let uid = text(&made["metadata"]["uid"]);
    let sent = with(made, "/metadata/uid", "other");
    c.put("configmaps/a", &sent).await.refused(
        409,
        "Conflict",
        &format!("Operation cannot be fulfilled on configmaps \"a\": StorageError: invalid object, Code: 4, Key: /registry/configmaps/NS/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: other, UID in object meta: {uid}"),
    );
}

async fn put_with_a_resource_version_on_a_deleted_lease_creates_it_again(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let _ = c.delete("leases/a").await.ok(200);
    let mut sent = made.clone();
    sent["metadata"]["uid"].take();
    let again = c.put("leases/a", &sent).await.ok(201);
    assert_ne!(again["metadata"]["uid"], made["metadata"]["uid"]);
    assert!(version(&again) > version(&made));
}

async fn put_with_a_uid_on_a_deleted_lease_is_refused_with_409_conflict(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let uid = text(&made["metadata"]["uid"]);
    let _ = c.delete("leases/a").await.ok(200);
    c.put("leases/a", &made).await.refused(
        409,
        "Conflict",
        &format!("Operation cannot be fulfilled on leases.coordination.k8s.io \"a\": StorageError: invalid object, Code: 4, Key: /registry/leases/NS/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: "),
    );
}

async fn update_after_a_recreation_is_refused_by_uid(c: &Context) {
    let old = c.made("leases", &lease("a")).await;
    let _ = c.delete("leases/a").await.ok(200);
    let new = c.made("leases", &lease("a")).await;
    let sent = with(new, "/metadata/uid", old["metadata"]["uid"].clone());
    let _ = c.put("leases/a", &sent).await.ok(409);
}

async fn merge_patch_with_a_stale_resource_version_is_refused_with_409_conflict(c: &Context) {
    let old = c.made("configmaps", &config_map("a")).await;
    let _ = c
        .put("configmaps/a", &with(old.clone(), "/data/k", "w"))
        .await
        .ok(200);
    let patch = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"k": "x"}});
    c.patch(Patch::Merge, "configmaps/a", &patch).await.refused(
        409,
        "Conflict",
        &format!("Operation cannot be fulfilled on configmaps \"a\": {STALE}"),
    );
}

async fn merge_patch_with_the_current_resource_version_is_accepted(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let patch = json!({"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "x"}});
    let changed = c.patch(Patch::Merge, "configmaps/a", &patch).await.ok(200);
    assert_eq!(changed["data"]["k"], "x");
}

async fn merge_patch_cannot_change_the_uid(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!({"metadata": {"uid": "other"}});
    let details = c.patch(Patch::Merge, "configmaps/a", &patch).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"other\": field is immutable",
    );
    assert_eq!(details["causes"][0]["field"], "metadata.uid");
}

async fn of_racing_updates_of_one_version_exactly_one_wins(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let racers = (0..16).map(|n| {
        let sent = with(made.clone(), "/data/k", n.to_string());
        async move { c.put("configmaps/a", &sent).await.status }
    });
    let mut answers = join_all(racers).await;
    answers.sort_unstable();
    assert_eq!(answers[0], 200);
    assert_eq!(answers[1..], [409; 15]);
}

async fn of_racing_creations_of_one_name_exactly_one_wins(c: &Context) {
    let racers = (0..16).map(|_| async { c.post("configmaps", &config_map("a")).await.status });
    let mut answers = join_all(racers).await;
    answers.sort_unstable();
    assert_eq!(answers[0], 201);
    assert_eq!(answers[1..], [409; 15]);
}

async fn of_racing_deletions_of_one_object_exactly_one_wins(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let racers = (0..8).map(|_| async { c.delete("configmaps/a").await.status });
    let mut answers = join_all(racers).await;
    answers.sort_unstable();
    assert_eq!(answers[0], 200);
    assert_eq!(answers[1..], [404; 7]);
}

async fn racing_patches_of_different_fields_all_win(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let racers = (0..8).map(|n| async move {
        let patch = json!({"data": {format!("k{n}"): "v"}});
        c.patch(Patch::Merge, "configmaps/a", &patch).await.status
    });
    assert_eq!(join_all(racers).await, [200; 8]);
    let data = c.read("configmaps/a").await["data"].clone();
    assert_eq!(data.as_object().expect("data").len(), 9);
}

async fn racing_creations_get_different_resource_versions(c: &Context) {
    let racers =
        (0..32).map(|n| async move { version(&c.made("leases", &lease(&format!("a{n}"))).await) });
    let mut versions = join_all(racers).await;
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 32);
}
