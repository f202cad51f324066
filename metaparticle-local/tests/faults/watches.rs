//! Where watches begin, what they say in between, and how they end.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::client::{MAPS, create, lines, start, text, watch};

#[tokio::test(start_paused = true)]
async fn a_watch_ends_in_time_however_much_happens() {
    let cluster = start().await;
    let mut events = watch(&cluster, "a", "&timeoutSeconds=3").await;
    let mut seen = 0;
    while let Some(text) = {
        create(&cluster, &format!("m{seen}"));
        text(&mut events).await
    } {
        assert!(text.contains("ADDED"));
        seen += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(seen, 6);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_version_to_come_waits_for_it() {
    let cluster = start().await;
    let now = create(&cluster, "a");
    let mut events = watch(&cluster, "a", &format!("&resourceVersion={}", now + 1)).await;
    create(&cluster, "not-told");
    create(&cluster, "told");
    assert!(
        text(&mut events)
            .await
            .expect("it is there")
            .contains("\"told\"")
    );
    let initial =
        "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let query = format!("&resourceVersion=1000{initial}");
    let all = lines(watch(&cluster, "a", &query).await).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&all[0]["type"], &all[0]["object"]["code"]),
        (&json!("ERROR"), &json!(504))
    );
}

async fn bookmark(accept: &str) -> (Value, u64) {
    let cluster = start().await;
    let revision = create(&cluster, "m");
    let initial =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("{MAPS}?watch=1&{initial}&timeoutSeconds=30"))
        .header(header::ACCEPT, accept);
    let request = request.body(Bytes::new()).expect("it is there");
    let all = lines(cluster.api().call("a", request).await.into_body()).await;
    let types: Vec<&Value> = all.iter().map(|it| &it["type"]).collect();
    // The last one comes shortly before the end.
    assert_eq!(types, ["ADDED", "BOOKMARK", "BOOKMARK"]);
    (all[1]["object"].clone(), revision)
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_has_the_form_that_was_asked_for() {
    let (object, revision) = bookmark("application/json").await;
    let metadata = json!({
        "resourceVersion": revision.to_string(), "annotations": {"k8s.io/initial-events-end": "true"},
    });
    assert_eq!(
        object,
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata})
    );
    let partial = json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
    });
    let of = |form: &str| format!("application/json;as={form};v=v1;g=meta.k8s.io");
    assert_eq!(bookmark(&of("PartialObjectMetadata")).await.0, partial);
    let table = json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": null,
        "metadata": {"resourceVersion": revision.to_string()},
        "rows": [{"cells": ["", 0, "<unknown>"], "object": partial}],
    });
    assert_eq!(bookmark(&of("Table")).await.0, table);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_watches_are_told_the_same() {
    let cluster = start().await;
    let mut all = Vec::new();
    for _ in 0..1000 {
        all.push(watch(&cluster, "a", "").await);
    }
    create(&cluster, "m");
    let first = text(&mut all[0]).await;
    for events in &mut all[1..] {
        assert_eq!(text(events).await, first);
    }
}
