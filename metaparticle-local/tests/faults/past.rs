//! How far back one can look, and that what one sees there is what was there.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use metaparticle_local::{
    Cluster,
    api::{
        DeleteOptions,
        resource::{CONFIG_MAP, EVENT},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::{MAPS, call, create, lines, revision, start, text, watch};

fn set(cluster: &Cluster, name: &str, value: &str) -> u64 {
    let changed = cluster
        .api()
        .update(&CONFIG_MAP, "default", name, "test", |map| {
            map["data"] = json!({"a": value});
            map["metadata"]["labels"] = json!({"long": (value.len() > 2).to_string()});
        });
    revision(&changed.expect("it is there"))
}

async fn listed(cluster: &Cluster, query: &str) -> (u16, Value) {
    call(cluster, "a", Method::GET, &format!("{MAPS}?{query}"), "").await
}

#[tokio::test(start_paused = true)]
async fn after_a_compaction_older_versions_are_gone_and_a_watch_that_saw_all_goes_on() {
    let cluster = start().await;
    let old = create(&cluster, "a");
    create(&cluster, "b");
    let mut events = watch(&cluster, "a", "").await;
    text(&mut events).await;
    text(&mut events).await;
    cluster.compact();
    let exact = format!("resourceVersionMatch=Exact&resourceVersion={old}");
    assert_eq!(listed(&cluster, &exact).await.0, 410);
    let late = lines(watch(&cluster, "a", &format!("&resourceVersion={old}")).await).await;
    assert_eq!(late[0]["object"]["code"], 410);
    create(&cluster, "c");
    assert!(
        text(&mut events)
            .await
            .expect("it is there")
            .contains("ADDED")
    );
}

#[tokio::test(start_paused = true)]
async fn versions_of_large_objects_are_not_kept_for_long() {
    let cluster = start().await;
    let first = create(&cluster, "a");
    let large = "x".repeat(500_000);
    for number in 0..20 {
        set(&cluster, "a", &format!("{large}{number}"));
    }
    let late = lines(watch(&cluster, "a", &format!("&resourceVersion={first}")).await).await;
    assert_eq!(late[0]["object"]["code"], 410);
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_where_it_was_for_five_minutes() {
    let cluster = start().await;
    for name in ["a", "b", "c"] {
        create(&cluster, name);
    }
    let (_, page) = listed(&cluster, "limit=1").await;
    assert_eq!(page["metadata"]["remainingItemCount"], 2);
    let token = page["metadata"]["continue"].as_str().expect("it is there");
    create(&cluster, "aa");
    cluster
        .api()
        .delete(&CONFIG_MAP, "default", "c", &DeleteOptions::default())
        .expect("it is there");
    let next = format!("limit=5&continue={token}");
    let (_, rest) = listed(&cluster, &next).await;
    let names: Vec<_> = rest["items"]
        .as_array()
        .expect("it is there")
        .iter()
        .map(|it| &it["metadata"]["name"])
        .collect();
    assert_eq!(names, ["b", "c"]);
    tokio::time::advance(Duration::from_secs(302)).await;
    assert_eq!(listed(&cluster, &next).await.0, 410);
}

#[tokio::test(start_paused = true)]
async fn events_of_clients_are_bounded_in_number_and_time() {
    let cluster = start().await;
    for number in 0..1010 {
        let event = json!({
            "metadata": {"name": format!("e{number:04}")}, "involvedObject": {"namespace": "default"},
        });
        cluster
            .api()
            .create(&EVENT, "default", event, "test")
            .expect("it is there");
    }
    let names = || cluster.api().list(&EVENT, None);
    assert_eq!(names().len(), 1000);
    assert_eq!(names()[0]["metadata"]["name"], "e0010");
    tokio::time::advance(Duration::from_secs(3602)).await;
    assert!(names().is_empty());
}

#[tokio::test]
async fn a_change_may_read_and_write_itself() {
    let cluster = start().await;
    create(&cluster, "a");
    create(&cluster, "b");
    let api = cluster.api();
    let tries = std::cell::Cell::new(0);
    let changed = api.update(&CONFIG_MAP, "default", "a", "test", |map| {
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            assert!(api.get(&CONFIG_MAP, "default", "b").is_some());
            set(&cluster, "a", "1");
        }
        map["data"]["b"] = "2".into();
    });
    assert_eq!(
        changed.expect("it is there")["data"],
        json!({"a": "1", "b": "2"})
    );
    assert_eq!(tries.get(), 2);
}

fn values(items: &Value) -> BTreeMap<String, Value> {
    let items = items["items"].as_array().expect("it is there").iter();
    items
        .map(|it| {
            (
                it["metadata"]["name"]
                    .as_str()
                    .expect("it is there")
                    .to_owned(),
                it["data"].clone(),
            )
        })
        .collect()
}

async fn replayed(steps: Vec<(u8, u8)>, selector: &str) {
    let cluster = start().await;
    let mut states = vec![(create(&cluster, "first"), Value::Null)];
    states[0].1 = listed(&cluster, selector).await.1;
    for (name, value) in steps {
        let name = format!("m{}", name % 5);
        if value < 60 {
            let _ = cluster
                .api()
                .delete(&CONFIG_MAP, "default", &name, &DeleteOptions::default());
        } else if cluster.api().get(&CONFIG_MAP, "default", &name).is_none() {
            create(&cluster, &name);
        } else {
            set(&cluster, &name, &value.to_string());
        }
        let list = listed(&cluster, selector).await.1;
        states.push((revision(&list), list));
    }
    let last = values(&states.last().expect("it is there").1);
    for (revision, state) in states {
        let exact = format!("{selector}&resourceVersionMatch=Exact&resourceVersion={revision}");
        let mut objects = values(&listed(&cluster, &exact).await.1);
        assert_eq!(objects, values(&state));
        let query = format!("&{selector}&timeoutSeconds=1&resourceVersion={revision}");
        for event in lines(watch(&cluster, "a", &query).await).await {
            let name = event["object"]["metadata"]["name"]
                .as_str()
                .expect("it is there")
                .to_owned();
            let there = match event["type"].as_str() {
                Some("DELETED") => objects.remove(&name).is_some(),
                Some("ADDED") => objects
                    .insert(name, event["object"]["data"].clone())
                    .is_none(),
                _ => objects
                    .insert(name, event["object"]["data"].clone())
                    .is_some(),
            };
            assert!(there, "{event}");
        }
        assert_eq!(objects, last);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_watch_from_any_version_ends_at_the_list(steps in prop::collection::vec(any::<(u8, u8)>(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("it is there");
        runtime.block_on(replayed(steps.clone(), ""));
        runtime.block_on(replayed(steps, "labelSelector=long%3Dtrue"));
    }
}
