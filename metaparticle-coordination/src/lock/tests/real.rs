//! The same locks on a real API server, and what they cost there. `METAPARTICLE_TEST_KUBECONFIG` names it.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Coordinator, Lost,
    coordinator::Builder,
    testing::{Real, real_config},
};

const SESSION: Duration = Duration::from_secs(3);

fn process(real: &Real, name: &str) -> Builder {
    Coordinator::builder(real.client.clone())
        .namespace(&*real.namespace)
        .pod_name(name)
}

async fn tickets(real: &Real) -> Vec<String> {
    let path = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases?labelSelector=metaparticle.dev%2Frole%3Dticket",
        real.namespace
    );
    let list = crate::testing::ask(&real.client, "GET", &path, None).await;
    let names = list["items"].as_array().unwrap().iter();
    names
        .map(|lease| lease["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn queue_survives_a_crash_and_a_deletion_on_a_real_api_server() {
    let real = Real::new().await;
    // In a runtime of its own, with its own connections, so that it can die.
    let dying = tokio::runtime::Runtime::new().unwrap();
    let (a, first) = {
        let namespace = real.namespace.clone();
        let client = async || crate::connect::client(real_config().await).unwrap();
        let start = async move {
            let a = Coordinator::builder(client().await).namespace(namespace);
            let a = a.session(SESSION).start().await.unwrap();
            let first = a.mutex("m").lock().await.unwrap();
            (a, first)
        };
        dying.spawn(start).await.unwrap()
    };
    let b = process(&real, "b").session(SESSION).start().await.unwrap();
    let c = process(&real, "c").session(SESSION).start().await.unwrap();
    let a_while = Instant::now();
    let second = tokio::spawn(b.mutex("m").lock());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let third = tokio::spawn(c.mutex("m").lock());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(b.mutex("m").try_lock().await.unwrap().is_none());
    // The ticket of the one that did not wait goes in the background.
    while tickets(&real).await.len() != 3 {
        assert!(
            a_while.elapsed() < SESSION * 2,
            "{:?}",
            tickets(&real).await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // Nobody renews it any more, and nobody says goodbye.
    let token = first.fence().token();
    dying.shutdown_background();
    let begun = Instant::now();
    assert_eq!(first.lost().await, Lost::Shutdown);
    drop(a);
    let second = second.await.unwrap().unwrap();
    let waited = begun.elapsed();
    assert!(waited >= SESSION * 6 / 10, "{waited:?}");
    assert!(waited <= SESSION + SESSION / 2, "{waited:?}");
    assert!(second.fence().token() > token);
    assert!(!third.is_finished());

    // By whoever buried it, or by the garbage collector.
    let mut left = tickets(&real).await;
    for _ in 0..50 {
        if left.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        left = tickets(&real).await;
    }
    assert_eq!(left.len(), 2, "the dead one's ticket is gone: {left:?}");
    let path = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
        real.namespace
    );
    let session = b.session().unwrap();
    let path = format!("{path}/{}", session.name);
    crate::testing::ask(&real.client, "DELETE", &path, None).await;
    let lost = second.lost().await;
    assert!(
        matches!(lost, Lost::Session { .. } | Lost::Deleted),
        "{lost:?}"
    );
    let third = third.await.unwrap().unwrap();
    third.unlock().await.unwrap();
    b.shutdown().await;
    c.shutdown().await;
    assert_eq!(tickets(&real).await, Vec::<String>::new());
    real.end().await;
}

/// Prints what coordination.md asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn figures_of_locks_on_a_real_api_server() {
    let real = Real::new().await;
    let own = process(&real, "own").start().await.unwrap();
    let mutex = own.mutex("m");
    mutex.lock().await.unwrap().unlock().await.unwrap();
    let (mut locks, mut cycles) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let begun = Instant::now();
        let guard = mutex.lock().await.unwrap();
        locks.push(begun.elapsed());
        guard.unlock().await.unwrap();
        cycles.push(begun.elapsed());
    }
    println!("lock, uncontended: {}", percentiles(&mut locks));
    println!("lock and unlock:   {}", percentiles(&mut cycles));

    let other = process(&real, "other").start().await.unwrap();
    other
        .mutex("warm")
        .lock()
        .await
        .unwrap()
        .unlock()
        .await
        .unwrap();
    let mut handed = Vec::new();
    for _ in 0..50 {
        let guard = mutex.lock().await.unwrap();
        let next = other.mutex("m").lock();
        let waiting = tokio::spawn(async move {
            let guard = next.await.unwrap();
            (Instant::now(), guard)
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        drop(guard);
        let (held, guard) = waiting.await.unwrap();
        handed.push(held.duration_since(begun));
        guard.unlock().await.unwrap();
    }
    println!("hand-off:          {}", percentiles(&mut handed));

    let begun = Instant::now();
    let locks = (0..1000).map(|n| own.mutex(&format!("lock-{n}")).lock());
    let guards = futures::future::try_join_all(locks).await.unwrap();
    println!("1,000 locks at once: {:?}", begun.elapsed());
    let count = || {
        own.metrics()
            .requests
            .iter()
            .map(|(_, _, count)| count)
            .sum::<u64>()
    };
    let before = count();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let requests = count() - before;
    println!("1,000 locks held: {requests} requests in 30 s");
    assert!(guards.iter().all(|guard| guard.check().is_ok()));
    assert!(requests <= 12, "0.4 a second: {requests}");
    let begun = Instant::now();
    own.shutdown().await;
    println!("all given back: {:?}", begun.elapsed());
    real.end().await;
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
