//! Who holds, in which order, and what it costs.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::{cluster, leases, process, soon, tickets, tickets_become};

#[tokio::test(start_paused = true)]
async fn mutex_goes_round_in_the_order_of_the_calls() {
    let cluster = cluster().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for n in 0..9 {
        let coordinator = process(&cluster, ["a", "b", "c"][n % 3]).await;
        let order = Arc::clone(&order);
        tasks.push(tokio::spawn(async move {
            let guard = coordinator.mutex("m").lock().await.unwrap();
            order.lock().await.push((n, guard.fence().token()));
            tokio::time::sleep(Duration::from_millis(100)).await;
            guard.check().unwrap();
            guard.unlock().await.unwrap();
        }));
        soon().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let order = order.lock().await;
    let numbers: Vec<_> = order.iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, (0..9).collect::<Vec<_>>());
    assert!(order.is_sorted_by_key(|(_, token)| *token), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_process_are_met_in_their_order() {
    let cluster = cluster().await;
    let coordinator = process(&cluster, "a").await;
    let mutex = coordinator.mutex("m");
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (lock, order) = (mutex.lock(), Arc::clone(&order));
            tokio::spawn(async move {
                let guard = lock.await.unwrap();
                order.lock().await.push(n);
                guard.unlock().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn readers_share_and_a_writer_is_alone() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let first = a.rwlock("cfg").read().await.unwrap();
    let second = b.rwlock("cfg").read().await.unwrap();
    assert!(a.rwlock("cfg").try_write().await.unwrap().is_none());
    let writer = tokio::spawn(b.rwlock("cfg").write());
    soon().await;
    let late = tokio::spawn(a.rwlock("cfg").read());
    soon().await;
    assert!(!late.is_finished(), "the writer was first");
    first.unlock().await.unwrap();
    soon().await;
    assert!(!writer.is_finished());
    second.unlock().await.unwrap();
    let writer = writer.await.unwrap().unwrap();
    assert!(!late.is_finished());
    writer.unlock().await.unwrap();
    late.await.unwrap().unwrap().check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn semaphore_lets_in_its_limit() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let (a, b) = (a.semaphore("gpu", 2), b.semaphore("gpu", 2));
    let first = a.acquire().await.unwrap();
    let _second = b.acquire().await.unwrap();
    assert!(a.try_acquire().await.unwrap().is_none());
    let second = Duration::from_secs(1);
    assert!(a.acquire_within(second).await.unwrap().is_none());
    let third = tokio::spawn(b.acquire());
    soon().await;
    assert!(!third.is_finished());
    drop(first);
    third.await.unwrap().unwrap().check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn lock_and_unlock_are_one_post_and_one_delete() {
    let cluster = cluster().await;
    let coordinator = process(&cluster, "a").await;
    let mutex = coordinator.mutex("m");
    mutex.lock().await.unwrap().unlock().await.unwrap();
    soon().await;
    let before = cluster.requests().len();
    mutex.lock().await.unwrap().unlock().await.unwrap();
    let verbs: Vec<_> = cluster.requests()[before..]
        .iter()
        .map(|asked| asked.verb)
        .collect();
    assert_eq!(verbs, ["create", "delete"]);
}

#[tokio::test(start_paused = true)]
async fn thousand_locks_cost_what_one_session_costs() {
    let cluster = cluster().await;
    let coordinator = process(&cluster, "a").await;
    let locks = (0..1000).map(|n| coordinator.mutex(&format!("lock-{n}")).lock());
    let guards = futures::future::try_join_all(locks).await.unwrap();
    let all = |guards: &[crate::lock::Guard]| guards.iter().all(|guard| guard.check().is_ok());
    assert!(all(&guards));
    // Past the second look for leftovers, so that what goes on for ever is counted.
    tokio::time::sleep(Duration::from_secs(300)).await;
    let before = cluster.requests().len();
    tokio::time::sleep(Duration::from_secs(300)).await;
    let requests = cluster.requests().len() - before;
    assert!(all(&guards));
    assert!(
        requests <= 66,
        "{requests} requests in 300 s: 0.2 a second, and the watch's"
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_everything_back() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let waiting = tokio::spawn(b.mutex("m").lock());
    let own = tokio::spawn(a.mutex("m").lock());
    soon().await;
    a.shutdown().await;
    assert_eq!(guard.check(), Err(crate::Lost::Shutdown));
    assert!(matches!(own.await.unwrap(), Err(crate::Error::Shutdown)));
    waiting.await.unwrap().unwrap().check().unwrap();
    assert_eq!(leases(&cluster, "session").await.len(), 1);
    let late = a.mutex("m").lock().await;
    assert!(matches!(late, Err(crate::Error::Shutdown)), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn permit_holds_the_lock_until_it_is_dropped() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let permit = guard.permit().unwrap();
    drop(guard);
    let waiting = tokio::spawn(b.mutex("m").lock());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished(), "the permit is out");
    permit.check().unwrap();
    drop(permit);
    waiting.await.unwrap().unwrap().check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn permit_that_outlasts_the_shutdown_is_not_given_back_but_expires() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let permit = guard.permit().unwrap();
    let waiting = tokio::spawn(b.mutex("m").lock());
    soon().await;
    a.shutdown().await;
    assert_eq!(tickets(&cluster).await, 2);
    permit.lost().await;
    assert!(!waiting.is_finished());
    let next = waiting.await.unwrap().unwrap();
    next.check().unwrap();
    tickets_become(&cluster, 1).await;
}

#[tokio::test(start_paused = true)]
async fn session_is_shown_and_counted() {
    let cluster = cluster().await;
    let coordinator = process(&cluster, "web-1").await;
    assert_eq!(coordinator.session(), None);
    let guard = coordinator.mutex("m").lock().await.unwrap();
    let session = coordinator.session().unwrap();
    assert!(session.name.as_str().starts_with("web-1-"));
    assert_eq!(leases(&cluster, "session").await, [session.name.as_str()]);
    let held = |coordinator: &crate::Coordinator| {
        let metrics = coordinator.metrics();
        metrics
            .parts
            .iter()
            .map(|part| part.held)
            .collect::<Vec<_>>()
    };
    assert_eq!(held(&coordinator), [1, 1], "the session and a lock");
    guard.unlock().await.unwrap();
    assert_eq!(held(&coordinator), [1, 0]);
}
