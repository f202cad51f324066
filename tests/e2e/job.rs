//! A program that ends, as a Job.

use k8s_openapi::api::batch::v1::Job;
use kube::api::ListParams;

use crate::harness::{Namespace, run, transcript, workspace};

#[tokio::test]
async fn batch_ends_with_four_completions_and_its_output() {
    let namespace = Namespace::create("batch").await;
    let output = run(
        namespace.cargo(workspace(), &["run", "--quiet", "--bin", "batch"]),
        0,
    )
    .await;
    let jobs = namespace
        .api::<Job>()
        .list(&ListParams::default())
        .await
        .expect("jobs are listed");
    assert_eq!(jobs.items.len(), 1);
    let status = jobs.items[0].status.clone().unwrap_or_default();
    assert_eq!(status.succeeded, Some(4));
    for part in 0..4 {
        assert!(
            transcript(&output).contains(&format!("part {part}: the numbers")),
            "{}",
            transcript(&output)
        );
    }
    namespace.delete().await;
}

#[tokio::test]
async fn every_run_of_a_job_runs_it_again() {
    let namespace = Namespace::create("again").await;
    for _ in 0..2 {
        run(
            namespace.cargo(workspace(), &["run", "--quiet", "--bin", "hello"]),
            0,
        )
        .await;
    }
    let jobs = namespace
        .api::<Job>()
        .list(&ListParams::default())
        .await
        .expect("jobs are listed");
    assert_eq!(jobs.items.len(), 2);
    namespace.delete().await;
}
