//! Futures dropped at every point, and guards dropped everywhere.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use super::{cluster, leases, process, tickets_become};
use crate::{Coordinator, Lost};

/// Polls `work`, lets everything else have `turns` turns, and drops it; `true`: it had ended.
async fn dropped_after<T>(turns: usize, work: impl Future<Output = T>) -> bool {
    let mut work = pin!(work);
    for _ in 0..=turns {
        let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        if polled.is_ready() {
            return true;
        }
        turn().await;
    }
    false
}

/// Each task that is ready gets one poll. (The runtime's own yield lets them all go on until nothing is ready.)
async fn turn() {
    let mut before = false;
    poll_fn(|context| {
        if std::mem::replace(&mut before, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Others can have the lock within a second, and nothing is left of what was dropped. (A POST that was under way may come
/// late, and is then swept.)
async fn nothing_left(cluster: &metaparticle_local::Cluster, other: &Coordinator) {
    let second = Duration::from_secs(1);
    let guard = other.mutex("m").lock_within(second).await.unwrap();
    guard.expect("nobody holds").unlock().await.unwrap();
    tickets_become(cluster, 0).await;
}

#[tokio::test(start_paused = true)]
async fn wishes_can_be_dropped_at_every_point() {
    // As a task among others: the runtime's main future gets a turn after 61 of theirs.
    tokio::spawn(wishes_dropped()).await.unwrap();
}

async fn wishes_dropped() {
    let cluster = cluster().await;
    let other = process(&cluster, "other").await;
    let mut ended = [0; 4];
    for turns in (0..40).chain([100]) {
        for (kind, ended) in ended.iter_mut().enumerate() {
            // Of a process that has to open its session first, and of one that has one.
            let own = process(&cluster, "own").await;
            if turns % 2 == 0 {
                own.mutex("warm")
                    .lock()
                    .await
                    .unwrap()
                    .unlock()
                    .await
                    .unwrap();
            }
            let mutex = own.mutex("m");
            *ended += usize::from(match kind {
                0 => dropped_after(turns, mutex.lock()).await,
                1 => dropped_after(turns, mutex.try_lock()).await,
                2 => dropped_after(turns, mutex.lock_within(Duration::from_secs(9))).await,
                _ => {
                    let guard = mutex.lock().await.unwrap();
                    dropped_after(turns, guard.unlock()).await
                }
            });
            nothing_left(&cluster, &other).await;
            own.shutdown().await;
        }
    }
    assert!(
        ended.iter().all(|count| (1..41).contains(count)),
        "{ended:?}"
    );
    assert_eq!(leases(&cluster, "session").await.len(), 1, "the other's");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_held_lock_can_be_dropped_at_every_point() {
    tokio::spawn(waits_dropped()).await.unwrap();
}

async fn waits_dropped() {
    let cluster = cluster().await;
    let (own, other) = (
        process(&cluster, "own").await,
        process(&cluster, "other").await,
    );
    let held = other.mutex("m").lock().await.unwrap();
    for turns in 0..40 {
        assert!(!dropped_after(turns, own.mutex("m").lock()).await);
        tickets_become(&cluster, 1).await;
    }
    held.check().unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_loss_and_guarded_work_can_be_dropped() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let guard = own.mutex("m").lock().await.unwrap();
    for turns in 0..10 {
        assert!(!dropped_after(turns, guard.lost()).await);
        assert!(!dropped_after(turns, guard.guarded(std::future::pending::<()>())).await);
    }
    assert_eq!(guard.guarded(async { 1 }).await, Ok(1));
    guard.unlock().await.unwrap();
    tickets_become(&cluster, 0).await;
}

#[tokio::test(start_paused = true)]
async fn guard_dropped_outside_of_a_runtime_is_given_back() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    for permit in [false, true] {
        let guard = own.mutex("m").lock().await.unwrap();
        let permit = permit.then(|| guard.permit().unwrap());
        std::thread::spawn(move || drop((guard, permit)))
            .join()
            .unwrap();
        tickets_become(&cluster, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn guard_of_a_task_that_panics_is_given_back() {
    let cluster = cluster().await;
    let own = process(&cluster, "own").await;
    let guard = own.mutex("m").lock().await.unwrap();
    let task = tokio::spawn(async move {
        guard.check().unwrap();
        panic!("on purpose");
    });
    assert!(task.await.unwrap_err().is_panic());
    tickets_become(&cluster, 0).await;
}

#[tokio::test(start_paused = true)]
async fn guard_outlives_its_runtime_as_lost() {
    let cluster = cluster().await;
    let guard = std::thread::scope(|scope| {
        let other = || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let held = runtime.block_on(async {
                let own = process(&cluster, "own").await;
                own.mutex("m").lock().await.unwrap()
            });
            held.check().unwrap();
            drop(runtime);
            held
        };
        scope.spawn(other).join().unwrap()
    });
    assert_eq!(guard.check(), Err(Lost::Shutdown));
    let unlocked = guard.unlock().await.unwrap_err();
    assert_eq!(
        unlocked.to_string(),
        "`m` is lost: coordination was shut down"
    );
}

#[tokio::test(start_paused = true)]
async fn coordinator_that_is_dropped_leaves_no_task() {
    let cluster = cluster().await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let own = process(&cluster, "own").await;
    let guard = own.mutex("m").lock().await.unwrap();
    drop(own);
    guard.check().expect("a guard keeps what renews it");
    guard.unlock().await.unwrap();
    for _ in 0..100 {
        if tasks() <= before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tasks more", tasks() - before);
}
