//! What a pod does next.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::*;
use crate::node::pod::record::{Ended, Running, Waiting};

const CONFIG: BackoffConfig = BackoffConfig {
    base: Duration::from_secs(10),
    most: Duration::from_secs(300),
};

fn container(name: &str, restart_policy: Option<&str>) -> Container {
    Container {
        name: name.to_owned(),
        restart_policy: restart_policy.map(str::to_owned),
        ..Container::default()
    }
}

/// Two init containers, a sidecar between them, and two main ones: 0, 1, 2, 3 and 4.
fn pod() -> Vec<Record> {
    Record::of(&PodSpec {
        init_containers: Some(vec![
            container("first", None),
            container("side", Some("Always")),
            container("second", None),
        ]),
        containers: vec![container("a", None), container("b", None)],
        ..PodSpec::default()
    })
}

/// One main container.
fn single() -> Vec<Record> {
    pod().split_off(4)
}

fn runs(record: &mut Record) {
    record.state = State::Running(Running {
        id: String::new(),
        since: Timestamp::UNIX_EPOCH,
        started: true,
        ready: true,
        stopping: false,
    });
}

fn ends(record: &mut Record, exit_code: i32, at: Instant) {
    record.state = State::Ended(Ended {
        id: String::new(),
        exit_code,
        reason: "",
        message: None,
        since: Timestamp::UNIX_EPOCH,
        finished: Timestamp::UNIX_EPOCH,
        at,
    });
}

fn next(records: &[Record], policy: RestartPolicy) -> Vec<Action> {
    decide(records, policy, false, CONFIG, Instant::now())
}

#[test]
fn init_containers_run_one_after_the_other_and_before_the_main_ones() {
    let mut records = pod();
    let now = Instant::now();
    assert_eq!(next(&records, RestartPolicy::Always), [Action::Start(0)]);
    runs(&mut records[0]);
    assert_eq!(next(&records, RestartPolicy::Always), []);
    ends(&mut records[0], 0, now);
    assert_eq!(next(&records, RestartPolicy::Always), [Action::Start(1)]);
    runs(&mut records[1]);
    assert_eq!(next(&records, RestartPolicy::Always), [Action::Start(2)]);
    ends(&mut records[2], 0, now);
    let both = [Action::Start(3), Action::Start(4)];
    assert_eq!(next(&records, RestartPolicy::Always), both);
}

#[test]
fn what_follows_a_sidecar_waits_for_its_startup_probe() {
    let mut records = pod();
    ends(&mut records[0], 0, Instant::now());
    runs(&mut records[1]);
    records[1].running_mut().unwrap().started = false;
    assert_eq!(next(&records, RestartPolicy::Always), []);
}

#[test]
fn a_failed_init_container_is_restarted_unless_never() {
    let mut records = pod();
    ends(&mut records[0], 1, Instant::now());
    assert_eq!(next(&records, RestartPolicy::OnFailure), [Action::Start(0)]);
    assert_eq!(next(&records, RestartPolicy::Never), []);
    assert!(is_over(&records, RestartPolicy::Never));
}

#[test]
fn init_containers_do_not_run_again_when_a_main_one_is_restarted() {
    let mut records = pod();
    runs(&mut records[3]);
    ends(&mut records[4], 1, Instant::now());
    let expected = [Action::Start(1), Action::Start(4)];
    assert_eq!(
        next(&records, RestartPolicy::Always),
        expected,
        "the sidecar is restarted, too"
    );
}

#[test]
fn the_policy_says_which_ends_are_final() {
    let table = [
        (RestartPolicy::Always, 0, false),
        (RestartPolicy::Always, 1, false),
        (RestartPolicy::OnFailure, 0, true),
        (RestartPolicy::OnFailure, 1, false),
        (RestartPolicy::Never, 0, true),
        (RestartPolicy::Never, 1, true),
    ];
    for (policy, exit_code, over) in table {
        let mut records = single();
        ends(&mut records[0], exit_code, Instant::now());
        assert_eq!(is_over(&records, policy), over, "{policy:?} {exit_code}");
        assert_eq!(
            next(&records, policy).is_empty(),
            over,
            "{policy:?} {exit_code}"
        );
    }
}

#[test]
fn a_second_crash_waits_and_is_started_when_its_time_has_come() {
    let mut records = single();
    let now = Instant::now();
    records[0].backoff.restarted(CONFIG, now);
    ends(&mut records[0], 1, now);
    let until = now + CONFIG.base;
    let wait = Action::Wait {
        index: 0,
        until,
        delay: CONFIG.base,
    };
    let decide_at =
        |records: &[Record], at| decide(records, RestartPolicy::Always, false, CONFIG, at);
    assert_eq!(decide_at(&records, now), [wait]);
    let State::Ended(ended) = records[0].state.clone() else {
        unreachable!()
    };
    records[0].last = Some(ended);
    records[0].state = State::Waiting(Waiting {
        until: Some(until),
        ..Waiting::default()
    });
    assert_eq!(decide_at(&records, now), [], "said once");
    assert_eq!(decide_at(&records, until), [Action::Start(0)]);
}

#[test]
fn main_containers_stop_first_and_sidecars_last_in_reverse() {
    let mut records = pod();
    records[0].role = Role::Sidecar;
    for index in [0, 1, 3, 4] {
        runs(&mut records[index]);
    }
    let ending =
        |records: &[Record]| decide(records, RestartPolicy::Always, true, CONFIG, Instant::now());
    assert_eq!(ending(&records), [Action::Stop(3), Action::Stop(4)]);
    records[3].running_mut().unwrap().stopping = true;
    assert_eq!(ending(&records), [Action::Stop(4)], "each is told once");
    for index in [3, 4] {
        ends(&mut records[index], 143, Instant::now());
    }
    assert_eq!(ending(&records), [Action::Stop(1)]);
    ends(&mut records[1], 143, Instant::now());
    assert_eq!(ending(&records), [Action::Stop(0)]);
}

#[test]
fn sidecars_end_when_the_main_containers_are_over() {
    let mut records = pod();
    runs(&mut records[1]);
    ends(&mut records[3], 0, Instant::now());
    ends(&mut records[4], 0, Instant::now());
    assert_eq!(next(&records, RestartPolicy::Never), [Action::Stop(1)]);
}
