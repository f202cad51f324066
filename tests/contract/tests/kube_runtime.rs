//! kube's own runtime on the embedded API, unchanged: watcher, reflector, Controller, finalizer, `wait`; also when
//! watches are dropped and history is forgotten.

use std::{collections::BTreeMap, convert::Infallible, pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, Resource as _, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::{
        Controller, WatchStreamExt as _,
        controller::Action,
        finalizer::{Event as FinalizerEvent, finalizer},
        reflector,
        wait::{await_condition, conditions},
        watcher,
    },
};
use metaparticle_local::Cluster;
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

fn lease(name: &str) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.name = Some(name.into());
    lease
}

fn config_map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.into());
    object
}

async fn create(client: &Client, name: &str) -> Lease {
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    api.create(&PostParams::default(), &lease(name))
        .await
        .expect("created")
}

async fn holder(client: &Client, name: &str, holder: &str) {
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    let patch = json!({"spec": {"holderIdentity": holder}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
}

/// The next event as words; restarts of the list are told as `init`.
async fn next(
    events: &mut (impl Stream<Item = watcher::Result<watcher::Event<Lease>>> + Unpin),
) -> String {
    let event = timeout(PATIENCE, events.next())
        .await
        .expect("in time")
        .expect("goes on");
    match event.expect("no error") {
        watcher::Event::Apply(it) => format!("apply {}", it.name_any()),
        watcher::Event::Delete(it) => format!("delete {}", it.name_any()),
        watcher::Event::Init => "init".into(),
        watcher::Event::InitApply(it) => format!("init {}", it.name_any()),
        watcher::Event::InitDone => "done".into(),
    }
}

async fn words(
    events: &mut (impl Stream<Item = watcher::Result<watcher::Event<Lease>>> + Unpin),
    count: usize,
) -> Vec<String> {
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(next(events).await);
    }
    words
}

#[tokio::test]
async fn watcher_lists_and_then_follows() {
    follows(watcher::Config::default()).await;
}

#[tokio::test]
async fn watcher_that_streams_its_list_follows() {
    follows(watcher::Config::default().streaming_lists()).await;
}

#[tokio::test]
async fn watcher_with_pages_of_one_lists_everything() {
    follows(watcher::Config::default().page_size(1)).await;
}

async fn follows(config: watcher::Config) {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    create(&client, "a").await;
    create(&client, "b").await;
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    let mut events = pin!(watcher(api.clone(), config));
    assert_eq!(
        words(&mut events, 4).await,
        ["init", "init a", "init b", "done"]
    );
    holder(&client, "a", "x").await;
    api.delete("b", &DeleteParams::default())
        .await
        .expect("deleted");
    create(&client, "c").await;
    assert_eq!(
        words(&mut events, 3).await,
        ["apply a", "delete b", "apply c"]
    );
}

#[tokio::test]
async fn watcher_resumes_after_its_watch_was_dropped() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    create(&client, "a").await;
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    assert_eq!(words(&mut events, 3).await, ["init", "init a", "done"]);
    holder(&client, "a", "x").await;
    assert_eq!(next(&mut events).await, "apply a");
    cluster.faults().drop_watches();
    create(&client, "b").await;
    // Not listed again: the watch goes on where it ended.
    assert_eq!(next(&mut events).await, "apply b");
}

#[tokio::test]
async fn watcher_lists_again_after_history_was_forgotten() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    create(&client, "a").await;
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    let mut events = pin!(watcher(api, watcher::Config::default()).default_backoff());
    assert_eq!(words(&mut events, 3).await, ["init", "init a", "done"]);
    // The watcher is not asked meanwhile, so its next watch begins before what is forgotten.
    cluster.faults().drop_watches();
    create(&client, "b").await;
    cluster.compact();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|it| it != "done") {
        let event = timeout(PATIENCE, events.next())
            .await
            .expect("in time")
            .expect("goes on");
        match event {
            Err(error) => seen.push(format!("error {}", is_expired(&error))),
            Ok(watcher::Event::InitApply(it)) => seen.push(it.name_any()),
            Ok(watcher::Event::InitDone) => seen.push("done".into()),
            Ok(watcher::Event::Init) => seen.push("init".into()),
            Ok(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, ["error true", "init", "a", "b", "done"]);
}

fn is_expired(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchError(status) => status.code == 410 && status.reason == "Expired",
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 410,
        _ => false,
    }
}

#[tokio::test]
async fn reflector_holds_what_the_server_holds() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    create(&client, "a").await;
    let (store, writer) = reflector::store();
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    let watcher = watcher(api.clone(), watcher::Config::default()).default_backoff();
    let mut events = pin!(reflector(writer, watcher));
    until(&mut events, &store, &["a"]).await;
    create(&client, "b").await;
    until(&mut events, &store, &["a", "b"]).await;
    cluster.faults().drop_watches();
    api.delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    until(&mut events, &store, &["b"]).await;
}

/// Reads events until the store holds the objects of these names.
async fn until(
    events: &mut (impl Stream<Item = watcher::Result<watcher::Event<Lease>>> + Unpin),
    store: &reflector::Store<Lease>,
    expected: &[&str],
) {
    while names(store) != expected {
        let event = timeout(PATIENCE, events.next()).await.expect("in time");
        assert!(event.is_some(), "the watcher goes on");
    }
}

fn names(store: &reflector::Store<Lease>) -> Vec<String> {
    let mut names: Vec<_> = store.state().iter().map(|it| it.name_any()).collect();
    names.sort();
    names
}

/// A controller that keeps a config map with the holder of each lease.
fn controller(client: Client) -> impl Stream<Item = String> {
    let leases: Api<Lease> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    Controller::new(leases, watcher::Config::default())
        .owns(maps, watcher::Config::default())
        .run(
            |lease: Arc<Lease>, client: Arc<Client>| async move {
                let maps: Api<ConfigMap> = Api::default_namespaced((*client).clone());
                let mut map = config_map(&lease.name_any());
                map.metadata.owner_references =
                    Some(vec![lease.controller_owner_ref(&()).expect("stored")]);
                let holder = lease
                    .spec
                    .as_ref()
                    .and_then(|it| it.holder_identity.clone());
                map.data = Some(BTreeMap::from([(
                    "holder".into(),
                    holder.unwrap_or_default(),
                )]));
                let apply = PatchParams::apply("suite").force();
                maps.patch(&lease.name_any(), &apply, &Patch::Apply(&map))
                    .await
                    .expect("applied");
                Ok::<_, Infallible>(Action::await_change())
            },
            |_, error, _| match *error {},
            Arc::new(client),
        )
        .map(|done| done.expect("reconciled").0.name)
}

#[tokio::test]
async fn controller_follows_its_objects_and_those_that_it_owns() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    let (reconciled, mut seen) = mpsc::unbounded_channel();
    let running = tokio::spawn(controller(client.clone()).for_each(move |name| {
        let _ = reconciled.send(name);
        std::future::ready(())
    }));
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    create(&client, "a").await;
    assert_eq!(
        timeout(PATIENCE, seen.recv())
            .await
            .expect("in time")
            .as_deref(),
        Some("a")
    );
    holder(&client, "a", "x").await;
    let says = |holder: &'static str| {
        move |map: Option<&ConfigMap>| {
            map.and_then(|it| it.data.as_ref())
                .is_some_and(|it| it["holder"] == holder)
        }
    };
    timeout(PATIENCE, await_condition(maps.clone(), "a", says("x")))
        .await
        .expect("in time")
        .expect("watched");
    // What it owns is made again, also when its watches were dropped meanwhile.
    cluster.faults().drop_watches();
    let before = maps.get("a").await.expect("there");
    maps.delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    let again = move |map: Option<&ConfigMap>| map.is_some_and(|it| it.uid() != before.uid());
    timeout(PATIENCE, await_condition(maps, "a", again))
        .await
        .expect("in time")
        .expect("watched");
    running.abort();
}

#[tokio::test]
async fn finalizer_applies_cleans_up_and_lets_go() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    create(&client, "a").await;
    let mut seen = Vec::new();
    for step in 0..4 {
        if step == 2 {
            api.delete("a", &DeleteParams::default())
                .await
                .expect("deleted");
        }
        let Some(lease) = api.get_opt("a").await.expect("read") else {
            break;
        };
        let heard = &mut seen;
        finalizer(&api, "suite.example.com/x", Arc::new(lease), |event| {
            heard.push(match event {
                FinalizerEvent::Apply(_) => "apply",
                FinalizerEvent::Cleanup(_) => "cleanup",
            });
            std::future::ready(Ok::<_, Infallible>(Action::await_change()))
        })
        .await
        .expect("done");
    }
    // The first step only adds the finalizer.
    assert_eq!(seen, ["apply", "cleanup"]);
    assert!(api.get_opt("a").await.expect("read").is_none());
}

#[tokio::test]
async fn wait_sees_a_deletion_and_a_condition() {
    let cluster = Cluster::start().await;
    let client = cluster.client();
    let api: Api<Lease> = Api::default_namespaced(client.clone());
    let made = create(&client, "a").await;
    let uid = made.uid().expect("stored");
    let gone = {
        let api = api.clone();
        tokio::spawn(async move { await_condition(api, "a", conditions::is_deleted(&uid)).await })
    };
    api.delete("a", &DeleteParams::default())
        .await
        .expect("deleted");
    timeout(PATIENCE, gone)
        .await
        .expect("in time")
        .expect("ended")
        .expect("watched");
}

#[tokio::test]
async fn wait_sees_that_a_pod_runs() {
    let cluster = Cluster::builder()
        .without_controllers()
        .start()
        .await
        .expect("started");
    let api: Api<Pod> = Api::default_namespaced(cluster.client());
    let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}});
    let pod: Pod = serde_json::from_value(pod).expect("a pod");
    api.create(&PostParams::default(), &pod)
        .await
        .expect("created");
    let runs = async { await_condition(api.clone(), "a", conditions::is_pod_running()).await };
    let patch = json!({"status": {"phase": "Running"}});
    let patch = async {
        api.patch_status("a", &PatchParams::default(), &Patch::Merge(&patch))
            .await
    };
    let (seen, patched) = timeout(PATIENCE, futures::future::join(runs, patch))
        .await
        .expect("in time");
    patched.expect("patched");
    assert_eq!(seen.expect("watched").expect("there").name_any(), "a");
}

#[tokio::test]
async fn watcher_sees_a_scaled_deployment() {
    let cluster = Cluster::builder()
        .without_controllers()
        .start()
        .await
        .expect("started");
    let api: Api<Deployment> = Api::default_namespaced(cluster.client());
    let labels = json!({"app": "a"});
    let deployment = json!({
        "metadata": {"name": "a"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}},
        },
    });
    let deployment: Deployment = serde_json::from_value(deployment).expect("a Deployment");
    api.create(&PostParams::default(), &deployment)
        .await
        .expect("created");
    let scale = json!({"spec": {"replicas": 3}});
    api.patch_scale("a", &PatchParams::default(), &Patch::Merge(&scale))
        .await
        .expect("scaled");
    let first = pin!(watcher(api, watcher::Config::default()).applied_objects())
        .try_next()
        .await;
    let seen = first.expect("watched").expect("there");
    assert_eq!(seen.spec.and_then(|it| it.replicas), Some(3));
    assert_eq!(seen.metadata.generation, Some(2));
}
