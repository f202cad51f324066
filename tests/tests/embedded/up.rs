//! A program that deploys itself: its events, what it answers, Ctrl-C, its end.

use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

const WEB: &str = env!("CARGO_BIN_EXE_suite-web");
const BATCH: &str = env!("CARGO_BIN_EXE_suite-batch");
const SHARDED: &str = env!("CARGO_BIN_EXE_suite-sharded");
/// Longest wait for an event, or the end. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(60);

/// A running `up`, read line by line. A copy of the program in a folder of its own, so that several can run.
pub(crate) struct Up {
    pub(crate) child: Child,
    events: Lines<BufReader<ChildStdout>>,
    pub(crate) seen: Vec<Value>,
    pub(crate) folder: TempDir,
}

impl Up {
    /// Starts the service; `arguments` are its own.
    pub(crate) fn web(arguments: &[&str]) -> Self {
        Self::start(WEB, &[], arguments)
    }

    /// Starts the job.
    pub(crate) fn batch(arguments: &[&str]) -> Self {
        Self::start(BATCH, &[], arguments)
    }

    /// Starts the sharded service.
    pub(crate) fn sharded() -> Self {
        Self::start(SHARDED, &[], &[])
    }

    /// Starts the service with flags of `metaparticle up`.
    pub(crate) fn web_with(flags: &[&str], arguments: &[&str]) -> Self {
        Self::start(WEB, flags, arguments)
    }

    /// Starts the service with more environment.
    pub(crate) fn web_in(environment: &[(&str, &str)]) -> Self {
        Self::start_in(WEB, environment, &[], &[])
    }

    fn start(program: &str, flags: &[&str], arguments: &[&str]) -> Self {
        Self::start_in(program, &[], flags, arguments)
    }

    fn start_in(
        program: &str,
        environment: &[(&str, &str)],
        flags: &[&str],
        arguments: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        // As cargo marks its target directory.
        std::fs::write(folder.path().join("CACHEDIR.TAG"), "").expect("written");
        let copy = folder.path().join("program");
        std::fs::copy(program, &copy).expect("copied");
        let mut command = Command::new(copy);
        command.envs(environment.iter().copied());
        Self::spawn(
            command
                .args(["metaparticle", "up", "--output", "json"])
                .args(flags)
                .arg("--")
                .args(arguments),
            folder,
        )
    }

    fn spawn(command: &mut Command, folder: TempDir) -> Self {
        let mut child = command
            .env_remove("METAPARTICLE_CONTEXT")
            .env("KUBECONFIG", "/nowhere")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            events: BufReader::new(stdout).lines(),
            seen: Vec::new(),
            folder,
        }
    }

    /// The same program again, with other arguments, run to its end.
    pub(crate) async fn beside(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.folder.path().join("program"));
        let output = command
            .args(arguments)
            .env_remove("METAPARTICLE_CONTEXT")
            .env("KUBECONFIG", "/nowhere")
            .output();
        timeout(LIMIT, output)
            .await
            .expect("in time")
            .expect("runs")
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = timeout(LIMIT, self.events.next_line())
            .await
            .expect("in time")
            .expect("readable")?;
        let event: Value = serde_json::from_str(&line).expect("an object a line");
        self.seen.push(event.clone());
        Some(event)
    }

    /// Reads events up to the first of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Value {
        loop {
            let Some(event) = self.next().await else {
                panic!("it ended before `{name}`: {:#?}", self.seen);
            };
            assert!(event["event"] != "failed" || name == "failed", "{event}");
            if event["event"] == name {
                return event;
            }
        }
    }

    /// The URL of the service.
    pub(crate) async fn address(&mut self) -> String {
        let event = self.until("forwarded").await;
        event["url"]
            .as_str()
            .expect("a URL")
            .trim_start_matches("http://")
            .to_owned()
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        while self.next().await.is_some() {}
        timeout(LIMIT, self.child.wait())
            .await
            .expect("in time")
            .expect("ended")
    }

    /// Ctrl-C, or something harder.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("signalled");
    }

    pub(crate) fn pid(&self) -> Pid {
        let pid = self.child.id().expect("it runs").try_into().expect("a pid");
        Pid::from_raw(pid).expect("a pid")
    }
}

/// Name, process and address of the pod that answers.
pub(crate) async fn ask(address: &str) -> std::io::Result<[String; 3]> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.rsplit("\r\n").next().unwrap_or_default();
    let words: Vec<String> = body.split(' ').map(str::to_owned).collect();
    words
        .try_into()
        .map_err(|words| std::io::Error::other(format!("{words:?}")))
}
