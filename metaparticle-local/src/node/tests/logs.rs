//! Logs of running pods.

use futures::StreamExt as _;

use super::*;
use crate::api::{failure::Failure, kubelet::LogOptions};

impl Fixture {
    async fn logs(&self, pod: &str, options: LogOptions) -> Result<String, Failure> {
        let lines = self.kubelet().logs("default", pod, options)?;
        let chunks: Vec<_> = lines.collect().await;
        Ok(String::from_utf8(chunks.concat()).unwrap())
    }
}

fn previous() -> LogOptions {
    LogOptions {
        previous: true,
        ..LogOptions::default()
    }
}

fn follow() -> LogOptions {
    LogOptions {
        follow: true,
        ..LogOptions::default()
    }
}

#[tokio::test]
async fn a_pod_that_has_ended_has_its_whole_log() {
    let fixture = Fixture::new().await;
    fixture.create(
        "web",
        once("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done; printf end"),
    );
    fixture.phase("web", "Succeeded").await;
    let log = fixture.logs("web", LogOptions::default()).await.unwrap();
    assert_eq!(log.lines().count(), 1001);
    assert!(log.ends_with("line 999\nend"));
}

#[tokio::test]
async fn following_ends_with_the_container() {
    let fixture = Fixture::new().await;
    fixture.create("web", once("echo one; sleep 0.2; echo two"));
    let started = |pod: &Value| first(pod)["containerID"].is_string();
    fixture.until("web", "started", started).await;
    assert_eq!(fixture.logs("web", follow()).await.unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn the_run_before_keeps_its_log() {
    let fixture = Fixture::new().await;
    let script =
        "if [ -e second ]; then echo again; exec sleep 1000; fi; touch second; echo first; exit 1";
    fixture.create("web", pod(script));
    let again = |pod: &Value| first(pod)["restartCount"] == 1 && first(pod)["ready"] == true;
    fixture.until("web", "restarted", again).await;
    assert_eq!(fixture.logs("web", previous()).await.unwrap(), "first\n");
    while fixture.logs("web", LogOptions::default()).await.unwrap() != "again\n" {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_container_that_backs_off_shows_its_last_run_both_ways() {
    let fixture = Fixture::new().await;
    fixture.create("web", pod("echo crash; exit 1"));
    let waits =
        |pod: &Value| first(pod)["state"]["waiting"].is_object() && first(pod)["restartCount"] == 1;
    fixture.until("web", "backing off", waits).await;
    assert_eq!(
        fixture.logs("web", LogOptions::default()).await.unwrap(),
        "crash\n"
    );
    assert_eq!(fixture.logs("web", previous()).await.unwrap(), "crash\n");
}

#[tokio::test]
async fn logs_that_are_not_there_are_refused_as_by_the_kubelet() {
    let fixture = Fixture::new().await;
    fixture.create("web", pod("exec sleep 1000"));
    fixture.ready("web").await;
    let error = fixture.logs("web", previous()).await.unwrap_err();
    let expected = "previous terminated container \"main\" in pod \"web\" not found";
    assert_eq!((error.code, error.message.as_str()), (400, expected));
    let error = fixture
        .logs("none", LogOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (404, "pods \"none\" not found")
    );
}

#[tokio::test]
async fn a_failed_containers_last_words_are_its_message() {
    let fixture = Fixture::new().await;
    let mut spec = once("echo sorry >&2; exit 1");
    spec["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
    fixture.create("web", spec);
    let pod = fixture.phase("web", "Failed").await;
    assert_eq!(first(&pod)["state"]["terminated"]["message"], "sorry\n");
}
