//! `kube::Client` on the embedded API: what every user of it relies on.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use metaparticle_local::{Cluster, api::fault::Requests};
use serde_json::json;

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).expect("a map")
}

async fn start() -> (Cluster, Api<ConfigMap>) {
    let cluster = Cluster::builder()
        .without_controllers()
        .start()
        .await
        .expect("started");
    let maps = Api::default_namespaced(cluster.client());
    (cluster, maps)
}

#[tokio::test]
async fn objects_are_created_read_changed_and_deleted() {
    let (_cluster, maps) = start().await;
    let created = maps
        .create(&PostParams::default(), &map("a"))
        .await
        .unwrap();
    assert_eq!(maps.get("a").await.unwrap(), created);
    let patch = Patch::Merge(json!({"data": {"b": "2"}}));
    let patched = maps
        .patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(patched.data.unwrap().len(), 2);
    assert_eq!(
        maps.list(&ListParams::default()).await.unwrap().items.len(),
        1
    );
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_stale_update_is_a_conflict() {
    let (_cluster, maps) = start().await;
    let first = maps
        .create(&PostParams::default(), &map("a"))
        .await
        .unwrap();
    let mut second = first.clone();
    second
        .data
        .get_or_insert_default()
        .insert("b".into(), "2".into());
    maps.replace("a", &PostParams::default(), &second)
        .await
        .unwrap();
    let error = maps
        .replace("a", &PostParams::default(), &second)
        .await
        .unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.is_conflict()));
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_happens_in_order() {
    let (_cluster, maps) = start().await;
    let mut events = maps
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    maps.create(&PostParams::default(), &map("a"))
        .await
        .unwrap();
    let patch = Patch::Merge(json!({"data": {"b": "2"}}));
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(match events.next().await.unwrap().unwrap() {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["added", "modified", "deleted"]);
}

#[tokio::test(start_paused = true)]
async fn a_partitioned_client_hears_nothing_and_others_do() {
    let (cluster, maps) = start().await;
    let cut_off: Api<ConfigMap> = Api::default_namespaced(cluster.client_named("cut-off"));
    cluster.faults().partition("cut-off");
    let asked = tokio::time::timeout(Duration::from_secs(60), cut_off.get_opt("a"));
    assert!(asked.await.is_err());
    assert!(maps.get_opt("a").await.unwrap().is_none());
    cluster.faults().heal("cut-off");
    assert!(cut_off.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_requests_and_faults() {
    let run = async || {
        let cluster = Cluster::builder()
            .seed(7)
            .without_controllers()
            .start()
            .await
            .expect("started");
        let faults = cluster.faults();
        faults.latency(Duration::ZERO..Duration::from_millis(50));
        faults.server_error(Requests::all().verb("create").share(500), 5, 503);
        let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client());
        for number in 0..10 {
            let _ = maps
                .create(&PostParams::default(), &map(&format!("m{number}")))
                .await;
        }
        let uids: Vec<_> = maps
            .list(&ListParams::default())
            .await
            .unwrap()
            .into_iter()
            .map(|it| it.metadata)
            .collect();
        (cluster.requests(), uids)
    };
    let (requests, maps) = run().await;
    assert!(requests.iter().any(|it| it.status == 503), "{requests:?}");
    assert!(maps.len() > 4 && maps.len() < 10, "{}", maps.len());
    assert_eq!(run().await, (requests, maps));
}
