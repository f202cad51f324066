//! Processes that die, networks that break, answers that are lost, objects that are deleted by hand.

use std::time::Duration;

use metaparticle_local::api::fault::Requests as Hit;
use serde_json::json;
use tokio::time::Instant;

use super::{cluster, delete, leases, of, process, soon, tickets, tickets_become};
use crate::{Lost, testing::ask};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn cut_off_holder_is_invalid_before_the_next_holds() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let other = a.mutex("other").lock().await.unwrap();
    let waiting = tokio::spawn(b.mutex("m").lock());
    soon().await;
    cluster.faults().partition("a");
    let cut = Instant::now();
    assert_eq!(guard.lost().await, Lost::Expired);
    assert_eq!(
        other.check(),
        Err(Lost::Expired),
        "one session, all its guards"
    );
    assert!(!waiting.is_finished());
    let next = waiting.await.unwrap().unwrap();
    next.check().unwrap();
    let waited = cut.elapsed();
    assert!(waited > SECOND * 14 && waited < SECOND * 16, "{waited:?}");
    assert!(next.fence().token() > guard.fence().token());

    // Back again, it is not revived, and can lock anew.
    cluster.faults().heal("a");
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(guard.check(), Err(Lost::Expired));
    assert!(guard.unlock().await.is_err());
    drop(other);
    let anew = a.mutex("other").lock().await.unwrap();
    anew.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn crashed_holder_is_succeeded_after_its_duration() {
    let cluster = cluster().await;
    let b = process(&cluster, "b").await;
    // Its runtime is gone, and with it everything that could have said goodbye.
    let runtime = tokio::runtime::Builder::new_current_thread();
    let kept = std::thread::scope(|scope| {
        let crash = || {
            let runtime = { runtime }.enable_all().build().unwrap();
            let guard = runtime.block_on(async {
                let a = process(&cluster, "a").await;
                a.mutex("m").lock().await.unwrap()
            });
            drop(runtime);
            guard
        };
        scope.spawn(crash).join().unwrap()
    });
    assert!(kept.check().is_err(), "nobody renews it");
    let begun = Instant::now();
    let guard = b.mutex("m").lock().await.unwrap();
    guard.check().unwrap();
    let waited = begun.elapsed();
    assert!(waited > SECOND * 14 && waited < SECOND * 16, "{waited:?}");
    tickets_become(&cluster, 1).await;
}

#[tokio::test(start_paused = true)]
async fn report_that_the_holders_container_has_ended_replaces_the_waiting() {
    let cluster = cluster().await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
        "spec": { "containers": [{ "name": "main", "image": "x" }] },
    });
    let mut pod = ask(&cluster.client(), "POST", pods, Some(&pod)).await;
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let container = format!("default a {uid} containerd://12");
    a.carrier().unwrap().contained(&container);
    let waiting = tokio::spawn(b.mutex("m").lock());
    tokio::time::sleep(SECOND * 6).await;
    cluster.faults().partition("a");
    tokio::time::sleep(SECOND).await;
    assert!(!waiting.is_finished());
    pod["status"] = json!({ "containerStatuses": [{
        "name": "main", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
        "state": { "terminated": { "exitCode": 137, "reason": "Error", "containerID": "containerd://12" } },
    }] });
    let status = format!("{pods}/a/status");
    ask(&cluster.client(), "PUT", &status, Some(&pod)).await;
    // A container that has ended holds nothing; this one goes on for the test.
    drop(guard);
    let begun = Instant::now();
    waiting.await.unwrap().unwrap().check().unwrap();
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ticket_deleted_by_hand_is_loss() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let waiting = tokio::spawn(b.mutex("m").lock());
    soon().await;
    let own = leases(&cluster, "ticket").await;
    let mine = own.iter().min_by_key(|_| 0).unwrap().clone();
    // Which of both is whose shows by who loses.
    for name in own {
        delete(&cluster, &name).await;
    }
    assert_eq!(guard.lost().await, Lost::Deleted);
    let lost = guard.unlock().await.unwrap_err();
    assert_eq!(lost.to_string(), "`m` is lost: its Lease was deleted");
    let next = waiting.await.unwrap().unwrap();
    next.check().unwrap();
    assert!(!leases(&cluster, "ticket").await.contains(&mine));
}

#[tokio::test(start_paused = true)]
async fn session_deleted_by_hand_ends_all_guards_within_a_third() {
    let cluster = cluster().await;
    let a = process(&cluster, "a").await;
    let guard = a.mutex("m").lock().await.unwrap();
    let share = a.semaphore("gpu", 2).acquire().await.unwrap();
    let session = a.session().unwrap();
    delete(&cluster, session.name.as_str()).await;
    let begun = Instant::now();
    let lost = guard.lost().await;
    assert!(matches!(lost, Lost::Session { .. }), "{lost:?}");
    assert!(begun.elapsed() <= SECOND * 5, "{:?}", begun.elapsed());
    assert!(share.check().is_err());
    drop((guard, share));
    let guard = a.mutex("m").lock().await.unwrap();
    guard.check().unwrap();
    assert_ne!(a.session().unwrap().uid, session.uid);
}

#[tokio::test(start_paused = true)]
async fn lost_answers_leave_neither_ticket_nor_hold() {
    for lost in 1..4 {
        let cluster = cluster().await;
        let a = process(&cluster, "a").await;
        cluster.faults().lose_answer(of("a").verb("create"), lost);
        cluster.faults().lose_answer(of("a").verb("delete"), 1);
        let guard = a.mutex("m").lock().await.unwrap();
        guard.check().unwrap();
        guard.unlock().await.unwrap();
        tickets_become(&cluster, 0).await;
        assert_eq!(leases(&cluster, "session").await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_and_failing_api_is_waited_for() {
    let cluster = cluster().await;
    let a = process(&cluster, "a").await;
    let faults = cluster.faults();
    faults.too_many_requests(of("a").verb("create"), 3, SECOND);
    faults.server_error(of("a"), 3, 500);
    let guard = a.mutex("m").lock().await.unwrap();
    faults.server_error(of("a").verb("update"), 2, 500);
    faults.conflict(of("a").verb("update"), 1);
    tokio::time::sleep(SECOND * 30).await;
    guard.check().unwrap();
    guard.unlock().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn broken_watch_and_forgotten_versions_keep_the_order() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let first = a.mutex("m").lock().await.unwrap();
    b.mutex("warm")
        .lock()
        .await
        .unwrap()
        .unlock()
        .await
        .unwrap();
    for compacted in [false, true] {
        // The watch breaks while the ticket is posted.
        cluster
            .faults()
            .hang(Hit::all().client("b").verb("watch"), 1);
        cluster.faults().drop_watches();
        if compacted {
            cluster.compact();
        }
        let second = tokio::spawn(b.mutex("m").lock_within(SECOND * 30));
        tokio::time::sleep(SECOND * 20).await;
        assert!(!second.is_finished(), "the first holds");
        first.check().unwrap();
        assert!(second.await.unwrap().unwrap().is_none());
    }
    let second = tokio::spawn(b.mutex("m").lock());
    soon().await;
    cluster.faults().drop_watches();
    first.unlock().await.unwrap();
    second.await.unwrap().unwrap().check().unwrap();
    tickets_become(&cluster, 0).await;
}

#[tokio::test(start_paused = true)]
async fn unlock_while_the_api_is_away_ends_with_the_session() {
    let cluster = cluster().await;
    let a = process(&cluster, "a").await;
    let guard = a.mutex("m").lock().await.unwrap();
    cluster.faults().partition("a");
    let begun = Instant::now();
    guard.unlock().await.unwrap();
    assert!(begun.elapsed() < SECOND * 13, "{:?}", begun.elapsed());
    assert_eq!(tickets(&cluster).await, 1);
    cluster.faults().heal("a");
    // The partition's end is noticed by those who wait for an answer.
    tokio::time::sleep(SECOND * 10).await;
    tickets_become(&cluster, 0).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_goes_on_through_an_outage() {
    let cluster = cluster().await;
    let (a, b) = (process(&cluster, "a").await, process(&cluster, "b").await);
    let guard = a.mutex("m").lock().await.unwrap();
    let waiting = tokio::spawn(b.mutex("m").lock());
    soon().await;
    cluster.faults().partition("b");
    tokio::time::sleep(SECOND * 60).await;
    cluster.faults().heal("b");
    tokio::time::sleep(SECOND * 10).await;
    assert!(!waiting.is_finished());
    guard.unlock().await.unwrap();
    waiting.await.unwrap().unwrap().check().unwrap();
}
