//! Watches: where they begin, what they tell, how they end.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    watch_from_a_version_tells_what_happened_since,
    watch_tells_what_happens_while_it_runs_in_order,
    watched_object_is_the_stored_one_with_its_kind,
    watch_from_an_object_tells_only_later_events,
    watch_without_a_version_begins_with_all_that_is_there,
    watch_from_0_begins_with_all_that_is_there,
    watch_resumes_after_its_last_event,
    deleted_event_carries_the_version_of_the_deletion,
    versions_of_events_rise,
    object_that_leaves_the_selection_is_told_as_deleted,
    object_that_enters_the_selection_is_told_as_added,
    object_that_was_never_selected_is_not_told,
    object_deleted_after_it_left_the_selection_is_told_once,
    watch_of_one_name_tells_only_of_it,
    watch_over_all_namespaces_tells_of_this_one,
    watch_of_a_field_follows_its_value,
    watch_with_the_old_path_prefix_works,
    timeout_seconds_ends_the_watch,
    watch_from_a_compacted_version_ends_with_a_410_error_event,
    watch_from_nonsense_is_refused,
    watch_sends_json_lines,
    unchanged_update_is_not_told,
    setting_a_deletion_timestamp_is_told_as_modified,
];

/// The resourceVersion of an empty list, to watch from.
async fn now(c: &Context) -> u64 {
    version(&c.read("leases").await)
}

async fn watch_from_a_version_tells_what_happened_since(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    let patch = json!({"spec": {"holderIdentity": "x"}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    let _ = c.delete("leases/a").await.ok(200);
    let mut watch = c
        .watch(&format!("leases?watch=1&resourceVersion={start}"))
        .await;
    assert_eq!(
        watch.events(3).await,
        ["ADDED a", "MODIFIED a", "DELETED a"]
    );
}

async fn watch_tells_what_happens_while_it_runs_in_order(c: &Context) {
    let start = now(c).await;
    let mut watch = c
        .watch(&format!("leases?watch=1&resourceVersion={start}"))
        .await;
    for name in ["c", "a", "b"] {
        c.made("leases", &lease(name)).await;
    }
    assert_eq!(watch.events(3).await, ["ADDED c", "ADDED a", "ADDED b"]);
}

async fn watched_object_is_the_stored_one_with_its_kind(c: &Context) {
    let start = now(c).await;
    let made = c.made("leases", &lease("a")).await;
    let mut watch = c
        .watch(&format!("leases?watch=1&resourceVersion={start}"))
        .await;
    let (_, _, object) = watch.event().await;
    assert_eq!(object, made);
}

async fn watch_from_an_object_tells_only_later_events(c: &Context) {
    let first = c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let mut watch = c
        .watch(&format!(
            "leases?watch=1&resourceVersion={}",
            version(&first)
        ))
        .await;
    assert_eq!(watch.events(1).await, ["ADDED b"]);
}

async fn watch_without_a_version_begins_with_all_that_is_there(c: &Context) {
    for name in ["b", "a"] {
        c.made("leases", &lease(name)).await;
    }
    let mut watch = c.watch("leases?watch=1").await;
    let mut first = watch.events(2).await;
    first.sort();
    assert_eq!(first, ["ADDED a", "ADDED b"]);
    c.made("leases", &lease("c")).await;
    assert_eq!(watch.events(1).await, ["ADDED c"]);
}

async fn watch_from_0_begins_with_all_that_is_there(c: &Context) {
    c.made("leases", &lease("a")).await;
    let _ = c.read("leases").await; // the cache has seen it now
    let mut watch = c.watch("leases?watch=1&resourceVersion=0").await;
    assert_eq!(watch.events(1).await, ["ADDED a"]);
    let _ = c.delete("leases/a").await.ok(200);
    assert_eq!(watch.events(1).await, ["DELETED a"]);
}

async fn watch_resumes_after_its_last_event(c: &Context) {
    let start = now(c).await;
    let mut watch = c
        .watch(&format!("leases?watch=1&resourceVersion={start}"))
        .await;
    c.made("leases", &lease("a")).await;
    let (_, _, seen) = watch.event().await;
    drop(watch);
    c.made("leases", &lease("b")).await;
    let mut watch = c
        .watch(&format!(
            "leases?watch=1&resourceVersion={}",
            version(&seen)
        ))
        .await;
    assert_eq!(watch.events(1).await, ["ADDED b"]);
}

async fn deleted_event_carries_the_version_of_the_deletion(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let _ = c.delete("leases/a").await.ok(200);
    let after = c.made("leases", &lease("b")).await;
    let mut watch = c
        .watch(&format!(
            "leases?watch=1&resourceVersion={}",
            version(&made)
        ))
        .await;
    let (kind, name, object) = watch.event().await;
    assert_eq!((kind.as_str(), name.as_str()), ("DELETED", "a"));
    assert!(version(&made) < version(&object) && version(&object) < version(&after));
    assert_eq!(object["metadata"]["uid"], made["metadata"]["uid"]);
}

async fn versions_of_events_rise(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let _ = c.delete("leases/a").await.ok(200);
    let _ = c.delete("leases/b").await.ok(200);
    let mut watch = c
        .watch(&format!("leases?watch=1&resourceVersion={start}"))
        .await;
    let mut last = start;
    for _ in 0..4 {
        let (_, _, object) = watch.event().await;
        assert!(version(&object) > last);
        last = version(&object);
    }
}

async fn object_that_leaves_the_selection_is_told_as_deleted(c: &Context) {
    let start = now(c).await;
    c.made("leases", &labelled("a", &json!({"x": "y"}))).await;
    let path = format!("leases?watch=1&labelSelector=x%3Dy&resourceVersion={start}");
    let mut watch = c.watch(&path).await;
    assert_eq!(watch.events(1).await, ["ADDED a"]);
    let patch = json!({"metadata": {"labels": {"x": "z"}}});
    let left = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    let (kind, _, object) = watch.event().await;
    assert_eq!(kind, "DELETED");
    assert_eq!(object["metadata"]["labels"]["x"], "y");
    assert_eq!(version(&object), version(&left));
}

async fn object_that_enters_the_selection_is_told_as_added(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    let path = format!("leases?watch=1&labelSelector=x%3Dy&resourceVersion={start}");
    let mut watch = c.watch(&path).await;
    let patch = json!({"metadata": {"labels": {"x": "y"}}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    assert_eq!(watch.events(1).await, ["ADDED a"]);
}

async fn object_that_was_never_selected_is_not_told(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    let _ = c.delete("leases/a").await.ok(200);
    c.made("leases", &labelled("b", &json!({"x": "y"}))).await;
    let path = format!("leases?watch=1&labelSelector=x%3Dy&resourceVersion={start}");
    assert_eq!(c.watch(&path).await.events(1).await, ["ADDED b"]);
}

async fn object_deleted_after_it_left_the_selection_is_told_once(c: &Context) {
    let start = now(c).await;
    c.made("leases", &labelled("a", &json!({"x": "y"}))).await;
    let patch = json!({"metadata": {"labels": null}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    let _ = c.delete("leases/a").await.ok(200);
    c.made("leases", &labelled("b", &json!({"x": "y"}))).await;
    let path = format!("leases?watch=1&labelSelector=x&resourceVersion={start}");
    let events = c.watch(&path).await.events(3).await;
    assert_eq!(events, ["ADDED a", "DELETED a", "ADDED b"]);
}

async fn watch_of_one_name_tells_only_of_it(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let path = format!("leases?watch=1&fieldSelector=metadata.name%3Db&resourceVersion={start}");
    assert_eq!(c.watch(&path).await.events(1).await, ["ADDED b"]);
}

async fn watch_over_all_namespaces_tells_of_this_one(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    let path = format!(
        "/apis/coordination.k8s.io/v1/leases?watch=1&fieldSelector=metadata.namespace%3D{}&resourceVersion={start}",
        c.namespace
    );
    assert_eq!(c.watch(&path).await.events(1).await, ["ADDED a"]);
}

async fn watch_of_a_field_follows_its_value(c: &Context) {
    let start = now(c).await;
    c.made("pods", &pod("a")).await;
    let path = format!("pods?watch=1&fieldSelector=status.phase%3DRunning&resourceVersion={start}");
    let mut watch = c.watch(&path).await;
    let patch = json!({"status": {"phase": "Running"}});
    let _ = c.patch(Patch::Merge, "pods/a/status", &patch).await.ok(200);
    assert_eq!(watch.events(1).await, ["ADDED a"]);
    let patch = json!({"status": {"phase": "Succeeded"}});
    let _ = c.patch(Patch::Merge, "pods/a/status", &patch).await.ok(200);
    assert_eq!(watch.events(1).await, ["DELETED a"]);
}

async fn watch_with_the_old_path_prefix_works(c: &Context) {
    let start = now(c).await;
    c.made("leases", &lease("a")).await;
    let path = format!(
        "/apis/coordination.k8s.io/v1/watch/namespaces/{}/leases?resourceVersion={start}",
        c.namespace
    );
    assert_eq!(c.watch(&path).await.events(1).await, ["ADDED a"]);
}

async fn timeout_seconds_ends_the_watch(c: &Context) {
    let start = now(c).await;
    let path = format!("leases?watch=1&timeoutSeconds=1&resourceVersion={start}");
    assert_eq!(c.watch(&path).await.rest().await, Vec::<Value>::new());
}

async fn watch_from_a_compacted_version_ends_with_a_410_error_event(c: &Context) {
    let mut watch = c.watch("leases?watch=1&resourceVersion=1").await;
    let event = watch.next().await.expect("an event");
    assert_eq!(event["type"], "ERROR");
    let status = &event["object"];
    assert_eq!(
        (&status["kind"], &status["status"]),
        (&json!("Status"), &json!("Failure"))
    );
    assert_eq!(
        (&status["code"], &status["reason"]),
        (&json!(410), &json!("Expired"))
    );
    assert!(
        text(&status["message"]).starts_with("too old resource version: 1 ("),
        "{status}"
    );
    assert_eq!(watch.next().await, None);
}

async fn watch_from_nonsense_is_refused(c: &Context) {
    c.get("leases?watch=1&resourceVersion=abc").await.refused(
        500,
        "",
        "resourceVersion: Invalid value: \"abc\": strconv.ParseUint: parsing \"abc\": invalid syntax",
    );
}

async fn watch_sends_json_lines(c: &Context) {
    let answer = c.get("leases?watch=1&timeoutSeconds=1").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/json")
    );
}

async fn unchanged_update_is_not_told(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let _ = c.put("leases/a", &made).await.ok(200);
    c.made("leases", &lease("b")).await;
    let mut watch = c
        .watch(&format!(
            "leases?watch=1&resourceVersion={}",
            version(&made)
        ))
        .await;
    assert_eq!(watch.events(1).await, ["ADDED b"]);
}

async fn setting_a_deletion_timestamp_is_told_as_modified(c: &Context) {
    let made = c
        .made(
            "leases",
            &with(lease("a"), "/metadata/finalizers", json!(["example.com/x"])),
        )
        .await;
    let _ = c.delete("leases/a").await.ok(200);
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
    let mut watch = c
        .watch(&format!(
            "leases?watch=1&resourceVersion={}",
            version(&made)
        ))
        .await;
    assert_eq!(watch.events(2).await, ["MODIFIED a", "DELETED a"]);
}
