//! Why a rollout fails: what is said, when, and what must not be taken for a failure.

use serde_json::{Value, json};

use super::world::{World, container, crashed, waiting, words};
use crate::deploy::rollout::{Cause, Refusal, overdue};

fn web(status: Value) -> World {
    World::deployment(1, [1, 1, 0]).pod("web-2-a", "web-2", status)
}

/// A pod that runs and is not ready, with a container of these probes.
fn unready(container: Value) -> World {
    let status = self::container(0, &json!({"running": {}}), &json!({}));
    World::deployment(1, [1, 1, 0]).pod_from("web-2-a", "web-2", container, status)
}

#[test]
fn an_image_that_does_not_exist_fails_at_once() {
    let answer = "failed to pull and unpack image \"r/web:1\": not found";
    let world = web(waiting(
        "ErrImagePull",
        &format!("rpc error: code = NotFound desc = {answer}"),
    ));
    assert_eq!(
        words(&world.failure()),
        format!(
            "Deployment/web failed: pod web-2-a cannot pull image `registry/web@sha256:1`: the pull was answered: {answer}"
        )
    );
}

#[test]
fn the_answer_is_found_in_the_event_when_the_kubelet_only_says_that_it_backs_off() {
    let world = web(waiting(
        "ImagePullBackOff",
        "Back-off pulling image \"r/web\"",
    ))
    .event(
        "web-2-a",
        "Failed",
        "Failed to pull image \"r/web\": rpc error: code = Unknown desc = 401 Unauthorized",
        1,
    );
    let failure = world.failure();
    assert!(words(&failure).ends_with("401 Unauthorized"));
    assert!(failure.help().contains("credentials"));
}

#[test]
fn a_registry_that_is_away_is_tried_three_times() {
    let message = "rpc error: desc = dial tcp 10.0.0.1:5000: i/o timeout";
    let world = web(waiting("ErrImagePull", message));
    assert!(matches!(world.suspicion().0.cause, Cause::ImagePull { .. }));
    let failed = "Failed to pull image \"r/web\": timeout";
    let world = world.event("web-2-a", "Failed", failed, 2);
    assert!(matches!(world.suspicion().0.cause, Cause::ImagePull { .. }));
    let world = world.event("web-2-a", "Failed", failed, 1);
    assert!(matches!(world.failure().cause, Cause::ImagePull { .. }));
}

#[test]
fn pulls_of_another_pod_are_not_counted() {
    let world = web(waiting("ErrImagePull", "timeout")).event(
        "another",
        "Failed",
        "Failed to pull image \"r/web\": timeout",
        9,
    );
    world.suspicion();
}

#[test]
fn a_first_crash_is_not_the_last_word() {
    let ended = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
    assert!(web(container(0, &ended, &json!({}))).goes_on());
    assert!(web(container(1, &json!({"running": {}}), &ended)).goes_on());
}

#[test]
fn a_second_crash_is() {
    let failure = web(crashed(1, 101, "Error")).failure();
    assert_eq!(
        words(&failure),
        "Deployment/web failed: pod web-2-a crashes (restarted once): it ended with exit code 101 (a panic)"
    );
    let ended = json!({"terminated": {"exitCode": 2, "reason": "Error"}});
    web(container(1, &ended, &ended)).failure();
}

#[test]
fn a_pod_that_became_ready_after_crashes_is_well() {
    let mut status = container(
        5,
        &json!({"running": {}}),
        &json!({"terminated": {"exitCode": 1, "reason": "Error"}}),
    );
    status["conditions"][0]["status"] = "True".into();
    assert!(web(status).goes_on());
}

#[test]
fn a_signal_is_named() {
    let failure = web(crashed(1, 139, "Error")).failure();
    assert!(words(&failure).ends_with("it was ended by SIGSEGV"));
}

#[test]
fn a_program_out_of_memory_is_told_its_limit() {
    let limits = json!({"resources": {"limits": {"memory": "16Mi"}}});
    let world = World::deployment(1, [1, 1, 0]).pod_from(
        "web-2-a",
        "web-2",
        limits,
        crashed(1, 137, "OOMKilled"),
    );
    let failure = world.failure();
    assert!(words(&failure).contains("runs out of memory"));
    assert!(failure.help().contains("16Mi"));
}

#[test]
fn a_binary_that_cannot_be_started_is_no_crash_of_the_program() {
    let state = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let last = json!({"terminated": {
        "exitCode": 128, "reason": "StartError", "message": "exec /web: no such file or directory",
    }});
    let failure = web(container(1, &state, &last)).failure();
    assert!(words(&failure).ends_with("cannot be started: exec /web: no such file or directory"));
    assert!(failure.help().contains("linked statically"));
}

#[test]
fn a_service_that_returns_is_told_to_be_a_job() {
    let failure = web(crashed(1, 0, "Completed")).failure();
    assert!(words(&failure).contains("ends instead of serving"));
    assert!(failure.help().contains("#[job]"));
}

#[test]
fn a_program_that_its_liveness_probe_kills_is_told_so() {
    let world = web(crashed(1, 137, "Error")).event(
        "web-2-a",
        "Unhealthy",
        "Liveness probe failed: HTTP probe failed with statuscode: 500",
        3,
    );
    let failure = world.failure();
    assert!(words(&failure).contains("killed by its liveness probe"));
    assert!(words(&failure).contains("statuscode: 500"));
}

#[test]
fn a_program_that_starts_slowly_is_given_time() {
    let world = unready(json!({"readinessProbe": {"tcpSocket": {"port": 8080}}})).event(
        "web-2-a",
        "Unhealthy",
        "Readiness probe failed: dial tcp 10.0.0.2:8080: connect: connection refused",
        1,
    );
    assert!(world.goes_on());
}

#[test]
fn a_program_that_is_never_ready_is_told_which_probe_and_what_it_said() {
    let container = json!({
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "ports": [{"name": "http", "containerPort": 8080}],
    });
    let world = unready(container).event(
        "web-2-a",
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 404",
        5,
    );
    let diagnosis = overdue(&world.0);
    assert_eq!(
        words(&diagnosis),
        "Deployment/web failed: pod web-2-a runs but does not become ready: its readiness probe (GET :8080/ready) \
         fails: HTTP probe failed with statuscode: 404"
    );
    assert!(diagnosis.help().contains("does not know that path"));
}

#[test]
fn a_startup_probe_that_has_not_succeeded_is_the_one_that_holds_back() {
    let container = json!({
        "readinessProbe": {"tcpSocket": {"port": 1}},
        "startupProbe": {"tcpSocket": {"port": 2}},
    });
    let mut world = unready(container);
    let pod = world.0.pods.get_mut("web-2-a").unwrap();
    let statuses = pod.status.as_mut().unwrap().container_statuses.as_mut();
    statuses.unwrap()[0].started = Some(false);
    assert!(words(&overdue(&world.0)).contains("startup probe (TCP :2)"));
}

#[test]
fn a_refused_probe_suggests_the_address() {
    let world = unready(json!({"readinessProbe": {"tcpSocket": {"port": 8080}}})).event(
        "web-2-a",
        "Unhealthy",
        "Readiness probe failed: dial tcp 10.0.0.2:8080: connect: connection refused",
        1,
    );
    assert!(overdue(&world.0).help().contains("0.0.0.0"));
}

fn unschedulable() -> Value {
    json!({
        "phase": "Pending",
        "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/2 nodes are available: 2 Insufficient cpu.",
        }],
    })
}

#[test]
fn a_pod_that_fits_nowhere_is_given_to_the_autoscaler_first() {
    let (diagnosis, patience) = web(unschedulable()).suspicion();
    assert!(patience.as_secs() >= 5);
    assert!(words(&diagnosis).contains("fits on no node: the scheduler says: 0/2 nodes"));
    assert!(diagnosis.help().contains("resources"));
}

/// A pod of the revision before that is about to end.
fn with_ending_pod(world: World) -> World {
    let mut world = world.pod("web-1-a", "web-1", json!({"phase": "Running"}));
    let old = world.0.pods.get_mut("web-1-a").unwrap();
    old.metadata.deletion_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
    world
}

#[test]
fn a_pod_without_room_is_well_while_another_ends_or_starts() {
    assert!(!web(unschedulable()).goes_on());
    assert!(with_ending_pod(web(unschedulable())).goes_on());
    let mut world = web(unschedulable()).pod("web-2-b", "web-2", json!({"phase": "Pending"}));
    assert!(!world.goes_on(), "it has no node");
    let starts = world.0.pods.get_mut("web-2-b").unwrap();
    starts.spec.as_mut().unwrap().node_name = Some("node-1".into());
    assert!(world.goes_on());
}

#[test]
fn a_pod_that_waits_for_its_image_is_well_once_its_sandbox_is_there() {
    let status = |prepared: &str| {
        let condition = json!({"type": "PodReadyToStartContainers", "status": prepared});
        json!({"phase": "Pending", "conditions": [condition]})
    };
    let warned =
        |prepared| web(status(prepared)).event("web-2-a", "FailedMount", "no such volume yet", 1);
    assert!(!warned("False").goes_on());
    assert!(warned("True").goes_on());
}

#[test]
fn a_pod_for_which_a_node_is_made_is_well() {
    let world =
        web(unschedulable()).event("web-2-a", "TriggeredScaleUp", "pod triggered scale-up", 1);
    assert!(world.goes_on());
}

#[test]
fn a_pod_for_which_others_make_room_is_well() {
    let mut status = unschedulable();
    status["nominatedNodeName"] = "node-1".into();
    assert!(web(status).goes_on());
}

fn refused(message: &str) -> World {
    World::deployment(1, [0, 0, 0]).replica_set(
        "web-2",
        "2",
        json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}),
    )
}

#[test]
fn a_quota_is_named() {
    let message = "pods \"web-2-a\" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=0, limited: cpu=500m";
    let (diagnosis, _) = refused(message).suspicion();
    assert!(words(&diagnosis).contains("quota does not allow its pods"));
    assert!(words(&diagnosis).ends_with(message));
}

#[test]
fn a_refusal_of_pod_security_fails_at_once() {
    let message = "pods \"web-2-a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let by = Refusal::PodSecurity;
    let message_owned = message.to_owned();
    assert_eq!(
        refused(message).failure().cause,
        Cause::Refused {
            by,
            message: message_owned
        }
    );
}

#[test]
fn a_refusal_of_the_earlier_revision_fails_nothing() {
    let world = World::deployment(1, [1, 0, 1]).replica_set(
        "web-1",
        "1",
        json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}),
    );
    assert!(world.goes_on());
}

#[test]
fn a_refusal_of_a_shard_is_found_in_its_events() {
    let refusal = "create Pod users-0 in StatefulSet users failed error: violates PodSecurity";
    let status = json!({"observedGeneration": 2, "replicas": 0});
    let world = World::stateful_set(1, status).event("set", "FailedCreate", refusal, 1);
    assert!(matches!(world.failure().cause, Cause::Refused { .. }));
}

#[test]
fn a_refusal_from_before_this_rollout_fails_nothing() {
    let status = json!({"observedGeneration": 2, "replicas": 0});
    let mut world =
        World::stateful_set(1, status).event("set", "FailedCreate", "violates PodSecurity", 1);
    let event = world.0.events.get_mut("event-0").unwrap();
    let before = serde_json::from_value(json!("2026-01-01T00:00:59Z"));
    event.last_timestamp = before.unwrap();
    assert!(world.goes_on());
}

#[test]
fn a_missing_secret_is_given_a_moment() {
    let status = waiting("CreateContainerConfigError", "secret \"token\" not found");
    let (diagnosis, _) = web(status).suspicion();
    assert!(words(&diagnosis).ends_with("CreateContainerConfigError: secret \"token\" not found"));
}

#[test]
fn an_init_container_that_fails_is_named() {
    let mut status = crashed(1, 1, "Error");
    let mut init = status["containerStatuses"][0].clone();
    init["name"] = "migrate".into();
    status["initContainerStatuses"] = json!([init]);
    status["containerStatuses"] = json!([]);
    status["phase"] = "Pending".into();
    assert_eq!(web(status).failure().container.as_deref(), Some("migrate"));
}

#[test]
fn a_volume_that_does_not_come_is_told_if_it_lasts() {
    let mut status = waiting("ContainerCreating", "");
    status["phase"] = "Pending".into();
    let world = web(status).event("web-2-a", "FailedMount", "configmap \"x\" not found", 4);
    let (diagnosis, _) = world.suspicion();
    assert!(words(&diagnosis).ends_with("FailedMount: configmap \"x\" not found"));
}

#[test]
fn a_job_that_gave_up_names_pod_and_index() {
    let status = json!({
        "failed": 1,
        "conditions": [{
            "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
            "message": "Job has reached the specified backoff limit",
        }],
    });
    let ended = json!({"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}});
    let world = World::job(json!({"completions": 4}), status).pod(
        "batch-3-x",
        "job",
        container(0, &ended, &json!({})),
    );
    assert_eq!(
        words(&world.failure()),
        "Job/batch failed: pod batch-3-x (index 3) failed, and the job gave up: Job has reached the specified backoff \
         limit; it ended with exit code 3"
    );
}

#[test]
fn a_job_whose_pods_are_gone_is_explained_without_them() {
    let status = json!({"conditions": [{
        "type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "Job was active too long",
    }]});
    let failure = World::job(json!({}), status).failure();
    assert_eq!(
        words(&failure),
        "Job/batch failed: the job gave up: Job was active too long"
    );
    assert!(failure.help().contains("activeDeadlineSeconds"));
}

#[test]
fn a_message_that_is_the_end_of_the_log_is_shown_as_lines() {
    let log: Vec<String> = (1..=30).map(|n| format!("line {n}")).collect();
    let state = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let last = json!({"terminated": {"exitCode": 1, "reason": "Error", "message": log.join("\n")}});
    let policy = json!({"terminationMessagePolicy": "FallbackToLogsOnError"});
    let status = container(1, &state, &last);
    let world = World::deployment(1, [1, 1, 0]).pod_from("web-2-a", "web-2", policy, status);
    let words = words(&world.failure());
    assert!(words.contains("it ended with exit code 1; its last lines:\n| line 11\n"));
    assert!(words.ends_with("| line 30"));
}

#[test]
fn the_last_lines_follow_the_reason() {
    let mut failure = web(crashed(1, 1, "Error")).failure();
    let lines = failure.cause.lines_mut().unwrap();
    *lines = vec!["no database".into(), "giving up".into()];
    assert!(words(&failure).ends_with("its last lines:\n| no database\n| giving up"));
}
