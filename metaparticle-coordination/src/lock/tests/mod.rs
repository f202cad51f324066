//! Locks of several processes on the embedded API, without a garbage collector: nothing is cleaned up but by ourselves.

mod cancel;
mod faults;
mod misuse;
mod order;
mod real;

use std::time::Duration;

use metaparticle_local::{Cluster, api::fault::Requests as Hit};
use serde_json::Value;

use crate::{Coordinator, clock::Clock, testing::ask};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

async fn cluster() -> Cluster {
    let cluster = Cluster::builder().seed(7).without_controllers();
    cluster.start().await.unwrap()
}

/// A process of that name.
async fn process(cluster: &Cluster, name: &str) -> Coordinator {
    Coordinator::builder(cluster.client_named(name))
        .namespace("default")
        .pod_name(name)
        .clock(Clock::of_runtime())
        .start()
        .await
        .unwrap()
}

async fn leases(cluster: &Cluster, role: &str) -> Vec<String> {
    let path = format!("{LEASES}?labelSelector=metaparticle.dev%2Frole%3D{role}");
    let list = ask(&cluster.client(), "GET", &path, None).await;
    let items = list["items"].as_array().unwrap();
    let name = |lease: &Value| lease["metadata"]["name"].as_str().unwrap().to_owned();
    items.iter().map(name).collect()
}

async fn tickets(cluster: &Cluster) -> usize {
    leases(cluster, "ticket").await.len()
}

/// Waits until so many tickets are left, at most a second.
async fn tickets_become(cluster: &Cluster, count: usize) {
    for _ in 0..100 {
        if tickets(cluster).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tickets after a second", tickets(cluster).await);
}

async fn delete(cluster: &Cluster, name: &str) {
    ask(
        &cluster.client(),
        "DELETE",
        &format!("{LEASES}/{name}"),
        None,
    )
    .await;
}

/// All requests of a process for Leases.
fn of(name: &str) -> Hit {
    Hit::all().client(name).resource("leases")
}

/// Time for everything that needs none.
async fn soon() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}
