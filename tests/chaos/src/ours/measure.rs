//! Measures what needs no second process: `check()`, many locks at once, cycles and hand-offs of a mutex.

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use metaparticle_coordination::Coordinator;
use tokio::task::JoinSet;

use super::{Task, coordinator, say};
use crate::clock::now;

/// How long `check()` of a term takes, in hundredths of a nanosecond; the best of several rounds, so that other
/// processes are not measured.
pub(super) async fn check(coordinator: Coordinator, task: Arc<Task>) {
    let election = coordinator.election(&task.name).lease(task.lease).build();
    let term = election
        .expect("an election")
        .campaign()
        .await
        .expect("a term");
    let rounds = 1_000_000_i64;
    let best = (0..20).map(|_| {
        let start = now();
        for _ in 0..rounds {
            let _ = black_box(black_box(&term).check());
        }
        (now() - start) * 100 / rounds
    });
    say(now(), &format!("figure check {}", best.min().unwrap_or(0)));
    term.lost().await;
}

/// Holds as many mutexes as it is told, for ever.
pub(super) async fn hold(coordinator: Coordinator, task: Arc<Task>) {
    let count = number(&task, 0);
    let mut tasks = JoinSet::new();
    for index in 0..count {
        let mutex = coordinator.mutex(&format!("{}-{index}", task.name));
        tasks.spawn(async move { mutex.lock().await.expect("a lock") });
    }
    let guards = tasks.join_all().await;
    say(now(), &format!("figure held {}", guards.len()));
    coordinator.stopping().await;
}

/// So many processes' worth of coordinators, each with a session of its own, take and leave one mutex so often in all.
/// One contender: a cycle. More: from the call of `unlock` to the return of the next one's `lock`.
pub(super) async fn cycles(_: Coordinator, task: Arc<Task>) {
    let (waiters, cycles) = (number(&task, 0), number(&task, 1));
    let left = Arc::new(AtomicI64::new(i64::try_from(cycles).unwrap_or(0)));
    let released = Arc::new(AtomicI64::new(0));
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut coordinators = Vec::new();
    for _ in 0..waiters {
        let coordinator = coordinator(&task).await;
        // The session is made at the first use.
        let warm = coordinator.mutex(&format!("warm-{}", coordinators.len()));
        let _ = warm.lock().await.expect("a lock").unlock().await;
        coordinators.push(coordinator);
    }
    let begin = now();
    let mut tasks = JoinSet::new();
    for coordinator in coordinators {
        let (left, released, times) = (left.clone(), released.clone(), times.clone());
        let mutex = coordinator.mutex(&task.name);
        tasks.spawn(async move {
            while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                let start = now();
                let guard = mutex.lock().await.expect("a lock");
                let (locked, since) = (now(), released.load(Ordering::Acquire));
                let took = if waiters == 1 {
                    guard.unlock().await.expect("still held");
                    now() - start
                } else {
                    released.store(now(), Ordering::Release);
                    guard.unlock().await.expect("still held");
                    locked - since.max(start)
                };
                times
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(took);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    let took = (now() - begin).max(1);
    let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let count = i64::try_from(times.len()).unwrap_or(0);
    say(
        now(),
        &format!("figure per-second-x100 {}", count * 100_000_000_000 / took),
    );
    say(now(), &format!("figure median {}", at(50)));
    say(now(), &format!("figure p99 {}", at(99)));
}

fn number(task: &Task, index: usize) -> usize {
    let word = task.more.get(index).and_then(|it| it.parse().ok());
    word.expect("a number")
}
