//! Programs that fail on the embedded cluster are told as on a real one.

use crate::up::Up;

/// What failed, why, and what to do.
async fn words(mut up: Up) -> String {
    let failed = up.until("failed").await;
    assert_eq!(up.end().await.code(), Some(1));
    failed.to_string()
}

#[tokio::test]
async fn a_crash_is_told_with_the_programs_last_lines() {
    let words = words(Up::web(&["crash"])).await;
    for part in ["Deployment/suite-web", "crashes", "line 30", "no database"] {
        assert!(words.contains(part), "`{part}` is not in {words}");
    }
    assert!(!words.contains("line 9\\n"), "{words}");
}

#[tokio::test]
async fn a_program_that_is_never_ready_is_told_its_probe() {
    let words = words(Up::web_with(&["--timeout", "3s"], &["sleep"])).await;
    for part in ["does not become ready", "8080", "refused"] {
        assert!(words.contains(part), "`{part}` is not in {words}");
    }
}
