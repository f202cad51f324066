//! An edited program replaces the running one, and no client notices.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use crate::harness::{Namespace, Program, run};

/// The example `web` under another name, with an answer that tells the version.
fn web(version: &str) -> String {
    include_str!("../../examples/web.rs")
        .replace("Hello from {name}!", &format!("{version} {{name}}"))
}

#[tokio::test]
async fn an_edited_program_rolls_out_without_a_failed_request() {
    let namespace = Namespace::create("edited").await;
    let program = Program::new("e2e-edited", &web("one"));
    run(
        program.cargo_run(&namespace, &["metaparticle", "up", "--detach"]),
        0,
    )
    .await;
    let load = Program::new("e2e-load", include_str!("fixtures/load.rs"));
    run(load.cargo_run(&namespace, &["e2e-edited:8080"]), 0).await;
    tokio::time::sleep(Duration::from_secs(5)).await; // the figure: from 5 s before …
    let before = counts(&namespace, "").await;
    assert!(
        before["sent"].as_u64().expect("a count") >= 400,
        "the load runs: {before}"
    );

    program.edit(&web("two"));
    run(
        program.cargo_run(&namespace, &["metaparticle", "up", "--detach"]),
        0,
    )
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await; // … to 5 s after

    let counts = counts(&namespace, "stop").await;
    println!("rolling update under load: {counts}");
    let answers = counts["answers"].as_object().expect("answers by text");
    assert_eq!(
        answers
            .keys()
            .filter(|text| text.starts_with("one "))
            .count(),
        4,
        "{counts}"
    );
    assert_eq!(
        answers
            .keys()
            .filter(|text| text.starts_with("two "))
            .count(),
        4,
        "{counts}"
    );
    assert_eq!(counts["failures"], Value::Array(Vec::new()), "{counts}");
    assert_eq!(counts["sent"], counts["ok"], "{counts}");
    let deployment = namespace
        .api::<Deployment>()
        .get("e2e-edited")
        .await
        .expect("the deployment");
    assert_eq!(
        deployment.status.and_then(|status| status.ready_replicas),
        Some(4)
    );
    namespace.delete().await;
}

/// What the load generator has counted, asked through the API server's proxy (works on any cluster).
async fn counts(namespace: &Namespace, path: &str) -> Value {
    let (pod, _) = namespace
        .pods("e2e-load")
        .await
        .pop()
        .expect("the load generator runs");
    let uri = format!(
        "/api/v1/namespaces/{}/pods/{pod}:9000/proxy/{path}",
        namespace.name
    );
    let request = http::Request::get(uri).body(Vec::new()).expect("a request");
    namespace
        .client
        .request(request)
        .await
        .expect("the load generator answers")
}
