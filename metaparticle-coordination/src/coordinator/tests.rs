//! The life of a coordinator, and what it tells of its parts.

use std::sync::atomic::{AtomicBool, Ordering};

use metaparticle_local::{Cluster, api::fault::Requests as Hit};
use metaparticle_protocol::Token;
use serde_json::Value;

use super::*;
use crate::{
    lost::Lost,
    testing::{Real, ask},
};

async fn started(cluster: &Cluster) -> Coordinator {
    Coordinator::builder(cluster.client_named("us"))
        .namespace("default")
        .pod_name("web-1")
        .clock(Clock::of_runtime())
        .start()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn start_asks_nothing_and_names_itself() {
    let cluster = Cluster::start().await;
    let coordinator = started(&cluster).await;
    assert_eq!(coordinator.namespace(), "default");
    assert!(coordinator.identity().as_str().starts_with("web-1_"));
    assert_ne!(coordinator.identity(), started(&cluster).await.identity());
    let asked = cluster.requests();
    assert!(asked.iter().all(|asked| asked.client != "us"), "{asked:?}");
}

#[tokio::test]
async fn namespace_that_is_none_is_refused() {
    let cluster = Cluster::start().await;
    let started = Coordinator::builder(cluster.client())
        .namespace("No/Where")
        .start();
    let error = started.await.unwrap_err().to_string();
    assert!(
        error.starts_with("`No/Where` is no name of a namespace"),
        "{error}"
    );
}

#[test]
fn start_outside_of_a_runtime_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = runtime.block_on(Cluster::start());
    let builder = runtime.block_on(async { Coordinator::builder(cluster.client()) });
    let started = futures::FutureExt::now_or_never(builder.start()).unwrap();
    assert!(matches!(started, Err(Error::NoRuntime)), "{started:?}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_the_tasks_and_takes_no_new_ones() {
    let cluster = Cluster::start().await;
    let coordinator = started(&cluster).await;
    let done = Arc::new(AtomicBool::new(false));
    let task = {
        let (stopping, done) = (coordinator.stopping(), Arc::clone(&done));
        async move {
            stopping.await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            done.store(true, Ordering::Relaxed);
        }
    };
    coordinator.spawn(task).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!done.load(Ordering::Relaxed));
    // One call is dropped halfway, and another waits: the end goes on for both.
    let other = coordinator.clone();
    let _ = tokio::time::timeout(Duration::from_secs(1), coordinator.shutdown()).await;
    assert!(matches!(other.spawn(async {}), Err(Error::Shutdown)));
    other.shutdown().await;
    assert!(done.load(Ordering::Relaxed));
    coordinator.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_ever() {
    let cluster = Cluster::start().await;
    let coordinator = started(&cluster).await;
    coordinator.spawn(std::future::pending()).unwrap();
    let begin = tokio::time::Instant::now();
    coordinator.shutdown().await;
    assert_eq!(begin.elapsed().as_secs(), (DRAIN + FAREWELL).as_secs());
}

#[test]
fn coordinator_is_dropped_after_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_cluster, coordinator) = runtime.block_on(async {
        let cluster = Cluster::start().await;
        let coordinator = started(&cluster).await;
        coordinator.spawn(std::future::pending()).unwrap();
        (cluster, coordinator)
    });
    drop(runtime);
    let part = coordinator.part(Kind::Session, Name::from("s"), Some(Name::from("s")));
    part.lost(&Lost::Expired);
    // The task never runs, and nothing panics.
    coordinator.spawn(async {}).unwrap();
    drop((part, coordinator));
}

#[tokio::test]
async fn parts_are_counted_and_told_while_somebody_keeps_them() {
    let cluster = Cluster::start().await;
    let coordinator = started(&cluster).await;
    let part = coordinator.part(Kind::Election, Name::from("billing"), None);
    let lock = coordinator.part(Kind::Lock, Name::from("db"), None);
    part.acquired(Some(Token(7)));
    part.lost(&Lost::Expired);
    part.acquired(Some(Token(9)));
    part.trouble(Some("no".into()));
    lock.acquired(None);
    lock.released(None);
    let health = coordinator.health();
    assert_eq!(health.len(), 2);
    assert_eq!((health[0].kind, health[0].held), (Kind::Election, 1));
    assert_eq!(health[0].trouble.as_deref(), Some("no"));
    assert_eq!((health[1].kind, health[1].held), (Kind::Lock, 0));
    assert_eq!(health[1].trouble, None);
    let metrics = coordinator.metrics().parts;
    assert_eq!((metrics[0].acquired, metrics[0].lost), (2, 1));
    drop(lock);
    part.trouble(None);
    let health = coordinator.health();
    assert_eq!(health.len(), 1);
    assert_eq!(health[0].trouble, None);
}

async fn events_of(client: &Client, namespace: &str) -> Vec<Value> {
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let mut events = ask(client, "GET", &path, None).await;
    events["items"].as_array_mut().map(std::mem::take).unwrap()
}

async fn transitions(client: Client, namespace: &str) {
    let coordinator = Coordinator::builder(client.clone())
        .namespace(namespace)
        .pod_name("web-1")
        .start()
        .await
        .unwrap();
    let lease = Name::from("billing");
    let part = coordinator.part(Kind::Election, lease.clone(), Some(lease));
    part.acquired(Some(Token(7)));
    part.lost(&Lost::Deleted);
    let told = async {
        loop {
            let events = events_of(&client, namespace).await;
            if events.len() == 2 {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut events = tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .unwrap();
    events.sort_by_key(|event| event["reason"].to_string());
    let said = |event: &Value| {
        assert_eq!(event["involvedObject"]["kind"], "Lease");
        assert_eq!(event["involvedObject"]["name"], "billing");
        assert_eq!(event["source"]["component"], "metaparticle");
        (event["type"].clone(), event["message"].clone())
    };
    assert_eq!(
        said(&events[0]),
        (
            "Normal".into(),
            "web-1 acquired election billing with token 7".into()
        )
    );
    assert_eq!(
        said(&events[1]),
        (
            "Warning".into(),
            "web-1 lost election billing: its Lease was deleted".into()
        )
    );
}

#[tokio::test]
async fn transitions_are_events_of_their_lease() {
    let cluster = Cluster::start().await;
    transitions(cluster.client(), "default").await;
}

#[tokio::test]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn transitions_are_events_on_a_real_api_server() {
    let real = Real::new().await;
    transitions(real.client.clone(), &real.namespace).await;
    real.end().await;
}

#[tokio::test(start_paused = true)]
async fn events_are_bounded_and_hurt_nobody() {
    let cluster = Cluster::start().await;
    let coordinator = started(&cluster).await;
    let part = coordinator.part(Kind::Session, Name::from("s"), Some(Name::from("s")));
    let events = || {
        let requests = cluster.requests();
        requests
            .iter()
            .filter(|asked| asked.resource == "events" && asked.client == "us")
            .count()
    };
    cluster.faults().hang(Hit::all().resource("events"), 1);
    for _ in 0..1000 {
        part.acquired(None);
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(events(), 1, "one at a time");
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        part.released(None);
    }
    let sent = events();
    assert!((40..80).contains(&sent), "{sent} in a minute");
    coordinator.shutdown().await;
}
