//! A deployment that stays: its events, Ctrl-C, its end.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A running `up`, read line by line.
pub(crate) struct Up {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Up {
    /// Starts `command`, which must be a `cargo run --`, as `metaparticle up` with these further flags.
    pub(crate) fn start(mut command: Command, flags: &[&str]) -> Self {
        command.args(["metaparticle", "up", "--output", "json"]);
        command.args(flags).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            events: BufReader::new(stdout).lines(),
        }
    }

    /// Reads events up to the first of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Value {
        let read = async {
            while let Some(line) = self.events.next_line().await.expect("readable") {
                let event: Value = serde_json::from_str(&line).expect("an object a line");
                assert_ne!(event["event"], "failed", "{event}");
                if event["event"] == name {
                    return event;
                }
            }
            panic!("it ended before `{name}`");
        };
        timeout(Duration::from_secs(420), read)
            .await
            .expect("in time")
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().expect("it runs").try_into().expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signalled");
    }

    /// Waits for the end, which must be that of an interrupted program.
    pub(crate) async fn ended_within(&mut self, limit: Duration) {
        let status = timeout(limit, self.child.wait())
            .await
            .expect("in time")
            .expect("ended");
        assert_eq!(status.code(), Some(130));
    }
}
