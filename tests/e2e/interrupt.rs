//! Ctrl-C while a program is deployed: what it does, and how fast.

use std::{process::Stdio, time::Duration};

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
    time::{Instant, timeout},
};

use crate::harness::{Namespace, Program, run};

/// Keeps running, and as the first process of its container does not hear SIGTERM.
fn deaf(on_exit: &str) -> String {
    format!(
        "#[metaparticle::containerize(ports = [8080], on_exit = {on_exit:?})]\n\
         fn main() {{\n    \
             let listener = std::net::TcpListener::bind(\"0.0.0.0:8080\").unwrap();\n    \
             while listener.accept().is_ok() {{}}\n\
         }}\n"
    )
}

/// A running `up`, read line by line.
struct Up {
    child: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Up {
    fn start(program: &Program, namespace: &Namespace) -> Self {
        let arguments = [
            "metaparticle",
            "up",
            "--follow",
            "--no-port-forward",
            "--output",
            "json",
        ];
        let mut command = program.cargo_run(namespace, &arguments);
        let mut child = command.stderr(Stdio::inherit()).spawn().expect("starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            events: BufReader::new(stdout).lines(),
        }
    }

    /// Reads events up to the first of this name.
    async fn until(&mut self, name: &str) -> Value {
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

    fn interrupt(&self) {
        let pid = self.child.id().expect("it runs").try_into().expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("signalled");
    }

    async fn ended_within(&mut self, limit: Duration) {
        let status = timeout(limit, self.child.wait())
            .await
            .expect("in time")
            .expect("ended");
        assert_eq!(status.code(), Some(130));
    }
}

#[tokio::test]
async fn ctrl_c_leaves_a_service_running_by_default() {
    let namespace = Namespace::create("detach").await;
    let program = Program::new("e2e-detach", &deaf("detach"));
    let mut up = Up::start(&program, &namespace);
    up.until("done").await;
    up.interrupt();
    up.ended_within(Duration::from_secs(2)).await;
    let deployment = namespace
        .api::<Deployment>()
        .get("e2e-detach")
        .await
        .expect("it is there");
    assert_eq!(deployment.metadata.deletion_timestamp, None);
    namespace.delete().await;
}

#[tokio::test]
async fn ctrl_c_deletes_if_asked_for_and_a_second_one_leaves_at_once() {
    let namespace = Namespace::create("delete").await;
    let program = Program::new("e2e-delete", &deaf("delete"));
    let mut up = Up::start(&program, &namespace);
    up.until("done").await;
    up.interrupt();
    assert_eq!(up.until("deleted").await["kind"], "Deployment");
    // The pod takes its whole grace period.
    let asked = Instant::now();
    up.interrupt();
    up.ended_within(Duration::from_secs(2)).await;
    assert!(asked.elapsed() < Duration::from_secs(2));
    // What was left half done is completed.
    run(program.cargo_run(&namespace, &["metaparticle", "down"]), 0).await;
    let left = namespace
        .api::<Deployment>()
        .get_opt("e2e-delete")
        .await
        .expect("asked");
    assert!(left.is_none());
    assert!(namespace.pods("e2e-delete").await.is_empty());
    namespace.delete().await;
}
