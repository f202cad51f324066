//! Deletion: what comes back, conditions, finalizers, propagation, grace.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    deletion_answers_with_a_status_that_names_the_object,
    deletion_in_a_group_names_the_group,
    deletion_of_a_missing_object_answers_404,
    deletion_of_a_service_answers_with_the_service,
    deletion_with_another_uid_is_refused_with_409_conflict,
    deletion_with_a_stale_resource_version_is_refused_with_409_conflict,
    deletion_with_the_current_uid_and_resource_version_is_accepted,
    deletion_of_a_missing_object_with_conditions_answers_404,
    finalizer_keeps_the_object_with_a_deletion_timestamp,
    removing_the_last_finalizer_ends_the_object,
    removing_the_last_finalizer_by_update_ends_the_object,
    removing_one_of_two_finalizers_keeps_the_object,
    second_deletion_of_a_held_object_changes_nothing,
    finalizer_cannot_be_added_to_a_dying_object,
    dying_object_can_still_be_changed,
    deletion_timestamp_cannot_be_set_or_cleared_by_an_update,
    name_of_a_dying_object_is_taken,
    foreground_propagation_is_recorded_as_a_finalizer,
    orphan_propagation_is_recorded_as_a_finalizer,
    background_propagation_adds_no_finalizer,
    later_propagation_replaces_an_earlier_one,
    orphan_dependents_is_the_old_name_of_orphan,
    unknown_propagation_is_refused,
    pod_without_a_node_is_deleted_at_once,
    pod_on_a_node_is_deleted_with_its_grace_period,
    grace_period_of_a_pod_can_be_shortened_and_not_lengthened,
    negative_grace_period_means_one_second,
    options_of_another_kind_are_refused,
    collection_is_deleted_by_selector,
    collection_is_deleted_by_field,
    deletion_of_a_collection_leaves_held_objects_dying,
    services_cannot_be_deleted_as_a_collection_by_an_unknown_field,
];

/// Lets an object go that a finalizer holds.
async fn release(c: &Context, path: &str) {
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, path, &patch).await.ok(200);
}

fn held(object: Value) -> Value {
    with(object, "/metadata/finalizers", json!(["example.com/x"]))
}

async fn deletion_answers_with_a_status_that_names_the_object(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let answer = c.delete("configmaps/a").await.ok(200);
    assert_eq!(
        answer,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]},
        })
    );
    let _ = c.get("configmaps/a").await.ok(404);
}

async fn deletion_in_a_group_names_the_group(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let answer = c.delete("leases/a").await.ok(200);
    assert_eq!(
        answer["details"],
        json!({"name": "a", "group": "coordination.k8s.io", "kind": "leases", "uid": made["metadata"]["uid"]})
    );
}

async fn deletion_of_a_missing_object_answers_404(c: &Context) {
    c.delete("configmaps/a")
        .await
        .refused(404, "NotFound", "configmaps \"a\" not found");
}

async fn deletion_of_a_service_answers_with_the_service(c: &Context) {
    c.made("services", &service("a")).await;
    let answer = c.delete("services/a").await.ok(200);
    assert_eq!(
        (&answer["kind"], &answer["metadata"]["name"]),
        (&json!("Service"), &json!("a"))
    );
}

async fn deletion_with_another_uid_is_refused_with_409_conflict(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let options = json!({"preconditions": {"uid": "other"}});
    c.delete_with("configmaps/a", &options).await.refused(
        409,
        "Conflict",
        &format!(
            "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (other) does not match the UID in record ({}). The object might have been deleted and then recreated",
            text(&made["metadata"]["uid"])
        ),
    );
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn deletion_with_a_stale_resource_version_is_refused_with_409_conflict(c: &Context) {
    let old = c.made("configmaps", &config_map("a")).await;
    let new = c
        .put("configmaps/a", &with(old.clone(), "/data/k", "w"))
        .await
        .ok(200);
    let (old, new) = (
        text(&old["metadata"]["resourceVersion"]),
        text(&new["metadata"]["resourceVersion"]),
    );
    let options = json!({"preconditions": {"resourceVersion": old}});
    c.delete_with("configmaps/a", &options).await.refused(
        409,
        "Conflict",
        &format!("Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition ({old}) does not match the ResourceVersion in record ({new}). The object might have been modified"),
    );
}

async fn deletion_with_the_current_uid_and_resource_version_is_accepted(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let metadata = &made["metadata"];
    let options = json!({"preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}});
    let _ = c.delete_with("leases/a", &options).await.ok(200);
    let _ = c.get("leases/a").await.ok(404);
}

async fn deletion_of_a_missing_object_with_conditions_answers_404(c: &Context) {
    let options = json!({"preconditions": {"uid": "other"}});
    let _ = c.delete_with("configmaps/a", &options).await.ok(404);
}

async fn finalizer_keeps_the_object_with_a_deletion_timestamp(c: &Context) {
    let made = c.made("leases", &held(lease("a"))).await;
    let answer = c.delete("leases/a").await.ok(200);
    let metadata = &answer["metadata"];
    assert_eq!(answer["kind"], "Lease");
    assert_eq!(text(&metadata["deletionTimestamp"]).len(), 20);
    assert_eq!(metadata["deletionGracePeriodSeconds"], 0);
    assert!(version(&answer) > version(&made));
    assert_eq!(c.read("leases/a").await, answer);
    release(c, "leases/a").await;
}

async fn removing_the_last_finalizer_ends_the_object(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let _ = c.delete("leases/a").await.ok(200);
    let patch = json!({"metadata": {"finalizers": null}});
    let last = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    assert_eq!(last["metadata"]["finalizers"], Value::Null);
    assert_ne!(last["metadata"]["deletionTimestamp"], Value::Null);
    let _ = c.get("leases/a").await.ok(404);
}

async fn removing_the_last_finalizer_by_update_ends_the_object(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let mut dying = c.delete("leases/a").await.ok(200);
    dying["metadata"]["finalizers"] = json!([]);
    let _ = c.put("leases/a", &dying).await.ok(200);
    let _ = c.get("leases/a").await.ok(404);
}

async fn removing_one_of_two_finalizers_keeps_the_object(c: &Context) {
    c.made(
        "leases",
        &with(
            lease("a"),
            "/metadata/finalizers",
            json!(["a.b/x", "a.b/y"]),
        ),
    )
    .await;
    let _ = c.delete("leases/a").await.ok(200);
    let patch = json!({"metadata": {"finalizers": ["a.b/y"]}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    assert_eq!(
        c.read("leases/a").await["metadata"]["finalizers"],
        json!(["a.b/y"])
    );
    release(c, "leases/a").await;
}

async fn second_deletion_of_a_held_object_changes_nothing(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let first = c.delete("leases/a").await.ok(200);
    let second = c.delete("leases/a").await.ok(200);
    assert_eq!(first, second);
    release(c, "leases/a").await;
}

async fn finalizer_cannot_be_added_to_a_dying_object(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let _ = c.delete("leases/a").await.ok(200);
    let patch = json!({"metadata": {"finalizers": ["example.com/x", "example.com/y"]}});
    c.patch(Patch::Merge, "leases/a", &patch).await.refused(
        422,
        "Invalid",
        "Lease.coordination.k8s.io \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"example.com/y\"}",
    );
    release(c, "leases/a").await;
}

async fn dying_object_can_still_be_changed(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let _ = c.delete("leases/a").await.ok(200);
    let patch = json!({"spec": {"holderIdentity": "x"}});
    let changed = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    assert_eq!(changed["spec"]["holderIdentity"], "x");
    release(c, "leases/a").await;
}

async fn deletion_timestamp_cannot_be_set_or_cleared_by_an_update(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let dying = c.delete("leases/a").await.ok(200);
    let patch = json!({"metadata": {"deletionTimestamp": null}});
    let answer = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    assert_eq!(
        answer["metadata"]["deletionTimestamp"],
        dying["metadata"]["deletionTimestamp"]
    );
    release(c, "leases/a").await;
}

async fn name_of_a_dying_object_is_taken(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let _ = c.delete("leases/a").await.ok(200);
    c.post("leases", &lease("a")).await.refused(
        409,
        "AlreadyExists",
        "object is being deleted: leases.coordination.k8s.io \"a\" already exists",
    );
    release(c, "leases/a").await;
}

async fn foreground_propagation_is_recorded_as_a_finalizer(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let answer = c
        .delete("leases/a?propagationPolicy=Foreground")
        .await
        .ok(200);
    assert_eq!(
        answer["metadata"]["finalizers"],
        json!(["example.com/x", "foregroundDeletion"])
    );
    release(c, "leases/a").await;
}

async fn orphan_propagation_is_recorded_as_a_finalizer(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let options = json!({"propagationPolicy": "Orphan"});
    let answer = c.delete_with("leases/a", &options).await.ok(200);
    assert_eq!(
        answer["metadata"]["finalizers"],
        json!(["example.com/x", "orphan"])
    );
    release(c, "leases/a").await;
}

async fn background_propagation_adds_no_finalizer(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let answer = c
        .delete("leases/a?propagationPolicy=Background")
        .await
        .ok(200);
    assert_eq!(answer["metadata"]["finalizers"], json!(["example.com/x"]));
    release(c, "leases/a").await;
}

async fn later_propagation_replaces_an_earlier_one(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let _ = c
        .delete("leases/a?propagationPolicy=Foreground")
        .await
        .ok(200);
    let answer = c
        .delete("leases/a?propagationPolicy=Background")
        .await
        .ok(200);
    assert_eq!(answer["metadata"]["finalizers"], json!(["example.com/x"]));
    release(c, "leases/a").await;
}

async fn orphan_dependents_is_the_old_name_of_orphan(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    let answer = c
        .delete_with("leases/a", &json!({"orphanDependents": true}))
        .await
        .ok(200);
    assert_eq!(
        answer["metadata"]["finalizers"],
        json!(["example.com/x", "orphan"])
    );
    release(c, "leases/a").await;
}

async fn unknown_propagation_is_refused(c: &Context) {
    c.made("leases", &lease("a")).await;
    let answer = c
        .delete("leases/a?propagationPolicy=Sideways")
        .await
        .ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "propagationPolicy");
    let _ = c.read("leases/a").await;
}

async fn pod_without_a_node_is_deleted_at_once(c: &Context) {
    c.made("pods", &pod("a")).await;
    let answer = c.delete("pods/a").await.ok(200);
    assert_eq!(answer["kind"], "Pod");
    let _ = c.get("pods/a").await.ok(404);
}

async fn pod_on_a_node_is_deleted_with_its_grace_period(c: &Context) {
    c.made("pods", &with(pod("a"), "/spec/nodeName", "no-such-node"))
        .await;
    let answer = c.delete("pods/a").await.ok(200);
    assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_ne!(answer["metadata"]["deletionTimestamp"], Value::Null);
    let _ = c.delete("pods/a?gracePeriodSeconds=0").await.ok(200);
    let _ = c.get("pods/a").await.ok(404);
}

async fn grace_period_of_a_pod_can_be_shortened_and_not_lengthened(c: &Context) {
    c.made("pods", &with(pod("a"), "/spec/nodeName", "no-such-node"))
        .await;
    let answer = c.delete("pods/a?gracePeriodSeconds=20").await.ok(200);
    assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 20);
    let answer = c.delete("pods/a?gracePeriodSeconds=25").await.ok(200);
    assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 20);
    let answer = c.delete("pods/a?gracePeriodSeconds=5").await.ok(200);
    assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 5);
    let _ = c.delete("pods/a?gracePeriodSeconds=0").await.ok(200);
}

async fn negative_grace_period_means_one_second(c: &Context) {
    c.made("pods", &with(pod("a"), "/spec/nodeName", "no-such-node"))
        .await;
    let answer = c.delete("pods/a?gracePeriodSeconds=-1").await.ok(200);
    assert_eq!(answer["metadata"]["deletionGracePeriodSeconds"], 1);
    let _ = c.delete("pods/a?gracePeriodSeconds=0").await.ok(200);
}

async fn options_of_another_kind_are_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c
        .delete_with(
            "configmaps/a",
            &json!({"apiVersion": "v1", "kind": "ConfigMap"}),
        )
        .await
        .ok(400);
}

async fn collection_is_deleted_by_selector(c: &Context) {
    c.made("leases", &labelled("a", &json!({"x": "y"}))).await;
    c.made("leases", &lease("b")).await;
    let answer = c.delete("leases?labelSelector=x%3Dy").await.ok(200);
    assert_eq!(answer["kind"], "LeaseList");
    assert_eq!(answer["items"][0]["metadata"]["name"], "a");
    assert_eq!(c.names("leases").await, ["b"]);
}

async fn collection_is_deleted_by_field(c: &Context) {
    c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let _ = c
        .delete("leases?fieldSelector=metadata.name!%3Db")
        .await
        .ok(200);
    assert_eq!(c.names("leases").await, ["b"]);
}

async fn deletion_of_a_collection_leaves_held_objects_dying(c: &Context) {
    c.made("leases", &held(lease("a"))).await;
    c.made("leases", &lease("b")).await;
    let _ = c.delete("leases").await.ok(200);
    assert_eq!(c.names("leases").await, ["a"]);
    assert_ne!(
        c.read("leases/a").await["metadata"]["deletionTimestamp"],
        Value::Null
    );
    release(c, "leases/a").await;
}

async fn services_cannot_be_deleted_as_a_collection_by_an_unknown_field(c: &Context) {
    let _ = c
        .delete("services?fieldSelector=spec.nonsense%3Dx")
        .await
        .ok(400);
}
