//! The rules of Deployments, one by one; the steps of whole rollouts are in [`super::property`].

use std::{collections::HashMap, time::Duration};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::controllers::object::Object;

use super::{
    plan::{Decision, World, decide},
    status::find,
};

const START: &str = "2026-01-02T03:04:05Z";

/// `seconds` after the start.
fn at(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]}})
}

/// A Deployment `web` of image `v2`, with the given fields of its spec and status.
#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn deployment(spec: Value, status: Value) -> Value {
    let mut object = json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": 4, "selector": {"matchLabels": {"app": "web"}}, "template": template("v2"),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
            "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
        },
        "status": status,
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

/// A ReplicaSet of an image, created as the `age`th, with pods that are all there, some available.
fn set(image: &str, age: i64, replicas: i32, available: i32) -> Value {
    json!({
        "metadata": {
            "name": format!("web-{image}"), "namespace": "default", "uid": image, "generation": 1,
            "creationTimestamp": at(age).to_string(),
            "annotations": {
                "deployment.kubernetes.io/revision": (age + 1).to_string(),
                "deployment.kubernetes.io/desired-replicas": "4",
                "deployment.kubernetes.io/max-replicas": "5",
            },
        },
        "spec": {"replicas": replicas, "selector": {}, "template": template(image)},
        "status": {"replicas": replicas, "readyReplicas": available, "availableReplicas": available,
            "terminatingReplicas": 0, "observedGeneration": 1},
    })
}

fn world(deployment: Value, sets: Vec<Value>) -> World {
    World {
        deployment: Object::of(deployment),
        replica_sets: sets.into_iter().map(Object::of).collect(),
        taken: Vec::new(),
        running: HashMap::new(),
    }
}

/// The sizes that change, by the name of the ReplicaSet.
fn sizes(decision: &Decision) -> Vec<(&str, i32)> {
    decision
        .update
        .iter()
        .map(|it| (it.name.as_str(), it.replicas))
        .collect()
}

fn messages(decision: &Decision) -> Vec<&str> {
    decision.events.iter().map(|it| it.2.as_str()).collect()
}

/// Status, reason and message of a condition.
fn condition<'a>(decision: &'a Decision, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let found = find(decision.status.conditions.as_deref()?, type_)?;
    Some((
        &found.status,
        found.reason.as_deref()?,
        found.message.as_deref()?,
    ))
}

fn progressing(status: &str, reason: &str, since: i64) -> Value {
    json!({"type": "Progressing", "status": status, "reason": reason, "message": "",
        "lastUpdateTime": at(since).to_string(), "lastTransitionTime": at(since).to_string()})
}

#[test]
fn a_new_deployment_gets_a_replica_set_of_full_size() {
    let world = world(deployment(json!({}), json!({})), vec![]);
    let decision = decide(&world, at(0));
    let set = decision.create.as_ref().unwrap();
    let hash = set["metadata"]["labels"]["pod-template-hash"]
        .as_str()
        .unwrap();
    assert_eq!(set["metadata"]["name"], format!("web-{hash}"));
    assert_eq!(set["spec"]["replicas"], 4);
    assert_eq!(
        set["spec"]["selector"]["matchLabels"],
        json!({"app": "web", "pod-template-hash": hash})
    );
    assert_eq!(
        set["spec"]["template"]["metadata"]["labels"]["pod-template-hash"],
        hash
    );
    assert_eq!(
        set["metadata"]["annotations"],
        json!({"deployment.kubernetes.io/revision": "1", "deployment.kubernetes.io/desired-replicas": "4",
            "deployment.kubernetes.io/max-replicas": "5"})
    );
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], "d");
    assert_eq!(decision.revision.as_deref(), Some("1"));
    assert_eq!(
        messages(&decision),
        [format!("Scaled up replica set web-{hash} from 0 to 4")]
    );
    let message = format!("Created new replica set \"web-{hash}\"");
    assert_eq!(
        condition(&decision, "Progressing"),
        Some(("True", "NewReplicaSetCreated", message.as_str()))
    );
}

#[test]
fn a_new_template_gets_a_replica_set_as_large_as_the_surge() {
    let world = world(deployment(json!({}), json!({})), vec![set("v1", 0, 4, 4)]);
    let decision = decide(&world, at(9));
    assert_eq!(decision.create.unwrap()["spec"]["replicas"], 1);
    assert_eq!(decision.revision.as_deref(), Some("2"));
}

#[test]
fn old_pods_go_as_far_as_availability_allows() {
    let world = world(
        deployment(json!({}), json!({})),
        vec![set("v1", 0, 4, 4), set("v2", 1, 1, 0)],
    );
    let decision = decide(&world, at(9));
    assert_eq!(sizes(&decision), [("web-v1", 3)]);
    assert_eq!(
        messages(&decision),
        ["Scaled down replica set web-v1 from 4 to 3"]
    );
}

#[test]
fn unhealthy_old_pods_go_first() {
    let sets = vec![set("v0", 0, 2, 2), set("v1", 1, 2, 1), set("v2", 2, 1, 0)];
    let decision = decide(&world(deployment(json!({}), json!({})), sets), at(9));
    assert_eq!(sizes(&decision), [("web-v1", 1)]);
}

#[test]
fn counts_that_are_older_than_sizes_take_no_available_pod_away() {
    // v1 was scaled from 4 to 3 just now; its pod is still there.
    let mut old = set("v1", 0, 3, 4);
    old["status"]["replicas"] = json!(4);
    let decision = decide(
        &world(
            deployment(json!({}), json!({})),
            vec![old, set("v2", 1, 2, 0)],
        ),
        at(9),
    );
    assert_eq!(sizes(&decision), []);
}

#[test]
fn a_template_that_comes_back_uses_its_replica_set_again() {
    let sets = vec![set("v2", 0, 0, 0), set("v1", 1, 4, 4)];
    let decision = decide(&world(deployment(json!({}), json!({})), sets), at(9));
    assert_eq!(decision.create, None);
    assert_eq!(sizes(&decision), [("web-v2", 1)]);
    assert_eq!(decision.revision.as_deref(), Some("3"));
    let annotations = &decision.update[0].annotations;
    assert_eq!(
        annotations["deployment.kubernetes.io/revision-history"],
        "1"
    );
}

#[test]
fn a_name_that_is_taken_is_a_collision() {
    let mut world = world(deployment(json!({}), json!({})), vec![]);
    let first = decide(&world, at(0)).create.unwrap();
    world
        .taken
        .push(first["metadata"]["name"].as_str().unwrap().to_owned());
    let decision = decide(&world, at(0));
    assert_eq!(decision.create, None);
    assert_eq!(decision.status.collision_count, Some(1));
    assert_eq!(decision.again, Some(Duration::ZERO));
    let counted = json!({"collisionCount": 1});
    let world = self::world(deployment(json!({}), counted), vec![]);
    let second = decide(&world, at(0)).create.unwrap();
    assert_ne!(first["metadata"]["name"], second["metadata"]["name"]);
}

#[test]
fn scaling_amid_a_rollout_keeps_the_proportions() {
    let sets = vec![set("v1", 0, 3, 3), set("v2", 1, 2, 1)];
    let decision = decide(
        &world(deployment(json!({"replicas": 9}), json!({})), sets),
        at(9),
    );
    assert_eq!(sizes(&decision), [("web-v1", 6), ("web-v2", 4)]);
    assert_eq!(
        decision.update[0].annotations["deployment.kubernetes.io/max-replicas"],
        "10"
    );
}

#[test]
fn scaling_amid_a_rollout_down_to_nothing_leaves_nothing() {
    let sets = vec![set("v1", 0, 3, 3), set("v2", 1, 2, 1)];
    let decision = decide(
        &world(deployment(json!({"replicas": 0}), json!({})), sets),
        at(9),
    );
    assert_eq!(sizes(&decision), [("web-v1", 0), ("web-v2", 0)]);
}

#[test]
fn a_paused_deployment_is_scaled_but_not_rolled() {
    let paused = deployment(json!({"paused": true, "replicas": 6}), json!({}));
    let decision = decide(&world(paused, vec![set("v1", 0, 4, 4)]), at(9));
    assert_eq!(decision.create, None);
    assert_eq!(sizes(&decision), [("web-v1", 6)]);
    assert_eq!(
        condition(&decision, "Progressing"),
        Some(("Unknown", "DeploymentPaused", "Deployment is paused"))
    );
}

#[test]
fn a_resumed_deployment_says_so() {
    let status = json!({"conditions": [progressing("Unknown", "DeploymentPaused", 0)]});
    let decision = decide(
        &world(deployment(json!({}), status), vec![set("v1", 0, 4, 4)]),
        at(9),
    );
    assert!(decision.create.is_some());
    let status = json!({"conditions": [progressing("Unknown", "DeploymentPaused", 0)], "replicas": 4,
        "updatedReplicas": 4, "readyReplicas": 1, "availableReplicas": 1});
    let decision = decide(
        &world(deployment(json!({}), status), vec![set("v2", 0, 4, 1)]),
        at(9),
    );
    assert_eq!(
        condition(&decision, "Progressing"),
        Some(("Unknown", "DeploymentResumed", "Deployment is resumed"))
    );
}

#[test]
fn recreate_waits_until_the_last_old_pod_has_ended() {
    let recreate = || deployment(json!({"strategy": {"type": "Recreate"}}), json!({}));
    let decision = decide(&world(recreate(), vec![set("v1", 0, 4, 4)]), at(9));
    assert_eq!(
        (sizes(&decision), &decision.create),
        (vec![("web-v1", 0)], &None)
    );
    let mut ending = world(recreate(), vec![set("v1", 0, 0, 0)]);
    ending.running.insert("v1".to_owned(), 1);
    assert_eq!(decide(&ending, at(9)).create, None);
    ending.running.clear();
    assert_eq!(
        decide(&ending, at(9)).create.unwrap()["spec"]["replicas"],
        4
    );
}

#[test]
fn a_complete_rollout_says_so_and_stays_so() {
    let moving = json!({"conditions": [progressing("True", "ReplicaSetUpdated", 0)], "replicas": 4,
        "updatedReplicas": 4, "readyReplicas": 3, "availableReplicas": 3, "observedGeneration": 1});
    let done = decide(
        &world(deployment(json!({}), moving), vec![set("v2", 0, 4, 4)]),
        at(9),
    );
    assert_eq!(
        condition(&done, "Progressing"),
        Some((
            "True",
            "NewReplicaSetAvailable",
            "ReplicaSet \"web-v2\" has successfully progressed."
        ))
    );
    assert_eq!(
        condition(&done, "Available"),
        Some((
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability."
        ))
    );
    assert_eq!(done.again, None);
    let status = serde_json::to_value(&done.status).unwrap();
    let later = decide(
        &world(deployment(json!({}), status), vec![set("v2", 0, 4, 4)]),
        at(5000),
    );
    assert_eq!(later.status, done.status);
    assert_eq!(
        (later.update, later.create, later.events),
        (vec![], None, vec![])
    );
}

#[test]
fn a_rollout_without_progress_is_late_after_the_deadline() {
    let status = |seconds| {
        let status = json!({"conditions": [progressing("True", "ReplicaSetUpdated", 0)], "replicas": 4,
            "updatedReplicas": 4, "readyReplicas": 2, "availableReplicas": 2, "observedGeneration": 1});
        decide(
            &world(deployment(json!({}), status), vec![set("v2", 0, 4, 2)]),
            at(seconds),
        )
    };
    let waiting = status(10);
    assert_eq!(
        condition(&waiting, "Progressing").unwrap().1,
        "ReplicaSetUpdated"
    );
    assert_eq!(waiting.again, Some(Duration::from_secs(591)));
    let late = status(601);
    assert_eq!(
        condition(&late, "Progressing"),
        Some((
            "False",
            "ProgressDeadlineExceeded",
            "ReplicaSet \"web-v2\" has timed out progressing."
        ))
    );
    assert_eq!(late.again, None);
    assert_eq!(
        condition(&late, "Available"),
        Some((
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability."
        ))
    );
}

#[test]
fn a_pod_that_becomes_ready_is_progress_and_moves_the_deadline() {
    let status = json!({"conditions": [progressing("True", "ReplicaSetUpdated", 0)], "replicas": 4,
        "updatedReplicas": 4, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1});
    let decision = decide(
        &world(deployment(json!({}), status), vec![set("v2", 0, 4, 2)]),
        at(599),
    );
    let conditions = decision.status.conditions.as_deref().unwrap();
    let found = find(conditions, "Progressing").unwrap();
    assert_eq!(found.last_update_time.as_ref().unwrap().0, at(599));
    assert_eq!(found.last_transition_time.as_ref().unwrap().0, at(0));
}

#[test]
fn a_replica_set_that_cannot_make_pods_is_told() {
    let mut failing = set("v2", 0, 4, 1);
    failing["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"web-v2-x\" is forbidden: no", "lastTransitionTime": at(3).to_string()}]);
    let decision = decide(
        &world(deployment(json!({}), json!({})), vec![failing]),
        at(9),
    );
    assert_eq!(
        condition(&decision, "ReplicaFailure"),
        Some(("True", "FailedCreate", "pods \"web-v2-x\" is forbidden: no"))
    );
}

#[test]
fn counts_are_those_of_the_replica_sets() {
    let decision = decide(
        &world(
            deployment(json!({}), json!({})),
            vec![set("v1", 0, 3, 3), set("v2", 1, 2, 1)],
        ),
        at(9),
    );
    let status = serde_json::to_value(&decision.status).unwrap();
    for (field, count) in [
        ("replicas", 5),
        ("updatedReplicas", 2),
        ("readyReplicas", 4),
        ("availableReplicas", 4),
        ("terminatingReplicas", 0),
        ("observedGeneration", 1),
    ] {
        assert_eq!(status[field], count, "{field}");
    }
}

#[test]
fn replica_sets_of_the_past_are_kept_up_to_the_limit() {
    let status = json!({"conditions": [progressing("True", "NewReplicaSetAvailable", 0)], "replicas": 4,
        "updatedReplicas": 4, "readyReplicas": 4, "availableReplicas": 4, "observedGeneration": 1});
    let limited = deployment(json!({"revisionHistoryLimit": 1}), status);
    let mut unsettled = set("b", 1, 0, 0);
    unsettled["metadata"]["generation"] = json!(2);
    let sets = vec![
        set("a", 0, 0, 0),
        unsettled,
        set("c", 2, 0, 0),
        set("v2", 3, 4, 4),
    ];
    assert_eq!(decide(&world(limited, sets), at(9)).delete, ["web-a"]);
}

#[test]
fn a_deployment_that_is_being_deleted_only_counts() {
    let mut going = deployment(json!({}), json!({}));
    going["metadata"]["deletionTimestamp"] = json!(START);
    let decision = decide(&world(going, vec![set("v1", 0, 4, 4)]), at(9));
    assert_eq!((decision.create, decision.update), (None, vec![]));
    assert_eq!(decision.status.replicas, Some(4));
}

#[test]
fn min_ready_seconds_reach_the_replica_set() {
    let decision = decide(
        &world(
            deployment(json!({"minReadySeconds": 7}), json!({})),
            vec![set("v2", 0, 4, 4)],
        ),
        at(9),
    );
    assert_eq!(decision.update[0].min_ready_seconds, Some(7));
}
