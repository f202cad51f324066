//! `cargo run --bin users`: no visit is lost or counted twice as users move.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Service};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::{Namespace, run, workspace};

// The same visitors as on the embedded cluster.
#[path = "../../examples/tests/visits/mod.rs"]
mod visits;

/// Three pods take a while to leave in order, one after the other.
const LIMIT: Duration = Duration::from_secs(240);

/// Deploys it. Past the port-forward: by the way that other pods take.
async fn deployed(namespace: &Namespace) -> String {
    let up = [
        "run",
        "--quiet",
        "--bin",
        "users",
        "--",
        "metaparticle",
        "up",
        "--detach",
    ];
    run(namespace.cargo(workspace(), &up), 0).await;
    let service = namespace.api::<Service>().get("users").await;
    let spec = service.expect("a Service").spec.expect("its spec");
    format!("{}:8080", spec.cluster_ip.expect("an address"))
}

#[tokio::test]
async fn users_move_from_three_pods_to_five_and_back() {
    let namespace = Namespace::create("users").await;
    let address = deployed(&namespace).await;
    let tally = visits::move_users(&address, &namespace.api::<StatefulSet>()).await;
    few_failed(tally);
    namespace.delete().await;
}

#[tokio::test]
async fn a_rolling_restart_loses_no_visit() {
    let namespace = Namespace::create("users").await;
    let address = deployed(&namespace).await;
    let sets = namespace.api::<StatefulSet>();
    let visits = visits::Visits::begin(&address);
    let change =
        json!({ "spec": { "template": { "metadata": { "annotations": { "again": "1" } } } } });
    let params = PatchParams::default();
    let restarted = sets.patch("users", &params, &Patch::Merge(change)).await;
    restarted.expect("restarted");
    all_new(&sets).await;
    // The last one owns its share again, and the one before it has ended.
    sleep(Duration::from_secs(10)).await;
    few_failed(visits.end().await);
    namespace.delete().await;
}

/// None fails on a machine that has nothing else to do. This one builds containers beside, and a gate that gets no turn for
/// seconds is waited for in vain: then clients are told so.
fn few_failed(tally: visits::Tally) {
    let failed = tally.refused + tally.unknown;
    assert!(failed * 20 <= tally.acknowledged, "{tally:?}");
}

/// Waits until all pods are of the last revision, and ready.
async fn all_new(sets: &Api<StatefulSet>) {
    let end = Instant::now() + LIMIT;
    loop {
        let set = sets.get("users").await.expect("a StatefulSet");
        let (generation, status) = (set.metadata.generation, set.status.expect("a status"));
        let is_new = status.observed_generation == generation
            && status.updated_replicas == Some(3)
            && status.ready_replicas == Some(3)
            && status.update_revision == status.current_revision;
        if is_new {
            return;
        }
        assert!(Instant::now() < end, "{status:?}");
        sleep(Duration::from_millis(500)).await;
    }
}
