//! Takes and leaves a few locks for ever: two mutexes, a read-write lock, a semaphore; each by one task, so that a
//! process has at most one request a lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metaparticle_coordination::{
    Coordinator, Error, Lost,
    lock::{Guard, Share},
};
use tokio::task::JoinSet;

use super::{Task, say};
use crate::{clock::now, random::Random};

/// Alone or beside others.
enum Hold {
    Alone(Guard),
    Beside(Share),
}

impl Hold {
    fn check(&self) -> Result<(), Lost> {
        match self {
            Self::Alone(guard) => guard.check(),
            Self::Beside(share) => share.check(),
        }
    }

    fn token(&self) -> u64 {
        match self {
            Self::Alone(guard) => guard.fence().token(),
            Self::Beside(_) => 0,
        }
    }

    async fn unlock(self) -> Result<(), Error> {
        match self {
            Self::Alone(guard) => guard.unlock().await,
            Self::Beside(share) => share.unlock().await,
        }
    }
}

/// How it asks.
#[derive(Clone, Copy)]
enum How {
    Wait,
    Within(Duration),
    Once,
}

/// Contends until the coordinator is shut down.
pub(super) async fn contend(coordinator: Coordinator, task: Arc<Task>) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    say(now(), "ready");
    let mut tasks = JoinSet::new();
    for lock in ["one", "two", "book", "gpu"] {
        let coordinator = coordinator.clone();
        let name = format!("{}-{lock}", task.name);
        tasks.spawn(async move {
            let mut random = Random::new(now().cast_unsigned());
            while !coordinator.is_stopping() {
                let pause = Duration::from_millis(random.between(0, 60));
                tokio::time::sleep(pause).await;
                let how = match random.between(0, 10) {
                    0 => How::Once,
                    1 => How::Within(Duration::from_millis(random.between(1, 400))),
                    _ => How::Wait,
                };
                let kind = match lock {
                    "book" if random.chance(60) => "read",
                    "book" => "write",
                    "gpu" => "semaphore:2",
                    _ => "mutex",
                };
                let id = NEXT.fetch_add(1, Ordering::Relaxed);
                say(now(), &format!("ask {id} {name} {kind}"));
                match ask(&coordinator, &name, kind, how).await {
                    Ok(Some(hold)) => work(id, hold, random.between(5, 120)).await,
                    Ok(None) => say(now(), &format!("gaveup {id}")),
                    Err(error) => {
                        say(now(), &format!("gaveup {id} {error}"));
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn ask(
    coordinator: &Coordinator,
    name: &str,
    kind: &str,
    how: How,
) -> Result<Option<Hold>, Error> {
    let mutex = coordinator.mutex(name);
    let book = coordinator.rwlock(name);
    let gpu = coordinator.semaphore(name, 2);
    Ok(match (kind, how) {
        ("mutex", How::Wait) => Some(Hold::Alone(mutex.lock().await?)),
        ("mutex", How::Within(time)) => mutex.lock_within(time).await?.map(Hold::Alone),
        ("mutex", How::Once) => mutex.try_lock().await?.map(Hold::Alone),
        ("write", How::Wait) => Some(Hold::Alone(book.write().await?)),
        ("write", How::Within(time)) => book.write_within(time).await?.map(Hold::Alone),
        ("write", How::Once) => book.try_write().await?.map(Hold::Alone),
        ("read", How::Wait) => Some(Hold::Beside(book.read().await?)),
        ("read", How::Within(time)) => book.read_within(time).await?.map(Hold::Beside),
        ("read", How::Once) => book.try_read().await?.map(Hold::Beside),
        (_, How::Wait) => Some(Hold::Beside(gpu.acquire().await?)),
        (_, How::Within(time)) => gpu.acquire_within(time).await?.map(Hold::Beside),
        (_, How::Once) => gpu.try_acquire().await?.map(Hold::Beside),
    })
}

/// Holds it for a while; the moment is read before the guard is asked.
async fn work(id: u64, hold: Hold, milliseconds: u64) {
    let mut word = format!("locked {id} {}", hold.token());
    let until = now() + i64::try_from(milliseconds).unwrap_or(0) * 1_000_000;
    loop {
        let at = now();
        if hold.check().is_err() {
            return say(now(), &format!("locklost {id}"));
        }
        say(at, &word);
        word = format!("held {id}");
        if at > until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    say(now(), &format!("unlock {id}"));
    let _ = hold.unlock().await;
    say(now(), &format!("unlocked {id}"));
}
