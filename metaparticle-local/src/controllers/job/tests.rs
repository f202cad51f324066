//! The rules of Jobs.

use std::time::Duration;

use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::{SignedDuration, Timestamp},
};
use serde_json::{Value, json};

use crate::controllers::object::Object;

use super::{
    backoff::Backoff,
    decide::{Decision, TRACKING, decide},
    indexes::INDEX,
    pod::pod as made,
    world::World,
};

/// `seconds` after the Job began.
fn at(seconds: i64) -> Timestamp {
    "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn job(spec: Value, status: Value) -> Value {
    let mut job = json!({
        "metadata": {"name": "work", "namespace": "default", "uid": "j", "generation": 1},
        "spec": {"parallelism": 2, "completions": 3, "backoffLimit": 6, "completionMode": "NonIndexed",
            "template": {"metadata": {"labels": {"job-name": "work"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main"}]}}},
        "status": {"startTime": at(0).to_string()},
    });
    for (part, fields) in [("spec", spec), ("status", status)] {
        for (key, value) in fields.as_object().unwrap() {
            job[part][key] = value.clone();
        }
    }
    job
}

fn indexed() -> Value {
    json!({"completionMode": "Indexed"})
}

/// Pods: `Running`, `ready`, `Succeeded`, `Failed`, `going` (deleted, still there), `counted` (failed long ago); after a
/// colon their index.
fn pods(states: &[&str]) -> Vec<Object<Pod>> {
    let pod = |(number, state): (usize, &&str)| {
        let (state, index) = state.split_once(':').unwrap_or((state, ""));
        let phase = match state {
            "ready" | "going" => "Running",
            "counted" => "Failed",
            other => other,
        };
        let mut pod = json!({
            "metadata": {"name": format!("p{number}"), "namespace": "default", "finalizers": [TRACKING]},
            "spec": {"containers": []},
            "status": {"phase": phase, "conditions": [
                {"type": "Ready", "status": if state == "ready" { "True" } else { "False" }}]},
        });
        if matches!(phase, "Succeeded" | "Failed") {
            let state = json!({"terminated": {"exitCode": 7, "finishedAt": at(100).to_string()}});
            pod["status"]["containerStatuses"] = json!([{"name": "main", "image": "", "imageID": "",
                "ready": false, "restartCount": 0, "state": state}]);
        }
        if state == "going" {
            pod["metadata"]["deletionTimestamp"] = json!(at(100).to_string());
        }
        if state == "counted" {
            pod["metadata"]["finalizers"] = json!([]);
        }
        if !index.is_empty() {
            pod["metadata"]["annotations"] = json!({INDEX: index});
        }
        Object::of(pod)
    };
    states.iter().enumerate().map(pod).collect()
}

fn step_at(seconds: i64, job: Value, states: &[&str]) -> Decision {
    let job: Object<Job> = Object::of(job);
    let pods = pods(states);
    let spec = job.spec.as_ref().unwrap();
    decide(&World {
        job: &job,
        spec,
        pods: &pods,
        backoff: Backoff::default(),
        now: at(seconds),
    })
}

fn step(spec: Value, status: Value, pods: &[&str]) -> Decision {
    step_at(100, job(spec, status), pods)
}

/// Types of conditions that are true, with their reasons.
fn conditions(decision: &Decision) -> Vec<(&str, &str)> {
    let all = decision
        .status
        .conditions
        .iter()
        .flatten()
        .filter(|it| it.status == "True");
    all.map(|it| (it.type_.as_str(), it.reason.as_deref().unwrap()))
        .collect()
}

fn status(decision: &Decision) -> Value {
    serde_json::to_value(&decision.status).unwrap()
}

#[test]
fn as_many_pods_as_parallelism_are_made() {
    let mut new = job(json!({}), json!({}));
    new["status"] = json!({});
    let decision = step_at(0, new, &[]);
    assert_eq!(decision.create, [None, None]);
    assert_eq!(
        status(&decision),
        json!({"active": 2, "ready": 0, "terminating": 0, "startTime": at(0).to_string(),
            "uncountedTerminatedPods": {}})
    );
}

#[test]
fn no_more_pods_are_made_than_completions_are_missing() {
    let decision = step(json!({}), json!({"succeeded": 2}), &[]);
    assert_eq!(decision.create.len(), 1);
}

#[test]
fn a_pod_that_ended_is_counted_once_and_let_go() {
    let decision = step(json!({}), json!({}), &["Succeeded", "ready", "counted"]);
    assert_eq!(decision.release, ["p0"]);
    assert_eq!(
        status(&decision),
        json!({"active": 2, "ready": 1, "terminating": 0, "succeeded": 1, "startTime": at(0).to_string(),
            "uncountedTerminatedPods": {}})
    );
}

#[test]
fn a_failed_pod_is_made_again_after_a_while() {
    let failed = step(json!({}), json!({}), &["Failed", "Running"]);
    assert_eq!(
        (failed.create.len(), failed.again),
        (0, Some(Duration::from_secs(10)))
    );
    assert_eq!(failed.status.failed, Some(1));
    let job: Object<Job> = Object::of(job(json!({}), json!({"failed": 1})));
    let pods = pods(&["counted", "Running"]);
    let spec = job.spec.as_ref().unwrap();
    let later = |seconds: i64| {
        let backoff = failed.backoff;
        decide(&World {
            job: &job,
            spec,
            pods: &pods,
            backoff,
            now: at(100 + seconds),
        })
    };
    assert_eq!(later(9).create.len(), 0);
    assert_eq!(later(10).create.len(), 1);
}

#[test]
fn a_job_is_complete_when_enough_pods_succeeded() {
    let done = step(json!({}), json!({"succeeded": 2}), &["Succeeded"]);
    assert_eq!(
        conditions(&done),
        [
            ("SuccessCriteriaMet", "CompletionsReached"),
            ("Complete", "CompletionsReached")
        ]
    );
    assert_eq!(done.status.completion_time.as_ref().unwrap().0, at(100));
    assert_eq!(done.status.succeeded, Some(3));
    assert_eq!(
        done.events,
        [(false, "Completed".to_owned(), "Job completed".to_owned())]
    );
}

#[test]
fn without_completions_the_first_success_lets_the_others_finish() {
    let queue = json!({"completions": null});
    let first = step(queue.clone(), json!({}), &["Succeeded", "Running"]);
    assert_eq!((first.create.len(), first.dismiss.len()), (0, 0));
    assert_eq!(conditions(&first), []);
    let last = step(queue, json!({"succeeded": 1}), &["Succeeded"]);
    assert_eq!(last.status.succeeded, Some(2));
    assert_eq!(
        conditions(&last).last(),
        Some(&("Complete", "CompletionsReached"))
    );
}

#[test]
fn too_many_failures_end_the_job_once_its_pods_are_gone() {
    let limited = json!({"backoffLimit": 1});
    let failed = step(
        limited.clone(),
        json!({"failed": 1}),
        &["Failed", "Running"],
    );
    assert_eq!(failed.delete, ["p1"]);
    assert_eq!(
        conditions(&failed),
        [("FailureTarget", "BackoffLimitExceeded")]
    );
    assert_eq!(failed.events, []);
    let before = status(&failed);
    let going = step(limited.clone(), before, &["counted", "going"]);
    assert_eq!(conditions(&going).len(), 1);
    let last = step(limited, status(&going), &["counted"]);
    assert_eq!(conditions(&last)[1], ("Failed", "BackoffLimitExceeded"));
    let message = "Job has reached the specified backoff limit".to_owned();
    assert_eq!(
        last.events,
        [(true, "BackoffLimitExceeded".to_owned(), message)]
    );
    assert_eq!(last.status.failed, Some(3));
    assert_eq!(last.status.completion_time, None);
}

#[test]
fn restarts_in_place_count_against_the_limit() {
    let template = json!({"spec": {"restartPolicy": "OnFailure", "containers": []}});
    let restarted = |count: i32| {
        let job: Object<Job> = Object::of(job(
            json!({"template": template, "backoffLimit": 2}),
            json!({}),
        ));
        let mut pod = (*pods(&["Running"])[0].raw).clone();
        pod["status"]["containerStatuses"] = json!([{"name": "main", "image": "", "imageID": "", "ready": true,
            "restartCount": count}]);
        let pods = [Object::of(pod)];
        let spec = job.spec.as_ref().unwrap();
        decide(&World {
            job: &job,
            spec,
            pods: &pods,
            backoff: Backoff::default(),
            now: at(9),
        })
    };
    assert_eq!(conditions(&restarted(1)), []);
    assert_eq!(
        conditions(&restarted(2)),
        [("FailureTarget", "BackoffLimitExceeded")]
    );
}

#[test]
fn the_deadline_ends_the_job() {
    let limited = || job(json!({"activeDeadlineSeconds": 60}), json!({}));
    let before = step_at(59, limited(), &["Running", "Running"]);
    assert_eq!(
        (conditions(&before), before.again),
        (vec![], Some(Duration::from_secs(1)))
    );
    let after = step_at(60, limited(), &["Running", "Running"]);
    assert_eq!(conditions(&after), [("FailureTarget", "DeadlineExceeded")]);
    assert_eq!(after.delete, ["p0", "p1"]);
}

#[test]
fn a_suspended_job_lets_its_pods_go_uncounted_and_starts_anew() {
    let suspended = step(json!({"suspend": true}), json!({}), &["Running", "ready"]);
    assert_eq!((suspended.dismiss.len(), suspended.delete.len()), (2, 0));
    assert_eq!(conditions(&suspended), [("Suspended", "JobSuspended")]);
    assert_eq!(suspended.status.start_time, None);
    assert_eq!(
        (suspended.status.active, suspended.status.ready),
        (None, Some(0))
    );
    let resumed = step_at(200, job(json!({}), status(&suspended)), &[]);
    assert_eq!(resumed.create.len(), 2);
    assert_eq!(conditions(&resumed), []);
    assert_eq!(resumed.status.start_time.as_ref().unwrap().0, at(200));
    assert_eq!(resumed.events[0].1, "Resumed");
}

#[test]
fn indexes_are_given_from_the_lowest() {
    let decision = step(indexed(), json!({"completedIndexes": "0"}), &[]);
    assert_eq!(decision.create, [Some(1), Some(2)]);
    let decision = step(indexed(), json!({}), &["Running:1"]);
    assert_eq!(decision.create, [Some(0)]);
}

#[test]
fn an_index_succeeds_once() {
    let done = step(
        indexed(),
        json!({"completedIndexes": "0"}),
        &["Succeeded:0", "Succeeded:2", "Succeeded:9"],
    );
    assert_eq!(status(&done)["completedIndexes"], "0,2");
    assert_eq!(done.status.succeeded, Some(2));
    assert_eq!(done.create, [Some(1)]);
}

#[test]
fn pods_of_an_index_that_is_there_twice_or_out_of_range_are_dismissed() {
    let decision = step(indexed(), json!({}), &["Running:0", "ready:0", "Running:5"]);
    let mut dismissed = decision.dismiss;
    dismissed.sort();
    assert_eq!(dismissed, ["p0", "p2"]);
}

#[test]
fn less_parallelism_dismisses_the_pods_that_are_missed_the_least() {
    let decision = step(json!({"parallelism": 1}), json!({}), &["ready", "Running"]);
    assert_eq!(decision.dismiss, ["p1"]);
    assert_eq!(decision.status.active, Some(1));
}

#[test]
fn a_pod_that_goes_counts_as_failed_unless_only_failed_ones_are_replaced() {
    let early = step(json!({}), json!({}), &["going", "Running"]);
    assert_eq!(
        (early.status.failed, early.status.terminating),
        (Some(1), Some(1))
    );
    let patient = step(
        json!({"podReplacementPolicy": "Failed"}),
        json!({}),
        &["going", "Running"],
    );
    assert_eq!((patient.status.failed, patient.create.len()), (None, 0));
}

#[test]
fn the_failure_policy_ends_the_job_or_overlooks_the_failure() {
    let rule = |action: &str| {
        json!({"podFailurePolicy": {"rules": [{"action": action,
            "onExitCodes": {"operator": "In", "values": [7]}}]}})
    };
    let ended = step(rule("FailJob"), json!({}), &["Failed"]);
    assert_eq!(conditions(&ended)[0], ("FailureTarget", "PodFailurePolicy"));
    let overlooked = step(rule("Ignore"), json!({}), &["Failed"]);
    assert_eq!(
        (overlooked.status.failed, overlooked.release),
        (None, vec!["p0".to_owned()])
    );
}

#[test]
fn the_success_policy_ends_the_job_early() {
    let mut spec = indexed();
    spec["successPolicy"] = json!({"rules": [{"succeededIndexes": "0"}]});
    let decision = step(spec, json!({}), &["Succeeded:0", "Running:1"]);
    assert_eq!(
        conditions(&decision),
        [("SuccessCriteriaMet", "SuccessPolicy")]
    );
    assert_eq!(decision.delete, ["p1"]);
}

#[test]
fn a_finished_job_stays_as_it_is_and_goes_after_its_time() {
    let over = json!({"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": at(50).to_string()}],
        "succeeded": 3});
    let finished = |seconds, spec: Value| step_at(seconds, job(spec, over.clone()), &["Succeeded"]);
    let kept = finished(9999, json!({}));
    assert_eq!(
        (kept.expire, kept.again, kept.create.len()),
        (false, None, 0)
    );
    assert_eq!(
        (kept.release, kept.status.succeeded),
        (vec!["p0".to_owned()], Some(3))
    );
    let early = finished(52, json!({"ttlSecondsAfterFinished": 5}));
    assert_eq!(
        (early.expire, early.again),
        (false, Some(Duration::from_secs(3)))
    );
    assert!(finished(55, json!({"ttlSecondsAfterFinished": 5})).expire);
}

#[test]
fn a_job_that_is_being_deleted_makes_no_pods_but_counts() {
    let mut going = job(json!({}), json!({}));
    going["metadata"]["deletionTimestamp"] = json!(at(99).to_string());
    let decision = step_at(100, going, &["Failed"]);
    assert_eq!(
        (decision.create.len(), decision.status.failed),
        (0, Some(1))
    );
}

#[test]
fn a_pod_knows_its_index() {
    let job: Object<Job> = Object::of(job(indexed(), json!({})));
    let pod = made(&job, Some(4), None);
    assert_eq!(pod["metadata"]["generateName"], "work-4-");
    assert_eq!(pod["metadata"]["finalizers"], json!([TRACKING]));
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"job-name": "work", INDEX: "4"})
    );
    assert_eq!(pod["metadata"]["annotations"], json!({INDEX: "4"}));
    assert_eq!(pod["spec"]["hostname"], "work-4");
    assert_eq!(
        pod["spec"]["containers"][0]["env"],
        json!([{"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef":
            {"apiVersion": "v1", "fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}}}])
    );
    let plain = made(&job, None, None);
    assert_eq!(plain["metadata"]["generateName"], "work-");
    assert_eq!(plain["spec"].get("hostname"), None);
}

#[test]
fn an_index_that_failed_too_often_is_given_up_and_the_others_go_on() {
    let mut spec = indexed();
    spec["backoffLimitPerIndex"] = json!(0);
    spec["backoffLimit"] = json!(i32::MAX);
    let first = step(spec.clone(), json!({}), &["Failed:0", "Running:1"]);
    assert_eq!(status(&first)["failedIndexes"], "0");
    assert_eq!(first.create, [Some(2)]);
    assert_eq!(conditions(&first), []);
    let last = step(
        spec.clone(),
        status(&first),
        &["counted:0", "Succeeded:1", "Succeeded:2"],
    );
    assert_eq!(conditions(&last)[1], ("Failed", "FailedIndexes"));
    spec["maxFailedIndexes"] = json!(0);
    let strict = step(spec, json!({}), &["Failed:0", "Running:1"]);
    assert_eq!(
        conditions(&strict),
        [("FailureTarget", "MaxFailedIndexesExceeded")]
    );
}

#[test]
fn an_index_that_failed_waits_alone() {
    let mut spec = indexed();
    spec["backoffLimitPerIndex"] = json!(1);
    spec["backoffLimit"] = json!(i32::MAX);
    let failed = step(spec.clone(), json!({}), &["Failed:0"]);
    assert_eq!(failed.create, [Some(1), Some(2)]);
    assert_eq!(failed.again, Some(Duration::from_secs(10)));
    assert_eq!(status(&failed)["failedIndexes"], "");
    let later = step_at(110, job(spec, json!({})), &["counted:0", "Running:1"]);
    assert_eq!(later.create, [Some(0)]);
    let job: Object<Job> = Object::of(job(indexed(), json!({})));
    let again = made(&job, Some(0), Some(1));
    assert_eq!(
        again["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"],
        "1"
    );
}
