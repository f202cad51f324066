//! Ctrl-C while a program is deployed: what it does, and how fast.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use tokio::time::Instant;

use crate::{
    harness::{Namespace, Program, run},
    up::Up,
};

/// Stay, but leave this machine's ports alone.
const FOLLOW: [&str; 2] = ["--follow", "--no-port-forward"];

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

#[tokio::test]
async fn ctrl_c_leaves_a_service_running_by_default() {
    let namespace = Namespace::create("detach").await;
    let program = Program::new("e2e-detach", &deaf("detach"));
    let mut up = Up::start(program.cargo_run(&namespace, &[]), &FOLLOW);
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
    let mut up = Up::start(program.cargo_run(&namespace, &[]), &FOLLOW);
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
