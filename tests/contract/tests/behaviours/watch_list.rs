//! Watches that begin with the list: `sendInitialEvents` and bookmarks.

use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    initial_events_end_with_an_annotated_bookmark,
    bookmark_of_initial_events_is_as_new_as_the_objects,
    bookmark_names_kind_and_version_only,
    initial_events_go_on_as_a_watch,
    initial_events_are_selected,
    initial_events_at_least_as_new_as_a_version,
    no_initial_events_from_a_version_tells_only_later_ones,
    initial_events_without_a_match_are_refused,
    match_of_a_watch_without_initial_events_is_refused,
    initial_events_of_a_list_are_refused,
    initial_events_with_an_exact_match_are_refused,
];

/// What asks for the list as events.
const INITIAL: &str = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

async fn initial_events_end_with_an_annotated_bookmark(c: &Context) {
    c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let mut watch = c
        .watch(&format!("leases?{INITIAL}&allowWatchBookmarks=true"))
        .await;
    let mut events = watch.events(2).await;
    events.sort();
    assert_eq!(events, ["ADDED a", "ADDED b"]);
    let (kind, _, object) = watch.event().await;
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(
        object["metadata"]["annotations"],
        json!({"k8s.io/initial-events-end": "true"})
    );
    assert_eq!(object["kind"], "Lease");
}

async fn bookmark_of_initial_events_is_as_new_as_the_objects(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let mut watch = c
        .watch(&format!("leases?{INITIAL}&allowWatchBookmarks=true"))
        .await;
    let _ = watch.event().await;
    let (_, _, bookmark) = watch.event().await;
    assert!(version(&bookmark) >= version(&made));
}

async fn bookmark_names_kind_and_version_only(c: &Context) {
    let mut watch = c
        .watch(&format!("leases?{INITIAL}&allowWatchBookmarks=true"))
        .await;
    let (_, _, mut bookmark) = watch.event().await;
    bookmark["metadata"]["resourceVersion"].take();
    assert_eq!(
        bookmark,
        json!({
            "kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "spec": {},
            "metadata": {
                "resourceVersion": null,
                "annotations": {"k8s.io/initial-events-end": "true"},
            },
        })
    );
}

async fn initial_events_go_on_as_a_watch(c: &Context) {
    let mut watch = c
        .watch(&format!("leases?{INITIAL}&allowWatchBookmarks=true"))
        .await;
    let (kind, _, _) = watch.event().await;
    assert_eq!(kind, "BOOKMARK");
    c.made("leases", &lease("a")).await;
    assert_eq!(watch.change().await, "ADDED a");
}

async fn initial_events_are_selected(c: &Context) {
    c.made("leases", &lease("a")).await;
    c.made("leases", &labelled("b", &json!({"x": "y"}))).await;
    let path = format!("leases?{INITIAL}&allowWatchBookmarks=true&labelSelector=x");
    let mut watch = c.watch(&path).await;
    assert_eq!(watch.events(2).await, ["ADDED b", "BOOKMARK "]);
}

async fn initial_events_at_least_as_new_as_a_version(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let path = format!(
        "leases?{INITIAL}&allowWatchBookmarks=true&resourceVersion={}",
        version(&made)
    );
    let mut watch = c.watch(&path).await;
    assert_eq!(watch.events(2).await, ["ADDED a", "BOOKMARK "]);
}

async fn no_initial_events_from_a_version_tells_only_later_ones(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let path = format!(
        "leases?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion={}",
        version(&made)
    );
    assert_eq!(c.watch(&path).await.events(1).await, ["ADDED b"]);
}

async fn initial_events_without_a_match_are_refused(c: &Context) {
    c.get("leases?watch=1&sendInitialEvents=true").await.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    );
}

async fn match_of_a_watch_without_initial_events_is_refused(c: &Context) {
    c.get("leases?watch=1&resourceVersion=5&resourceVersionMatch=NotOlderThan").await.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    );
}

async fn initial_events_of_a_list_are_refused(c: &Context) {
    c.get("leases?sendInitialEvents=true").await.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
    );
}

async fn initial_events_with_an_exact_match_are_refused(c: &Context) {
    let path = "leases?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=5";
    let answer = c.get(path).await.ok(422);
    assert_eq!(
        answer["details"]["causes"][0]["field"],
        Value::from("resourceVersionMatch")
    );
}
