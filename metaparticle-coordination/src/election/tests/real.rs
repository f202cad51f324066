//! The same elections on a real API server, and what they cost there. `METAPARTICLE_TEST_KUBECONFIG` names it.

use std::time::Duration;

use tokio::{
    runtime::Runtime,
    time::{Instant, sleep, timeout},
};

use crate::{
    Coordinator, Lost,
    election::{Election, Term},
    testing::{Real, ask, real_config},
};

const LEASE: Duration = Duration::from_secs(3);

/// A candidate with connections of its own.
async fn candidate(namespace: &str, pod: &str) -> Election {
    let client = crate::connect::client(real_config().await).unwrap();
    let mp = Coordinator::builder(client)
        .namespace(namespace)
        .pod_name(pod);
    mp.start()
        .await
        .unwrap()
        .election("billing")
        .lease(LEASE)
        .build()
        .unwrap()
}

fn contends(election: &Election) -> tokio::task::JoinHandle<Term> {
    let election = election.clone();
    tokio::spawn(async move { election.campaign().await.unwrap() })
}

fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!(
        "p50 {:.1?}, p99 {:.1?}, longest {:.1?}",
        at(50),
        at(99),
        at(100)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn hand_over_crash_and_deletion_on_a_real_api_server() {
    let real = Real::new().await;
    // In a runtime of its own, so that it can die.
    let dying = Runtime::new().unwrap();
    let namespace = real.namespace.clone();
    let start = async move {
        let a = candidate(&namespace, "a").await;
        (a.campaign().await.unwrap(), a)
    };
    let (first, a) = dying.spawn(start).await.unwrap();
    let b = candidate(&real.namespace, "b").await;
    let second = contends(&b);
    sleep(LEASE / 2).await;
    let begin = Instant::now();
    dying.shutdown_background();
    assert_eq!(first.lost().await, Lost::Shutdown);
    let second = timeout(LEASE * 2, second).await.unwrap().unwrap();
    let took = begin.elapsed();
    assert!(
        took >= LEASE / 2 && took <= LEASE + Duration::from_millis(500),
        "{took:?}"
    );
    println!("crash to the next term: {took:.2?} with a lease of {LEASE:?}");
    assert!(second.token() > first.token());
    drop((first, a));

    let path = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases/billing",
        real.namespace
    );
    ask(&real.client, "DELETE", &path, None).await;
    assert_eq!(timeout(LEASE, second.lost()).await.unwrap(), Lost::Deleted);
    let token = second.token();
    drop(second);
    let third = timeout(LEASE, b.campaign()).await.unwrap().unwrap();
    assert!(third.token() > token);
    let lease = ask(&real.client, "GET", &path, None).await;
    assert_eq!(
        lease["metadata"]["labels"]["metaparticle.dev/role"],
        "election"
    );
    third.step_down().await.unwrap();
    real.end().await;
}

/// Prints what coordination.md asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the API server that METAPARTICLE_TEST_KUBECONFIG names"]
async fn figures_of_hand_overs_on_a_real_api_server() {
    let real = Real::new().await;
    let (a, b) = (
        candidate(&real.namespace, "a").await,
        candidate(&real.namespace, "b").await,
    );
    let (mut leads, mut follows) = (a, b);
    let mut term = leads.campaign().await.unwrap();
    let mut times = Vec::new();
    for round in 0..100 {
        let next = contends(&follows);
        // Until it is known to the leader.
        sleep(Duration::from_millis(if round < 2 { 500 } else { 100 })).await;
        let token = term.token();
        let begin = Instant::now();
        drop(term);
        term = timeout(LEASE, next).await.unwrap().unwrap();
        times.push(begin.elapsed());
        assert!(term.token() > token);
        std::mem::swap(&mut leads, &mut follows);
    }
    println!("clean hand-over: {}", percentiles(&mut times));
    term.step_down().await.unwrap();
    real.end().await;
}
