//! The driver of rollouts: what it asks, what it survives, when it ends.

use std::{error::Error as _, time::Duration};

use kube::core::{ApiResource, GroupVersionKind};
use metaparticle::deploy::{
    apply::{Applied, Change},
    report::{Event, Report},
    rollout::{Cause, Failure, Outcome, wait},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::fake::{Fake, NAMESPACE};

/// Longer than any test takes, so that an end within it is an end by itself.
const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);

fn applied(group: &str, kind: &str, name: &str) -> Applied {
    Applied {
        api: ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind)),
        namespace: NAMESPACE.into(),
        name: name.into(),
        uid: name.into(),
        resource_version: "1".into(),
        generation: Some(2),
        change: Change::Changed,
    }
}

fn deployment(ready: i32) -> Value {
    json!({
        "metadata": {
            "name": "web", "generation": 2, "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {}},
        "status": {
            "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2,
            "readyReplicas": ready, "availableReplicas": ready,
        },
    })
}

fn replica_set() -> Value {
    json!({
        "metadata": {
            "name": "web-2", "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": "2"},
            "ownerReferences": [owner("web")],
        },
        "spec": {"selector": {}},
        "status": {"replicas": 2},
    })
}

fn owner(uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Owner", "name": uid, "uid": uid, "controller": true})
}

fn pod(name: &str, owner: &str, status: &Value) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": "web"}, "ownerReferences": [self::owner(owner)]},
        "spec": {"containers": [{"name": "main", "image": "r/web", "readinessProbe": {"tcpSocket": {"port": 8080}}}]},
        "status": status,
    })
}

fn status(restarts: i32, state: &Value, last: &Value) -> Value {
    json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "main", "image": "i", "imageID": "i", "ready": false, "restartCount": restarts,
            "state": state, "lastState": last,
        }],
    })
}

fn crashed() -> Value {
    let ended = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    status(
        1,
        &json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        &ended,
    )
}

async fn web(fake: &Fake, deadline: Duration) -> (Result<Outcome, Failure>, Report) {
    let report = Report::capture();
    let applied = [applied("apps", "Deployment", "web")];
    let ended = timeout(LONG, wait(&fake.client, &applied, &report, deadline)).await;
    (ended.expect("ends by itself"), report)
}

fn why(result: Result<Outcome, Failure>) -> String {
    let failure = result.expect_err("fails");
    let source = failure.source().map(ToString::to_string);
    format!("{failure}: {}", source.unwrap_or_default())
}

#[tokio::test]
async fn what_is_rolled_out_already_is_done_at_once() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(2));
    fake.put("replicasets", replica_set());
    let (result, report) = web(&fake, LONG).await;
    assert_eq!(result.unwrap().ready, 2);
    let done = Event::done("Deployment/web", "2/2 ready");
    assert_eq!(report.captured(), [done]);
}

#[tokio::test]
async fn kinds_that_have_no_rollout_are_not_waited_for() {
    let fake = Fake::start().await;
    let applied = [applied("", "Service", "web")];
    let outcome = wait(&fake.client, &applied, &Report::capture(), LONG).await;
    assert_eq!(outcome.unwrap(), Outcome::default());
    assert!(fake.requests("").is_empty());
}

#[tokio::test]
async fn a_rollout_is_followed_through_ended_watches_and_forgotten_versions() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(0));
    fake.put("replicasets", replica_set());
    let steps = async {
        fake.until(|known| watched(&known.requests) >= 4).await;
        fake.end_watches();
        fake.until(|known| watched(&known.requests) >= 8).await;
        fake.put("deployments", deployment(1));
        fake.forget();
        fake.until(|known| watched(&known.requests) >= 12).await;
        fake.put("deployments", deployment(2));
    };
    let ((result, report), ()) = tokio::join!(web(&fake, LONG), steps);
    assert_eq!(result.unwrap().ready, 2);
    let last = report.captured().pop();
    assert_eq!(last, Some(Event::done("Deployment/web", "2/2 ready")));
}

fn watched(requests: &[String]) -> usize {
    requests
        .iter()
        .filter(|uri| uri.contains("watch=true"))
        .count()
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_is_asked_again() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(2));
    fake.put("replicasets", replica_set());
    for resource in ["deployments", "pods", "replicasets"] {
        fake.fail(resource, &[503, 500]);
    }
    web(&fake, LONG).await.0.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let fake = Fake::start().await;
    fake.fail("deployments", &[403]);
    let (result, _) = web(&fake, LONG).await;
    let failure = result.unwrap_err();
    assert!(matches!(&failure, Failure::Api { workload, .. } if workload == "Deployment/web"));
}

#[tokio::test]
async fn whoever_may_not_read_events_gets_a_rollout() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(1));
    fake.put("replicasets", replica_set());
    fake.fail("events", &[403]);
    let steps = async {
        fake.until(|known| known.requests.iter().any(|uri| uri.contains("/events")))
            .await;
        fake.put("deployments", deployment(2));
    };
    let ((result, _), ()) = tokio::join!(web(&fake, LONG), steps);
    result.unwrap();
}

#[tokio::test]
async fn a_crash_is_told_with_its_last_lines() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(0));
    fake.put("replicasets", replica_set());
    for (time, line) in [
        ("01", b"starting\n".as_slice()),
        ("02", b"no database \xff\n"),
    ] {
        fake.write("web-2-a", time, line);
    }
    fake.put("pods", pod("web-2-a", "web-2", &crashed()));
    let (result, report) = web(&fake, LONG).await;
    let why = why(result);
    assert!(why.contains("pod web-2-a crashes"), "{why}");
    assert!(why.contains("| 2026-01-01T00:00:01Z starting\n| "), "{why}");
    assert!(fake.requests("/log")[0].contains("tailLines=20"));
    let subjects = report.captured();
    assert!(subjects.contains(&Event::running("Pod/web-2-a", "CrashLoopBackOff")));
}

#[tokio::test]
async fn a_crash_without_a_log_is_told_all_the_same() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(0));
    fake.put("replicasets", replica_set());
    fake.put("pods", pod("web-2-a", "web-2", &crashed()));
    assert!(why(web(&fake, LONG).await.0).ends_with("it ended with exit code 1"));
}

#[tokio::test]
async fn a_pod_that_crashes_while_its_rollout_is_followed_fails_it() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(0));
    fake.put("replicasets", replica_set());
    let steps = async {
        fake.until(|known| watched(&known.requests) >= 4).await;
        let running = status(0, &json!({"running": {}}), &json!({}));
        fake.put("pods", pod("web-2-a", "web-2", &running));
        fake.put("pods", pod("web-2-a", "web-2", &crashed()));
    };
    let ((result, _), ()) = tokio::join!(web(&fake, LONG), steps);
    assert!(why(result).contains("crashes"));
}

#[tokio::test]
async fn time_over_is_told_with_the_probe_that_fails_and_where_the_program_listens() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(0));
    fake.put("replicasets", replica_set());
    let running = status(0, &json!({"running": {}}), &json!({}));
    fake.put("pods", pod("web-2-a", "web-2", &running));
    fake.put("events", json!({
        "metadata": {"name": "e"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "Readiness probe failed: dial tcp 10.0.0.2:8080: connect: connection refused",
        "involvedObject": {"uid": "web-2-a"},
    }));
    for (program, loopback) in [("Greets", true), ("Refuses", false)] {
        let program = match program {
            "Greets" => crate::kubelet::Program::Greets,
            _ => crate::kubelet::Program::Refuses,
        };
        fake.change(|known| known.programs.insert("web-2-a".into(), program));
        let (result, _) = web(&fake, SOON).await;
        let why = why(result);
        assert!(
            why.contains("readiness probe (TCP :8080) fails: dial tcp"),
            "{why}"
        );
        assert_eq!(why.contains("listens on 127.0.0.1 only"), loopback, "{why}");
    }
}

#[tokio::test]
async fn time_over_while_the_server_is_away_tells_of_the_server() {
    let fake = Fake::start().await;
    fake.fail("deployments", &[503; 50]);
    let (result, _) = web(&fake, SOON).await;
    assert!(matches!(result, Err(Failure::Api { .. })));
}

#[tokio::test]
async fn a_workload_that_is_deleted_or_replaced_meanwhile_is_told() {
    for replaced in [false, true] {
        let fake = Fake::start().await;
        fake.put("deployments", deployment(0));
        fake.put("replicasets", replica_set());
        let steps = async {
            fake.until(|known| watched(&known.requests) >= 4).await;
            if replaced {
                let mut other = deployment(2);
                other["metadata"]["uid"] = "other".into();
                fake.put("deployments", other);
            } else {
                fake.delete("deployments", "web");
            }
        };
        let ((result, _), ()) = tokio::join!(web(&fake, LONG), steps);
        match result {
            Err(Failure::Diagnosed(diagnosis)) => assert_eq!(diagnosis.cause, Cause::Deleted),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn one_failure_among_several_workloads_ends_the_wait() {
    let fake = Fake::start().await;
    fake.put("deployments", deployment(0));
    fake.put("replicasets", replica_set());
    fake.put("jobs", json!({
        "metadata": {"name": "batch"},
        "spec": {"template": {}, "selector": {"matchLabels": {"app": "batch"}}},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "R", "message": "gave up"}]},
    }));
    let applied = [
        applied("apps", "Deployment", "web"),
        applied("batch", "Job", "batch"),
    ];
    let report = Report::capture();
    let result = timeout(LONG, wait(&fake.client, &applied, &report, LONG)).await;
    assert!(why(result.unwrap()).contains("Job/batch failed"));
}

#[tokio::test]
async fn a_job_at_work_is_given_the_time_it_needs() {
    let fake = Fake::start().await;
    let mut job = json!({
        "metadata": {"name": "batch"},
        "spec": {"template": {}, "selector": {"matchLabels": {"app": "web"}}},
        "status": {"active": 1},
    });
    fake.put("jobs", job.clone());
    let running = status(0, &json!({"running": {}}), &json!({}));
    fake.put("pods", pod("batch-0", "batch", &running));
    let applied = [applied("batch", "Job", "batch")];
    let report = Report::capture();
    let steps = async {
        tokio::time::sleep(SOON * 3).await; // longer than a rollout may take here
        job["status"] =
            json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]});
        fake.put("jobs", job.clone());
    };
    let (result, ()) = tokio::join!(wait(&fake.client, &applied, &report, SOON), steps);
    assert_eq!(result.unwrap().completed, 1);
}
