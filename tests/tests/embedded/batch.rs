//! Jobs on the embedded cluster end with their completions, or with the worker that failed.

use crate::up::Up;

#[tokio::test]
async fn a_job_ends_well_with_all_its_completions() {
    let mut up = Up::batch(&[]);
    let status = up.end().await;
    assert_eq!(status.code(), Some(0), "{:#?}", up.seen);
    let last = up.seen.last().expect("events");
    assert!(
        last["message"]
            .as_str()
            .expect("a message")
            .contains("4 of 4"),
        "{last}"
    );
    let mut lines: Vec<&str> = up
        .seen
        .iter()
        .filter(|event| event["event"] == "log")
        .filter_map(|event| event["line"].as_str())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["run 0", "run 1", "run 2", "run 3"]);
}

#[tokio::test]
async fn a_job_with_a_failing_worker_ends_badly_and_names_it() {
    let mut up = Up::batch(&["fail"]);
    let failed = up.until("failed").await;
    assert_eq!(up.end().await.code(), Some(1));
    let words = failed.to_string();
    assert!(
        words.contains("suite-batch-") && words.contains("-2-"),
        "{words}"
    );
    assert!(words.contains("the input of run 2 is missing"), "{words}");
}
