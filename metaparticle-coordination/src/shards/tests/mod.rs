//! Shards of several processes on the embedded API.

mod faults;
mod moves;
mod real;

use std::{collections::BTreeMap, time::Duration};

use metaparticle_local::{Cluster, api::fault::Requests as Hit};
use metaparticle_protocol::shard::Slot;

use super::Shards;
use crate::{Coordinator, clock::Clock};

const SLOTS: u32 = 64;

async fn cluster() -> Cluster {
    let cluster = Cluster::builder().seed(7).without_controllers();
    cluster.start().await.unwrap()
}

/// A process with shards; `ready` is left to the test.
struct Process {
    coordinator: Coordinator,
    shards: Shards,
}

async fn process(cluster: &Cluster, name: &str) -> Process {
    let coordinator = Coordinator::builder(cluster.client_named(name))
        .namespace("default")
        .pod_name(name)
        .clock(Clock::of_runtime())
        .start()
        .await
        .unwrap();
    let shards = coordinator.shards("users").slots(SLOTS);
    let shards = shards.address(format!("{name}:80")).start().unwrap();
    Process {
        coordinator,
        shards,
    }
}

async fn ready(cluster: &Cluster, name: &str) -> Process {
    let process = process(cluster, name).await;
    process.shards.ready();
    process
}

/// Whose each slot is, by the guards that are valid now. No slot is two processes'.
fn owners<'a>(all: impl IntoIterator<Item = &'a Process>) -> BTreeMap<Slot, String> {
    let mut owners = BTreeMap::new();
    for process in all {
        for (slot, _) in process.shards.owned() {
            let other = owners.insert(slot, process.shards.pod().to_string());
            assert_eq!(other, None, "slot {slot} has two owners");
        }
    }
    owners
}

fn counts(all: &[&Process]) -> Vec<usize> {
    let counts = all.iter().map(|process| process.shards.owned().len());
    counts.collect()
}

/// Waits until these own so many slots each, looking at every step that no slot has two owners.
async fn become_owners(all: &[&Process], expected: &[usize], within: Duration) {
    let begin = tokio::time::Instant::now();
    while counts(all) != expected {
        owners(all.iter().copied());
        assert!(
            begin.elapsed() < within,
            "{:?} and not {expected:?}",
            counts(all)
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
