//! The rules of StatefulSets.

use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetStatus},
        core::v1::Pod,
    },
    jiff::Timestamp,
};
use serde_json::{Value, json};

use crate::controllers::object::Object;

use super::{
    decide::{Action, World, decide},
    revision::{Revision, Revisions},
};

const NOW: &str = "2026-01-02T04:00:00Z";

/// A StatefulSet `db` of three, with some fields of its spec changed.
#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn set(spec: Value) -> Value {
    let mut set = json!({
        "metadata": {"name": "db", "namespace": "default", "uid": "s", "generation": 2},
        "spec": {"replicas": 3, "selector": {}, "serviceName": "db", "template": {},
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}},
    });
    for (key, value) in spec.as_object().unwrap() {
        set["spec"][key] = value.clone();
    }
    set
}

/// Pods by ordinal: state and revision, as `ready old`.
fn pods(states: &[(i32, &str)]) -> Vec<Object<Pod>> {
    let pod = |&(ordinal, state): &(i32, &str)| {
        let (state, revision) = state.split_once(' ').unwrap();
        let name = format!("db-{ordinal}");
        let mut pod = json!({
            "metadata": {"name": name, "labels": {
                "statefulset.kubernetes.io/pod-name": name, "controller-revision-hash": revision}},
            "spec": {"containers": []},
            "status": {"phase": "Running", "conditions": [{"type": "Ready",
                "status": if state == "unready" { "False" } else { "True" },
                "lastTransitionTime": "2026-01-02T03:59:50Z"}]},
        });
        match state {
            "going" => pod["metadata"]["deletionTimestamp"] = json!(NOW),
            "Failed" | "Succeeded" => pod["status"]["phase"] = json!(state),
            _ => {}
        }
        Object::of(pod)
    };
    states.iter().map(pod).collect()
}

fn with<T>(set: Value, pods: &[Object<Pod>], of: impl FnOnce(&World<'_>) -> T) -> T {
    let set: Object<StatefulSet> = Object::of(set);
    let revision = |name: &str| Revision {
        name: name.to_owned(),
        template: json!({"spec": {}}),
    };
    let revisions = Revisions {
        current: revision("old"),
        update: revision("new"),
        collisions: 0,
        create: None,
        renumber: None,
    };
    let now: Timestamp = NOW.parse().unwrap();
    let spec = set.spec.as_ref().unwrap();
    of(&World {
        set: &set,
        spec,
        pods,
        revisions: &revisions,
        now,
    })
}

/// What is done: `+db-0 new`, `-db-1`.
fn steps(spec: Value, states: &[(i32, &str)]) -> Vec<String> {
    let step = |action: Action| match action {
        Action::Create(pod) => format!(
            "+{} {}",
            pod["metadata"]["name"].as_str().unwrap(),
            pod["metadata"]["labels"]["controller-revision-hash"]
                .as_str()
                .unwrap()
        ),
        Action::Delete { name, ended } => format!("-{name}{}", ended.unwrap_or_default()),
        Action::Identify { name, .. } => format!("={name}"),
    };
    with(set(spec), &pods(states), |world| {
        decide(world).into_iter().map(step).collect()
    })
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "lifetimes")]
fn status(spec: Value, states: &[(i32, &str)]) -> StatefulSetStatus {
    with(set(spec), &pods(states), |world| world.status())
}

#[test]
fn pods_are_made_one_by_one_each_when_those_before_are_ready() {
    assert_eq!(steps(json!({}), &[]), ["+db-0 new"]);
    assert_eq!(steps(json!({}), &[(0, "unready new")]), [""; 0]);
    assert_eq!(steps(json!({}), &[(0, "ready new")]), ["+db-1 new"]);
    assert_eq!(
        steps(json!({}), &[(0, "ready new"), (2, "ready new")]),
        ["+db-1 new"]
    );
}

#[test]
fn parallel_pods_are_made_at_once() {
    let parallel = json!({"podManagementPolicy": "Parallel"});
    assert_eq!(
        steps(parallel, &[(1, "unready new")]),
        ["+db-0 new", "+db-2 new"]
    );
}

#[test]
fn ordinals_may_start_later() {
    assert_eq!(steps(json!({"ordinals": {"start": 5}}), &[]), ["+db-5 new"]);
    assert_eq!(
        steps(
            json!({"ordinals": {"start": 5}, "replicas": 1}),
            &[(5, "ready new"), (0, "ready new")]
        ),
        ["-db-0"]
    );
}

#[test]
fn a_pod_that_is_going_is_waited_for_before_its_name_is_used_again() {
    assert_eq!(
        steps(
            json!({}),
            &[(0, "going new"), (1, "ready new"), (2, "ready new")]
        ),
        [""; 0]
    );
    let parallel = json!({"podManagementPolicy": "Parallel"});
    assert_eq!(
        steps(
            parallel,
            &[(0, "going new"), (1, "ready new"), (2, "ready new")]
        ),
        [""; 0]
    );
}

#[test]
fn a_pod_that_ended_is_made_again() {
    assert_eq!(steps(json!({}), &[(0, "Failed new")]), ["-db-0Failed"]);
    assert_eq!(
        steps(json!({}), &[(0, "Succeeded new")]),
        ["-db-0Terminated"]
    );
}

#[test]
fn scaling_down_takes_the_last_first_and_waits_for_it() {
    let one = || json!({"replicas": 1});
    let ready = [(0, "ready new"), (1, "ready new"), (2, "ready new")];
    assert_eq!(steps(one(), &ready), ["-db-2"]);
    assert_eq!(
        steps(
            one(),
            &[(0, "ready new"), (1, "ready new"), (2, "going new")]
        ),
        [""; 0]
    );
    // Only healthy others let a pod go, unless it is the first that is not.
    assert_eq!(
        steps(
            one(),
            &[(0, "ready new"), (1, "unready new"), (2, "ready new")]
        ),
        ["-db-2"]
    );
    assert_eq!(
        steps(
            one(),
            &[(0, "ready new"), (1, "unready new"), (2, "unready new")]
        ),
        [""; 0]
    );
    assert_eq!(
        steps(one(), &[(0, "ready new"), (1, "unready new")]),
        ["-db-1"]
    );
    assert_eq!(
        steps(one(), &[(0, "unready new"), (1, "ready new")]),
        [""; 0]
    );
    let parallel = json!({"replicas": 1, "podManagementPolicy": "Parallel"});
    assert_eq!(steps(parallel, &ready), ["-db-2", "-db-1"]);
}

#[test]
fn an_update_goes_from_the_last_to_the_first_one_at_a_time() {
    let update =
        |states: [&str; 3]| steps(json!({}), &[(0, states[0]), (1, states[1]), (2, states[2])]);
    assert_eq!(update(["ready old", "ready old", "ready old"]), ["-db-2"]);
    assert_eq!(update(["ready old", "ready old", "going old"]), [""; 0]);
    assert_eq!(update(["ready old", "ready old", "unready new"]), [""; 0]);
    assert_eq!(update(["ready old", "ready old", "ready new"]), ["-db-1"]);
    assert_eq!(update(["ready new", "ready new", "ready new"]), [""; 0]);
}

#[test]
fn an_update_stops_at_the_partition() {
    let partition = |it: i32| json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": it}}});
    assert_eq!(
        steps(
            partition(2),
            &[(0, "ready old"), (1, "ready old"), (2, "ready new")]
        ),
        [""; 0]
    );
    assert_eq!(
        steps(
            partition(1),
            &[(0, "ready old"), (1, "ready old"), (2, "ready new")]
        ),
        ["-db-1"]
    );
    assert_eq!(steps(partition(1), &[]), ["+db-0 old"]);
    assert_eq!(steps(partition(1), &[(0, "ready old")]), ["+db-1 new"]);
}

#[test]
fn more_pods_may_be_updated_at_once() {
    let two = json!({"podManagementPolicy": "Parallel", "updateStrategy": {"type": "RollingUpdate",
        "rollingUpdate": {"partition": 0, "maxUnavailable": 2}}});
    assert_eq!(
        steps(two, &[(0, "ready old"), (1, "ready old"), (2, "ready old")]),
        ["-db-2", "-db-1"]
    );
}

#[test]
fn on_delete_updates_what_others_delete() {
    let on_delete = || json!({"updateStrategy": {"type": "OnDelete"}});
    assert_eq!(
        steps(
            on_delete(),
            &[(0, "ready old"), (1, "ready old"), (2, "ready old")]
        ),
        [""; 0]
    );
    assert_eq!(
        steps(on_delete(), &[(1, "ready old"), (2, "ready old")]),
        ["+db-0 new"]
    );
}

#[test]
fn a_broken_pod_of_an_old_revision_does_not_stop_a_parallel_update() {
    let parallel = json!({"podManagementPolicy": "Parallel"});
    assert_eq!(
        steps(
            parallel,
            &[(0, "ready old"), (1, "ready old"), (2, "unready older")]
        ),
        ["-db-2"]
    );
}

#[test]
fn a_set_that_is_being_deleted_does_nothing() {
    let mut going = set(json!({}));
    going["metadata"]["deletionTimestamp"] = json!(NOW);
    assert_eq!(with(going, &[], decide), []);
}

#[test]
fn a_name_label_that_was_taken_away_is_restored() {
    let mut pod = (*pods(&[(0, "ready new")])[0].raw).clone();
    pod["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("statefulset.kubernetes.io/pod-name");
    let actions = with(set(json!({"replicas": 1})), &[Object::of(pod)], decide);
    assert_eq!(
        actions,
        [Action::Identify {
            name: "db-0".to_owned(),
            ordinal: 0
        }]
    );
}

#[test]
fn the_status_counts_by_revision() {
    let status = status(
        json!({}),
        &[(0, "ready old"), (1, "unready new"), (2, "going old")],
    );
    assert_eq!(
        serde_json::to_value(status).unwrap(),
        json!({"observedGeneration": 2, "replicas": 3, "readyReplicas": 2, "availableReplicas": 2,
            "currentReplicas": 1, "updatedReplicas": 1, "currentRevision": "old", "updateRevision": "new",
            "collisionCount": 0})
    );
}

#[test]
fn when_all_pods_are_updated_and_ready_the_new_revision_is_the_current_one() {
    let updated = status(
        json!({}),
        &[(0, "ready new"), (1, "ready new"), (2, "ready new")],
    );
    assert_eq!(updated.current_revision.as_deref(), Some("new"));
    assert_eq!(
        (updated.current_replicas, updated.updated_replicas),
        (Some(3), Some(3))
    );
    let partly = status(
        json!({}),
        &[(0, "ready new"), (1, "ready new"), (2, "unready new")],
    );
    assert_eq!(partly.current_revision.as_deref(), Some("old"));
}

#[test]
fn min_ready_seconds_hold_the_next_pod_back() {
    let slow = || json!({"minReadySeconds": 30});
    assert_eq!(steps(slow(), &[(0, "ready new")]), [""; 0]);
    assert_eq!(
        status(slow(), &[(0, "ready new")]).available_replicas,
        Some(0)
    );
    let again = with(set(slow()), &pods(&[(0, "ready new")]), |world| {
        world.again()
    });
    assert_eq!(again.unwrap().as_secs(), 20);
}
