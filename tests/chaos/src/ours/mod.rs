//! This project's elections, locks and shards, used as its documentation says, by a program that says what it believes.

mod elect;
mod lock;
mod measure;
pub mod shard;

use std::{io::Write as _, sync::Arc, thread, time::Duration};

use metaparticle_coordination::Coordinator;
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::now;

/// What the candidate was told.
#[derive(Clone, Debug)]
pub struct Task {
    /// The API server's URL.
    pub server: String,
    /// Namespace of all its objects.
    pub namespace: String,
    /// Of the election, or what the locks' names begin with.
    pub name: String,
    /// Its own name.
    pub identity: String,
    /// Of the election or of the session.
    pub lease: Duration,
    /// What a mode wants to know besides.
    pub more: Vec<String>,
}

/// Contends until it is told to end.
///
/// # Panics
/// If it is told what it does not know, or has no API server: it is a program's main function.
///
/// # Cancel safety
/// Not meant to be cancelled.
pub async fn run(mode: &str, task: Task) {
    thread::spawn(clocks);
    let coordinator = coordinator(&task).await;
    let task = Arc::new(task);
    let work = match mode {
        "elect" => tokio::spawn(elect::contend(coordinator.clone(), task)),
        "lock" => tokio::spawn(lock::contend(coordinator.clone(), task)),
        "shard" => tokio::spawn(shard::contend(coordinator.clone(), task)),
        "check" => tokio::spawn(measure::check(coordinator.clone(), task)),
        "hold" => tokio::spawn(measure::hold(coordinator.clone(), task)),
        "cycles" => tokio::spawn(measure::cycles(coordinator.clone(), task)),
        _ => panic!("no mode {mode}"),
    };
    let mut term = signal(SignalKind::terminate()).expect("a signal");
    term.recv().await;
    coordinator.shutdown().await;
    let _ = tokio::time::timeout(Duration::from_secs(1), work).await;
    say(now(), "done");
}

async fn coordinator(task: &Task) -> Coordinator {
    let config = kube::Config::new(task.server.parse().expect("a URL"));
    let builder = Coordinator::of_config(config).expect("a client");
    let builder = builder
        .namespace(&task.namespace)
        .pod_name(&task.identity)
        .session(task.lease);
    builder
        .drain(Duration::from_secs(2))
        .start()
        .await
        .expect("a coordinator")
}

/// One line.
fn say(at: i64, words: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{at} {words}");
    let _ = out.flush();
}

/// What this process's clocks say, as everybody reads them.
fn clocks() {
    use rustix::time::{ClockId, clock_gettime};
    let read = |id| {
        let time = clock_gettime(id);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    };
    loop {
        let [wall, monotonic, boot] =
            [ClockId::Realtime, ClockId::Monotonic, ClockId::Boottime].map(read);
        say(now(), &format!("clock {wall} {monotonic} {boot}"));
        thread::sleep(Duration::from_millis(200));
    }
}
