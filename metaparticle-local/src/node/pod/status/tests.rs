//! The status of pods.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use tokio::time::Instant;

use super::*;
use crate::node::pod::record::Running;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn facts(policy: RestartPolicy) -> Facts {
    Facts {
        policy,
        generation: Some(1),
        host_ip: [127, 70, 1, 1].into(),
        pod_ip: Some([127, 70, 1, 2].into()),
        start_time: NOW,
        failure: None,
        gates: Vec::new(),
        done: false,
    }
}

fn container(name: &str) -> Container {
    let (name, image) = (name.to_owned(), Some("web:1".to_owned()));
    Container {
        name,
        image,
        ..Container::default()
    }
}

fn records(inits: &[&str], mains: &[&str]) -> Vec<Record> {
    Record::of(&PodSpec {
        init_containers: Some(inits.iter().map(|it| container(it)).collect()),
        containers: mains.iter().map(|it| container(it)).collect(),
        ..PodSpec::default()
    })
}

fn running(ready: bool) -> State {
    let (id, started, stopping) = ("process://1".to_owned(), true, false);
    State::Running(Running {
        id,
        since: NOW,
        started,
        ready,
        stopping,
    })
}

fn ended(exit_code: i32) -> Ended {
    Ended {
        id: "process://1".to_owned(),
        exit_code,
        reason: if exit_code == 0 { "Completed" } else { "Error" },
        message: None,
        since: NOW,
        finished: NOW,
        at: Instant::now(),
    }
}

fn written(records: &[Record], facts: &Facts) -> Value {
    let mut status = Value::Null;
    write(&mut status, records, facts, NOW);
    status
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let all = status["conditions"].as_array().unwrap();
    all.iter().find(|it| it["type"] == kind).unwrap()
}

#[test]
fn a_running_container_reads_as_the_kubelet_writes_it() {
    let mut records = records(&[], &["main"]);
    records[0].state = running(true);
    let status = written(&records, &facts(RestartPolicy::Always));
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["podIPs"], json!([{"ip": "127.70.1.2"}]));
    let expected = json!({
        "name": "main", "image": "web:1", "imageID": "process://web:1", "containerID": "process://1",
        "state": {"running": {"startedAt": "1970-01-01T00:00:00Z"}}, "lastState": {},
        "ready": true, "started": true, "restartCount": 0, "resources": {},
    });
    assert_eq!(status["containerStatuses"], json!([expected]));
    assert_eq!(condition(&status, "Ready")["status"], "True");
}

#[test]
fn unready_containers_are_named() {
    let mut records = records(&[], &["b", "a"]);
    records[0].state = running(false);
    let status = written(&records, &facts(RestartPolicy::Always));
    let ready = condition(&status, "ContainersReady");
    assert_eq!(ready["reason"], "ContainersNotReady");
    assert_eq!(ready["message"], "containers with unready status: [b a]");
    assert_eq!(
        status["containerStatuses"][0]["name"], "a",
        "sorted by name"
    );
}

#[test]
fn main_containers_wait_for_init_containers() {
    let mut records = records(&["i", "j"], &["c"]);
    records[0].state = running(false);
    let status = written(&records, &facts(RestartPolicy::Always));
    assert_eq!(status["phase"], "Pending");
    let initialized = condition(&status, "Initialized");
    assert_eq!(
        initialized["message"],
        "containers with incomplete status: [i j]"
    );
    let waiting = json!({"waiting": {"reason": "PodInitializing"}});
    assert_eq!(status["initContainerStatuses"][1]["state"], waiting);
    assert_eq!(status["containerStatuses"][0]["state"], waiting);
}

#[test]
fn the_phase_follows_the_exit_codes_and_the_policy() {
    let table = [
        (RestartPolicy::Always, 0, "Running"),
        (RestartPolicy::Always, 1, "Running"),
        (RestartPolicy::OnFailure, 0, "Succeeded"),
        (RestartPolicy::OnFailure, 1, "Running"),
        (RestartPolicy::Never, 0, "Succeeded"),
        (RestartPolicy::Never, 1, "Failed"),
    ];
    for (policy, exit_code, expected) in table {
        let mut records = records(&[], &["main"]);
        records[0].state = State::Ended(ended(exit_code));
        assert_eq!(
            phase(&records, &facts(policy)),
            expected,
            "{policy:?} {exit_code}"
        );
    }
}

#[test]
fn a_deleted_pod_ends_by_its_exit_codes_whatever_its_policy() {
    for (exit_code, expected) in [(0, "Succeeded"), (143, "Failed")] {
        let mut records = records(&[], &["main"]);
        records[0].state = State::Ended(ended(exit_code));
        let facts = Facts {
            done: true,
            ..facts(RestartPolicy::Always)
        };
        assert_eq!(phase(&records, &facts), expected);
    }
}

#[test]
fn a_container_that_crashed_before_keeps_that_as_its_last_state() {
    let mut records = records(&[], &["main"]);
    records[0].last = Some(ended(3));
    records[0].restarts = 2;
    records[0].state = State::Waiting(Waiting {
        reason: Some("CrashLoopBackOff"),
        message: Some("back-off".to_owned()),
        until: None,
    });
    let status = written(&records, &facts(RestartPolicy::Always));
    let container = &status["containerStatuses"][0];
    assert_eq!(status["phase"], "Running");
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    let waiting = json!({"reason": "CrashLoopBackOff", "message": "back-off"});
    assert_eq!(container["state"]["waiting"], waiting);
}

#[test]
fn a_transition_keeps_its_time_and_conditions_of_others_stay() {
    let mut records = records(&[], &["main"]);
    let facts = facts(RestartPolicy::Always);
    let mut status = json!({"conditions": [{"type": "PodScheduled", "status": "True"}]});
    write(&mut status, &records, &facts, NOW);
    let later = NOW + jiff::SignedDuration::from_secs(60);
    records[0].state = running(true);
    write(&mut status, &records, &facts, later);
    let time = |kind| {
        condition(&status, kind)["lastTransitionTime"]
            .as_str()
            .unwrap()
    };
    assert_eq!(time("Initialized"), "1970-01-01T00:00:00Z");
    assert_eq!(time("Ready"), "1970-01-01T00:01:00Z");
    assert_eq!(condition(&status, "PodScheduled")["status"], "True");
    let before = status.clone();
    write(
        &mut status,
        &records,
        &facts,
        later + jiff::SignedDuration::from_secs(60),
    );
    assert_eq!(status, before, "nothing changed, nothing is written");
}

#[test]
fn a_pod_is_not_ready_before_its_gates_are_open() {
    let mut records = records(&[], &["main"]);
    records[0].state = running(true);
    let facts = Facts {
        gates: vec!["example.com/on".to_owned()],
        ..facts(RestartPolicy::Always)
    };
    let status = written(&records, &facts);
    assert_eq!(
        condition(&status, "Ready")["reason"],
        "ReadinessGatesNotReady"
    );
    assert_eq!(condition(&status, "ContainersReady")["status"], "True");
}
