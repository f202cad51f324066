//! The examples of elections and locks, run as a user would: each on an embedded cluster of its own, with nothing installed.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use std::{
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

/// Longest wait for a line, or the end. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);

/// An example that has deployed itself. A copy of it in a folder of its own, so that several can run.
struct Example {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
    _folder: TempDir,
}

impl Example {
    fn start(program: &str) -> Self {
        Self::start_with(program, &[])
    }

    /// With arguments for its pods.
    fn start_with(program: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As cargo marks its target directory.
        std::fs::write(folder.path().join("CACHEDIR.TAG"), "").unwrap();
        let copy = folder.path().join("program");
        std::fs::copy(program, &copy).unwrap();
        let mut child = Command::new(copy)
            .args(["metaparticle", "up", "--output", "json", "--"])
            .args(arguments)
            .env_remove("METAPARTICLE_CONTEXT")
            .env("KUBECONFIG", "/nowhere")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let events = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            events,
            _folder: folder,
        }
    }

    /// The next line that a pod says, with the pod's name; `None` at the end of the program.
    async fn line(&mut self) -> Option<(String, String)> {
        loop {
            let line = timeout(LIMIT, self.events.next_line())
                .await
                .unwrap()
                .unwrap()?;
            let event: Value = serde_json::from_str(&line).unwrap();
            assert_ne!(event["event"], "failed", "{event}");
            if event["event"] == "log" {
                let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
                return Some((text("pod"), text("line")));
            }
        }
    }

    /// The first line from here on with these words.
    async fn until(&mut self, words: &str) -> (String, String) {
        loop {
            let line = self.line().await.expect("it goes on");
            if line.1.contains(words) {
                return line;
            }
        }
    }

    async fn end(mut self) -> ExitStatus {
        timeout(LIMIT, self.child.wait()).await.unwrap().unwrap()
    }

    /// Ctrl-C.
    async fn interrupt(self) {
        signal("-INT", &self.child.id().unwrap().to_string());
        self.end().await;
    }
}

/// What the pods call. It takes a while for each, and knows how many called at the same time.
struct Service {
    address: String,
    /// Callers now, most at a time, all in all.
    counts: Arc<[AtomicUsize; 3]>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counts = Arc::new([const { AtomicUsize::new(0) }; 3]);
        let counted = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let counts = Arc::clone(&counted);
                let [now, most, all] = &*counted;
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                all.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(200)).await;
                    // Before the caller can know.
                    counts[0].fetch_sub(1, Ordering::SeqCst);
                    let _ = caller.write_all(b"well").await;
                });
            }
        });
        Self { address, counts }
    }

    /// Most callers at a time, and all.
    fn seen(&self) -> (usize, usize) {
        let [_, most, all] = &*self.counts;
        (most.load(Ordering::SeqCst), all.load(Ordering::SeqCst))
    }
}

fn signal(signal: &str, process: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, process])
        .status();
    assert!(status.unwrap().success(), "kill {signal} {process}");
}

/// Pod, process and token of `<pod> leads: process 17, token 4711`.
fn leader((pod, line): &(String, String)) -> (String, String, u64) {
    let rest = line.split_once("process ").unwrap().1;
    let (process, token) = rest.split_once(", token ").unwrap();
    (pod.clone(), process.to_owned(), token.parse().unwrap())
}

#[tokio::test]
async fn leader_that_is_told_to_end_is_followed_at_once_and_says_nothing_more() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_leader"));
    let first = leader(&example.until("leads").await);
    example.until("does piece 2 ").await;
    signal("-TERM", &first.1);
    let second = leader(&example.until("leads").await);
    assert_ne!(second.1, first.1);
    assert!(second.2 > first.2, "{second:?} after {first:?}");
    for _ in 0..5 {
        let (pod, line) = example.until("does piece").await;
        assert!(
            line.ends_with(&format!("under token {}", second.2)),
            "{pod}: {line}"
        );
    }
    example.interrupt().await;
}

#[tokio::test]
async fn replicas_migrate_one_after_the_other() {
    let service = Service::start().await;
    let mut example = Example::start_with(env!("CARGO_BIN_EXE_migrate"), &[&service.address]);
    let mut serving = Vec::new();
    for _ in 0..3 {
        let (pod, line) = example.until("serves").await;
        assert!(line.ends_with("serves, by schema well"), "{line}");
        serving.push(pod);
    }
    serving.sort();
    serving.dedup();
    assert_eq!((serving.len(), service.seen()), (3, (1, 3)));
    example.interrupt().await;
}

#[tokio::test]
async fn no_more_than_three_of_ten_call_at_a_time() {
    let service = Service::start().await;
    let mut example = Example::start_with(env!("CARGO_BIN_EXE_quota"), &[&service.address]);
    let mut done = 0;
    while let Some((_, line)) = example.line().await {
        done += usize::from(line.ends_with("has called: Ok(\"well\")"));
    }
    assert_eq!((done, service.seen()), (10, (3, 10)));
    assert_eq!(example.end().await.code(), Some(0));
}

#[tokio::test]
async fn policy_is_said_to_need_a_real_cluster() {
    let mut example = Example::start(env!("CARGO_BIN_EXE_fenced-writer"));
    let mut seen = Vec::new();
    while let Some(event) = timeout(LIMIT, example.events.next_line())
        .await
        .unwrap()
        .unwrap()
    {
        seen.push(event);
    }
    let words = "has no admission policies, so that `coordination(policy)` cannot be had there";
    assert!(seen.iter().any(|event| event.contains(words)), "{seen:#?}");
    assert_eq!(example.end().await.code(), Some(1));
}
