//! The same on a real API server, by real time.

use tokio::time::Instant;

use super::{super::*, *};
use crate::testing::{Real, ask};

const SESSION: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

async fn process(real: &Real, name: &str) -> Process {
    let coordinator = Coordinator::builder(real.client.clone())
        .namespace(&real.namespace)
        .pod_name(name)
        .session(SESSION)
        .start()
        .await
        .unwrap();
    let shards = coordinator.shards("users").start().unwrap();
    shards.ready();
    Process {
        coordinator,
        shards,
    }
}

/// Waits until all slots are owned, by so many each, within one.
async fn become_even(all: &[&Process]) -> Duration {
    let begin = Instant::now();
    let share = 4096 / all.len();
    loop {
        owners(all.iter().copied());
        let counts = counts(all);
        let is_even = counts
            .iter()
            .all(|count| (share..=share + 1).contains(count));
        if is_even && counts.iter().sum::<usize>() == 4096 {
            return begin.elapsed();
        }
        assert!(begin.elapsed() < PATIENCE, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn slots_move_on_a_real_api_server() {
    let real = Real::new().await;
    let (a, b) = (process(&real, "a").await, process(&real, "b").await);
    println!("first map: even after {:?}", become_even(&[&a, &b]).await);
    let before = owners([&a, &b]);
    let c = process(&real, "c").await;
    println!("a third: even after {:?}", become_even(&[&a, &b, &c]).await);
    for (slot, owner) in owners([&a, &b, &c]) {
        assert!(owner == "c" || owner == before[&slot], "{slot}");
    }
    let begin = Instant::now();
    c.coordinator.shutdown().await;
    println!("the third left in {:?}", begin.elapsed());
    become_even(&[&a, &b]).await;

    let guard = a.shards.guard_of(a.shards.owned()[0].0).unwrap();
    let path = format!(
        "/api/v1/namespaces/{}/configmaps/users-shards",
        real.namespace
    );
    ask(&real.client, "DELETE", &path, None).await;
    assert_eq!(guard.lost().await, Lost::NoMap);
    println!(
        "a map deleted: even after {:?}",
        become_even(&[&a, &b]).await
    );
    assert!(a.shards.health().trouble.is_none() && b.shards.health().trouble.is_none());
    a.coordinator.shutdown().await;
    b.coordinator.shutdown().await;
    real.end().await;
}
