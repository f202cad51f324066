//! `kube::Client` on the embedded API: what every user of it relies on.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
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

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_log_with_controllers_and_several_clients() {
    let run = async || {
        let cluster = Cluster::builder().seed(7).start().await.expect("started");
        cluster
            .faults()
            .latency(Duration::ZERO..Duration::from_millis(50));
        let tasks = ["one", "two"].map(|name| {
            let deployments: Api<Deployment> = Api::default_namespaced(cluster.client_named(name));
            tokio::spawn(async move {
                for number in 0..5 {
                    let made = deployment(&format!("{name}-{number}"));
                    let _ = deployments.create(&PostParams::default(), &made).await;
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            })
        });
        for task in tasks {
            task.await.expect("no panic");
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        let pods: Api<Pod> = Api::default_namespaced(cluster.client());
        let pods = pods.list(&ListParams::default()).await.unwrap();
        let pods: Vec<_> = pods.into_iter().map(|it| it.metadata).collect();
        (cluster.requests(), pods)
    };
    let (requests, pods) = run().await;
    assert_eq!(pods.len(), 20);
    for _ in 0..2 {
        assert_eq!(run().await, (requests.clone(), pods.clone()));
    }
}

fn deployment(name: &str) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    }))
    .expect("a Deployment")
}
