//! The driver of rollouts: what it asks, what it survives, when it ends.
//!
//! The cluster has no controllers: the tests write what those would. Where a program is asked, a fake kubelet answers.

use std::{error::Error as _, time::Duration};

use http::Method;
use kube::{
    Client,
    core::{ApiResource, GroupVersionKind},
};
use metaparticle::{
    deploy::{
        apply::{Applied, Change},
        report::{Event, Report},
        rollout::{Cause, Failure, Outcome, wait},
    },
    testing::{Asked, Cluster, Requests},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    fake::{Fake, NAMESPACE},
    kubelet::Program,
    wire::{Other, Wire},
};

/// Longer than any test takes, so that an end within it is an end by itself.
const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(300);

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/test/deployments";
const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/test/replicasets";
const JOBS: &str = "/apis/batch/v1/namespaces/test/jobs";
const PODS: &str = "/api/v1/namespaces/test/pods";
const EVENTS: &str = "/api/v1/namespaces/test/events";
const WEB: &str = "/apis/apps/v1/namespaces/test/deployments/web";

/// A cluster with a Deployment `web` of one ReplicaSet.
struct World {
    cluster: Cluster,
    wire: Wire,
    client: Client,
    other: Other,
    web: Value,
    replica_set: Value,
}

impl World {
    /// So many pods are ready.
    async fn new(ready: i32) -> Self {
        Self::with_kubelet(ready, None).await
    }

    async fn with_kubelet(ready: i32, kubelet: Option<&Fake>) -> Self {
        let cluster = Cluster::builder().without_controllers();
        let cluster = cluster.start().await.unwrap();
        let (wire, other) = (Wire::default(), Other(cluster.client_named("other")));
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        other.create("/api/v1/namespaces", &namespace).await;
        let mut world = Self {
            client: wire.client(cluster.client(), kubelet.map(|fake| fake.client.clone())),
            cluster,
            wire,
            other,
            web: Value::Null,
            replica_set: Value::Null,
        };
        world.web = world.put(DEPLOYMENTS, &deployment(ready)).await;
        let replica_set = replica_set(&world.web);
        world.replica_set = world.put(REPLICA_SETS, &replica_set).await;
        world
    }

    /// Creates an object if it is not there, and writes its status.
    async fn put(&self, collection: &str, object: &Value) -> Value {
        let name = object["metadata"]["name"].as_str().unwrap();
        let path = format!("{collection}/{name}");
        if self.other.read(&path).await.is_none() {
            self.other.create(collection, object).await;
        }
        let status = json!({"status": object["status"]});
        self.other.change(&format!("{path}/status"), &status).await
    }

    /// So many pods are ready now.
    async fn ready(&self, ready: i32) {
        self.put(DEPLOYMENTS, &deployment(ready)).await;
    }

    async fn pod(&self, name: &str, owner: &Value, status: &Value) -> Value {
        self.put(PODS, &pod(name, owner, status)).await
    }

    /// Waits until the deployer has begun so many watches.
    async fn watched(&self, count: usize) {
        let is_it = |it: &&Asked| it.client == "test" && it.verb == "watch";
        let begun = async {
            while self.cluster.requests().iter().filter(is_it).count() < count {
                sleep(Duration::from_millis(5)).await; // the log tells nobody of news
            }
        };
        timeout(LONG, begun).await.expect("watches");
    }

    /// Ends each watch, and lets none be resumed.
    async fn forget(&self) {
        let newer = json!({"metadata": {"name": "newer"}});
        self.other.create("/api/v1/namespaces", &newer).await;
        self.cluster.compact();
        self.cluster.faults().drop_watches();
    }

    async fn wait(&self, deadline: Duration) -> (Result<Outcome, Failure>, Report) {
        let report = Report::capture();
        let applied = [applied("apps", "Deployment", &self.web)];
        let ended = timeout(LONG, wait(&self.client, &applied, &report, deadline)).await;
        (ended.expect("ends by itself"), report)
    }
}

fn applied(group: &str, kind: &str, object: &Value) -> Applied {
    let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
    Applied {
        api: ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind)),
        namespace: NAMESPACE.into(),
        name: text("name"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        generation: object["metadata"]["generation"].as_i64(),
        change: Change::Changed,
    }
}

fn deployment(ready: i32) -> Value {
    json!({
        "metadata": {"name": "web", "annotations": {"deployment.kubernetes.io/revision": "2"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("Always")},
        "status": {
            "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2,
            "readyReplicas": ready, "availableReplicas": ready,
        },
    })
}

fn replica_set(deployment: &Value) -> Value {
    json!({
        "metadata": {
            "name": "web-2", "labels": {"app": "web"},
            "annotations": {"deployment.kubernetes.io/revision": "2"},
            "ownerReferences": [owner(deployment)],
        },
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("Always")},
        "status": {"replicas": 2},
    })
}

fn job(name: &str, status: &Value) -> Value {
    let selector = json!({"matchLabels": {"app": "web"}});
    let spec = json!({"manualSelector": true, "selector": selector, "template": template("Never")});
    json!({"metadata": {"name": name}, "spec": spec, "status": status})
}

fn template(restart: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": pod_spec(restart)})
}

fn pod_spec(restart: &str) -> Value {
    let probe = json!({"tcpSocket": {"port": 8080}});
    json!({"restartPolicy": restart, "containers": [{"name": "main", "image": "r/web", "readinessProbe": probe}]})
}

fn owner(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "name": metadata["name"],
        "uid": metadata["uid"], "controller": true})
}

fn pod(name: &str, owner: &Value, status: &Value) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": "web"}, "ownerReferences": [self::owner(owner)]},
        "spec": pod_spec("Always"),
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

fn why(result: Result<Outcome, Failure>) -> String {
    let failure = result.expect_err("fails");
    let source = failure.source().map(ToString::to_string);
    format!("{failure}: {}", source.unwrap_or_default())
}

#[tokio::test]
async fn what_is_rolled_out_already_is_done_at_once() {
    let world = World::new(2).await;
    let (result, report) = world.wait(LONG).await;
    assert_eq!(result.unwrap().ready, 2);
    let done = Event::done("Deployment/web", "2/2 ready");
    assert_eq!(report.captured(), [done]);
}

#[tokio::test]
async fn kinds_that_have_no_rollout_are_not_waited_for() {
    let world = World::new(0).await;
    let applied = [applied("", "Service", &world.web)];
    let outcome = wait(&world.client, &applied, &Report::capture(), LONG).await;
    assert_eq!(outcome.unwrap(), Outcome::default());
    let requests = world.cluster.requests();
    assert!(requests.iter().all(|it| it.client == "other"));
}

#[tokio::test]
async fn a_rollout_is_followed_through_ended_watches_and_forgotten_versions() {
    let world = World::new(0).await;
    let steps = async {
        world.watched(4).await;
        world.cluster.faults().drop_watches();
        world.watched(8).await;
        world.ready(1).await;
        world.forget().await;
        world.watched(12).await;
        world.ready(2).await;
    };
    let ((result, report), ()) = tokio::join!(world.wait(LONG), steps);
    assert_eq!(result.unwrap().ready, 2);
    let last = report.captured().pop();
    assert_eq!(last, Some(Event::done("Deployment/web", "2/2 ready")));
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_is_asked_again() {
    let world = World::new(2).await;
    for resource in ["deployments", "pods", "replicasets"] {
        for code in [503, 500] {
            let requests = Requests::all().client("test").resource(resource);
            world.cluster.faults().server_error(requests, 1, code);
        }
    }
    world.wait(LONG).await.0.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let world = World::new(0).await;
    world.wire.forbid(Method::GET, DEPLOYMENTS);
    let (result, _) = world.wait(LONG).await;
    let failure = result.unwrap_err();
    assert!(matches!(&failure, Failure::Api { workload, .. } if workload == "Deployment/web"));
}

#[tokio::test]
async fn whoever_may_not_read_events_gets_a_rollout() {
    let world = World::new(1).await;
    world.wire.forbid(Method::GET, EVENTS);
    let steps = async {
        world.wire.stepped().await;
        world.ready(2).await;
    };
    let ((result, _), ()) = tokio::join!(world.wait(LONG), steps);
    result.unwrap();
}

#[tokio::test]
async fn a_crash_is_told_with_its_last_lines() {
    let fake = Fake::start().await;
    let world = World::with_kubelet(0, Some(&fake)).await;
    fake.put("pods", json!({"metadata": {"name": "web-2-a"}}));
    for (time, line) in [
        ("01", b"starting\n".as_slice()),
        ("02", b"no database \xff\n"),
    ] {
        fake.write("web-2-a", time, line);
    }
    world.pod("web-2-a", &world.replica_set, &crashed()).await;
    let (result, report) = world.wait(LONG).await;
    let why = why(result);
    assert!(why.contains("pod web-2-a crashes"), "{why}");
    assert!(why.contains("| 2026-01-01T00:00:01Z starting\n| "), "{why}");
    assert!(fake.requests("/log")[0].contains("tailLines=20"));
    let subjects = report.captured();
    assert!(subjects.contains(&Event::running("Pod/web-2-a", "CrashLoopBackOff")));
}

#[tokio::test]
async fn a_crash_without_a_log_is_told_all_the_same() {
    let world = World::new(0).await;
    world.pod("web-2-a", &world.replica_set, &crashed()).await;
    assert!(why(world.wait(LONG).await.0).ends_with("it ended with exit code 1"));
}

#[tokio::test]
async fn a_pod_that_crashes_while_its_rollout_is_followed_fails_it() {
    let world = World::new(0).await;
    let steps = async {
        world.watched(4).await;
        let running = status(0, &json!({"running": {}}), &json!({}));
        world.pod("web-2-a", &world.replica_set, &running).await;
        world.pod("web-2-a", &world.replica_set, &crashed()).await;
    };
    let ((result, _), ()) = tokio::join!(world.wait(LONG), steps);
    assert!(why(result).contains("crashes"));
}

#[tokio::test]
async fn time_over_is_told_with_the_probe_that_fails_and_where_the_program_listens() {
    let fake = Fake::start().await;
    let world = World::with_kubelet(0, Some(&fake)).await;
    let running = status(0, &json!({"running": {}}), &json!({}));
    let pod = world.pod("web-2-a", &world.replica_set, &running).await;
    let event = json!({
        "metadata": {"name": "e"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "Readiness probe failed: dial tcp 10.0.0.2:8080: connect: connection refused",
        "involvedObject": {"namespace": NAMESPACE, "uid": pod["metadata"]["uid"]},
    });
    world.other.create(EVENTS, &event).await;
    for (program, loopback) in [(Program::Greets, true), (Program::Refuses, false)] {
        fake.change(|known| known.programs.insert("web-2-a".into(), program));
        let (result, _) = world.wait(SOON).await;
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
    let world = World::new(0).await;
    let requests = Requests::all().client("test").resource("deployments");
    world.cluster.faults().server_error(requests, 50, 503);
    let (result, _) = world.wait(SOON).await;
    assert!(matches!(result, Err(Failure::Api { .. })));
}

#[tokio::test]
async fn a_workload_that_is_deleted_or_replaced_meanwhile_is_told() {
    for replaced in [false, true] {
        let world = World::new(0).await;
        let steps = async {
            world.watched(4).await;
            if replaced {
                // Seen when the deployer lists again, for the watch tells of the deletion first.
                world.cluster.faults().partition("test");
                world.other.delete(WEB).await;
                world.ready(2).await;
                world.forget().await;
                world.cluster.faults().heal("test");
            } else {
                world.other.delete(WEB).await;
            }
        };
        let ((result, _), ()) = tokio::join!(world.wait(LONG), steps);
        match result {
            Err(Failure::Diagnosed(diagnosis)) => assert_eq!(diagnosis.cause, Cause::Deleted),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn one_failure_among_several_workloads_ends_the_wait() {
    let world = World::new(0).await;
    let conditions = ["FailureTarget", "Failed"]
        .map(|kind| json!({"type": kind, "status": "True", "reason": "R", "message": "gave up"}));
    let failed = json!({"startTime": "2026-01-01T00:00:00Z", "conditions": conditions});
    let batch = world.put(JOBS, &job("batch", &failed)).await;
    let applied = [
        applied("apps", "Deployment", &world.web),
        applied("batch", "Job", &batch),
    ];
    let report = Report::capture();
    let result = timeout(LONG, wait(&world.client, &applied, &report, LONG)).await;
    assert!(why(result.unwrap()).contains("Job/batch failed"));
}

#[tokio::test]
async fn a_job_at_work_is_given_the_time_it_needs() {
    let world = World::new(0).await;
    let at_work = json!({"startTime": "2026-01-01T00:00:00Z", "active": 1});
    let batch = world.put(JOBS, &job("batch", &at_work)).await;
    let running = status(0, &json!({"running": {}}), &json!({}));
    world.pod("batch-0", &batch, &running).await;
    let applied = [applied("batch", "Job", &batch)];
    let report = Report::capture();
    let steps = async {
        sleep(SOON * 3).await; // longer than a rollout may take here
        let conditions =
            ["SuccessCriteriaMet", "Complete"].map(|kind| json!({"type": kind, "status": "True"}));
        let done = json!({"completionTime": "2026-01-01T00:01:00Z", "active": 0, "succeeded": 1,
            "conditions": conditions});
        world.put(JOBS, &job("batch", &done)).await;
    };
    let (result, ()) = tokio::join!(wait(&world.client, &applied, &report, SOON), steps);
    assert_eq!(result.unwrap().completed, 1);
}
