//! Logs: no line lost, none repeated, whatever happens to connections, containers and pods.
//!
//! On a fake: no real kubelet breaks a stream after so many bytes, or ends a container, when a test says so.

use std::time::Duration;

use futures::future::join_all;
use metaparticle::deploy::{
    logs::{Error, follow, show},
    report::{Event, Report},
};
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    fake::{Fake, NAMESPACE},
    kubelet::Instance,
};

const LONG: Duration = Duration::from_secs(60);
const SELECTOR: &str = "app=web";

/// A pod whose instances so far were `ids`, the last of which `runs`.
fn pod(name: &str, ids: &[&str], runs: bool) -> Value {
    let ended = |id: &&str| json!({"terminated": {"exitCode": 1, "containerID": id}});
    let (state, previous) = match (ids, runs) {
        ([.., last], false) => (ended(last), ids.iter().rev().nth(1)),
        _ => (json!({"running": {}}), ids.iter().rev().nth(1)),
    };
    json!({
        "metadata": {"name": name, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "main", "image": "i", "imageID": "i", "ready": runs, "restartCount": ids.len() - 1,
            "containerID": ids.last(), "state": state,
            "lastState": previous.map_or_else(|| json!({}), ended),
        }]},
    })
}

fn succeeded(name: &str) -> Value {
    let mut pod = pod(name, &["a"], false);
    pod["status"]["phase"] = "Succeeded".into();
    pod
}

fn lines(report: &Report) -> Vec<String> {
    let events = report.captured().into_iter();
    events
        .filter_map(|event| match event {
            Event::Log { pod, line } => Some(format!("{pod} {}", String::from_utf8_lossy(&line))),
            _ => None,
        })
        .collect()
}

/// Waits until this many lines were told.
async fn told(report: &Report, count: usize) {
    while lines(report).len() < count {
        sleep(Duration::from_millis(5)).await; // the report tells nobody of news
    }
}

/// Follows while `steps` go on; then what was told.
async fn followed(fake: &Fake, tail: Option<u32>, steps: impl AsyncFnOnce(&Report)) -> Vec<String> {
    let report = Report::capture();
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async {
        let _ = stopped.await;
    };
    let following = follow(&fake.client, NAMESPACE, SELECTOR, tail, &report, until);
    let steps = async {
        steps(&report).await;
        stop.send(()).unwrap();
    };
    let (result, ()) = timeout(LONG, async { tokio::join!(following, steps) })
        .await
        .expect("ends");
    result.unwrap();
    lines(&report)
}

#[tokio::test]
async fn lines_of_all_replicas_are_told_as_they_come() {
    let fake = Fake::start().await;
    for name in ["web-a", "web-b"] {
        fake.put("pods", pod(name, &["a"], true));
        fake.write(name, "01", b"hello\n");
    }
    let mut lines = followed(&fake, None, async |report| {
        told(report, 2).await;
        fake.write("web-a", "02", b"more\n");
        told(report, 3).await;
    })
    .await;
    lines.sort();
    assert_eq!(lines, ["web-a hello", "web-a more", "web-b hello"]);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told_as_they_are() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    fake.write("web-a", "01", b"a\xff\tb\r\n");
    let report = Report::capture();
    let until = told(&report, 1);
    follow(&fake.client, NAMESPACE, SELECTOR, None, &report, until)
        .await
        .unwrap();
    let line = Event::Log {
        pod: "web-a".into(),
        line: b"a\xff\tb\r".to_vec(),
    };
    assert_eq!(report.captured(), [line]);
}

#[tokio::test]
async fn a_stream_that_breaks_anywhere_loses_and_repeats_nothing() {
    // All at once, for each waits a little before it goes on.
    join_all((0..120).step_by(3).map(cut_after)).await;
}

async fn cut_after(cut: usize) {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    for (time, line) in [
        ("08.5", "one\n"),
        ("10.1", "two\n"),
        ("10.1", "three\n"),
        ("10.2", "four\n"),
    ] {
        fake.write("web-a", time, line.as_bytes());
    }
    fake.change(|known| known.logs.get_mut("web-a").unwrap().cuts = vec![cut, cut / 2]);
    let lines = followed(&fake, None, async |report| {
        told(report, 4).await;
        fake.write("web-a", "10.3", b"five\n");
        told(report, 5).await;
    })
    .await;
    let expected = ["one", "two", "three", "four", "five"].map(|line| format!("web-a {line}"));
    assert_eq!(lines, expected, "cut after {cut} bytes");
}

#[tokio::test]
async fn a_container_that_restarts_is_followed_into_its_next_instance() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    fake.write("web-a", "01", b"first\n");
    let lines = followed(&fake, None, async |report| {
        told(report, 1).await;
        // The end of the first instance and the second come while nobody looks.
        fake.change(|known| known.epoch += 1);
        fake.write("web-a", "02", b"dying\n");
        fake.change(|known| {
            let log = known.logs.get_mut("web-a").unwrap();
            log.instances[0].ended = true;
            log.instances.push(Instance::default());
        });
        fake.write("web-a", "03", b"second\n");
        fake.put("pods", pod("web-a", &["a", "b"], true));
        told(report, 3).await;
    })
    .await;
    assert_eq!(lines, ["web-a first", "web-a dying", "web-a second"]);
}

#[tokio::test]
async fn the_end_of_an_instance_that_was_missed_is_read_from_the_previous_log() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    fake.write("web-a", "01", b"first\n");
    // The stream breaks after the first line, and cannot be had again before the restart.
    fake.change(|known| known.logs.get_mut("web-a").unwrap().cuts = vec![27]);
    fake.fail("log", &[]);
    let lines = followed(&fake, None, async |report| {
        told(report, 1).await;
        fake.fail("log", &[500; 3]);
        fake.change(|known| {
            let log = known.logs.get_mut("web-a").unwrap();
            log.instances[0]
                .lines
                .push(("2026-01-01T00:00:02Z".into(), b"dying\n".to_vec()));
            log.instances[0].ended = true;
            log.instances.push(Instance::default());
        });
        fake.write("web-a", "03", b"second\n");
        fake.put("pods", pod("web-a", &["a", "b"], true));
        told(report, 3).await;
    })
    .await;
    assert_eq!(lines, ["web-a first", "web-a dying", "web-a second"]);
    assert!(!fake.requests("previous=true").is_empty());
}

#[tokio::test]
async fn pods_that_come_later_are_followed_from_their_beginning() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    for time in ["01", "02", "03"] {
        fake.write("web-a", time, b"old\n");
    }
    let lines = followed(&fake, Some(1), async |report| {
        told(report, 1).await;
        fake.delete("pods", "web-a");
        fake.end_watches();
        for time in ["04", "05"] {
            fake.write("web-b", time, b"new\n");
        }
        fake.put("pods", pod("web-b", &["a"], true));
        told(report, 3).await;
    })
    .await;
    assert_eq!(lines, ["web-a old", "web-b new", "web-b new"]);
}

#[tokio::test]
async fn a_pod_that_is_replaced_by_one_of_the_same_name_is_followed() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-0", &["a"], true));
    fake.write("web-0", "01", b"old\n");
    let lines = followed(&fake, None, async |report| {
        told(report, 1).await;
        fake.delete("pods", "web-0");
        fake.change(|known| known.logs.remove("web-0"));
        let mut next = pod("web-0", &["x"], true);
        next["metadata"]["uid"] = "another".into();
        fake.write("web-0", "00", b"new\n");
        fake.put("pods", next);
        told(report, 2).await;
    })
    .await;
    assert_eq!(lines, ["web-0 old", "web-0 new"]);
}

#[tokio::test]
async fn a_container_that_is_not_started_yet_is_waited_for() {
    let fake = Fake::start().await;
    let mut creating = pod("web-a", &["a"], true);
    creating["status"] = json!({"phase": "Pending"});
    fake.put("pods", creating);
    let lines = followed(&fake, None, async |report| {
        fake.until(|known| known.requests.iter().any(|uri| uri.contains("watch=true")))
            .await;
        fake.write("web-a", "01", b"hello\n");
        fake.put("pods", pod("web-a", &["a"], true));
        told(report, 1).await;
    })
    .await;
    assert_eq!(lines, ["web-a hello"]);
}

#[tokio::test]
async fn the_last_lines_of_programs_that_have_ended_are_told_before_it_ends() {
    let fake = Fake::start().await;
    let lines = followed(&fake, None, async |_| {
        fake.until(|known| known.requests.iter().any(|uri| uri.contains("watch=true")))
            .await;
        for part in 0..4 {
            let name = format!("batch-{part}");
            fake.write(&name, "01", b"result without line feed");
            fake.change(|known| known.logs.get_mut(&name).unwrap().instances[0].ended = true);
            fake.put("pods", succeeded(&name));
        }
    })
    .await;
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[tokio::test]
async fn a_slow_reader_is_waited_for() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    let long = vec![b'x'; 100_000];
    fake.write("web-a", "01", &[&long[..], b"\n"].concat());
    for _ in 0..2000 {
        fake.write("web-a", "02", b"line\n");
    }
    let lines = followed(&fake, None, async |report| told(report, 2001).await).await;
    assert_eq!(lines[0].len(), "web-a ".len() + 100_000);
    assert_eq!(lines.len(), 2001);
}

#[tokio::test]
async fn what_is_there_is_shown_pod_by_pod() {
    let fake = Fake::start().await;
    for name in ["web-b", "web-a", "web-new"] {
        fake.put("pods", pod(name, &["a"], true));
    }
    for name in ["web-b", "web-a"] {
        for (time, line) in [("01", b"1\n"), ("02", b"2\n"), ("03", b"3\n")] {
            fake.write(name, time, line);
        }
    }
    let report = Report::capture();
    show(&fake.client, NAMESPACE, SELECTOR, Some(2), &report)
        .await
        .unwrap();
    assert_eq!(lines(&report), ["web-a 2", "web-a 3", "web-b 2", "web-b 3"]);
    assert_eq!(warnings(&report), 0, "web-new has not started; that is all");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_now_is_not_shown_as_if_it_were_empty() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    fake.write("web-a", "01", b"1\n");
    fake.fail("log", &[502]);
    let report = Report::capture();
    show(&fake.client, NAMESPACE, SELECTOR, None, &report)
        .await
        .unwrap();
    assert_eq!(warnings(&report), 1);
}

fn warnings(report: &Report) -> usize {
    let is_warning = |event: &Event| matches!(event, Event::Warning { .. });
    report
        .captured()
        .iter()
        .filter(|event| is_warning(event))
        .count()
}

#[tokio::test]
async fn a_refusal_is_told() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    fake.write("web-a", "01", b"x\n");
    fake.fail("log", &[403]);
    let report = Report::capture();
    let never = std::future::pending();
    let result = timeout(
        LONG,
        follow(&fake.client, NAMESPACE, SELECTOR, None, &report, never),
    )
    .await;
    assert!(matches!(result, Ok(Err(Error::Logs { .. }))));
}

#[tokio::test]
async fn dropping_it_ends_all_streams() {
    let fake = Fake::start().await;
    fake.put("pods", pod("web-a", &["a"], true));
    fake.write("web-a", "01", b"x\n");
    let report = Report::capture();
    let never = std::future::pending();
    {
        let following = follow(&fake.client, NAMESPACE, SELECTOR, None, &report, never);
        tokio::select! {
            _ = following => unreachable!("nothing ends it"),
            () = told(&report, 1) => {}
        }
    }
    // One task is the server's; connections that are no longer used end by themselves.
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    fake.write("web-a", "02", b"y\n");
    timeout(LONG, async {
        while tasks.num_alive_tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(lines(&report), ["web-a x"]);
}
