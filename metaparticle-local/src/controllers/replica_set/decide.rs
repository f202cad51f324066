//! What a ReplicaSet does next, and its status.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};

use crate::controllers::{
    object::{Object, count},
    pods::{available_in, is_active, is_available, is_ready, is_terminating},
};

use super::rank;

/// The most pods made or deleted at once.
const BURST: usize = 500;

/// What to do with pods.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Make so many.
    Create(usize),
    /// Delete these.
    Delete(Vec<String>),
}

/// Decides; nothing while the ReplicaSet is being deleted.
pub(super) fn decide(
    set: &Object<ReplicaSet>,
    pods: &[Object<Pod>],
    now: Timestamp,
) -> Option<Action> {
    if set.is_deleting() {
        return None;
    }
    let wanted = usize::try_from(replicas(set)).unwrap_or_default();
    let mut active: Vec<&Object<Pod>> = pods.iter().filter(|it| is_active(it)).collect();
    if active.len() < wanted {
        return Some(Action::Create((wanted - active.len()).min(BURST)));
    }
    let surplus = (active.len() - wanted).min(BURST);
    active.sort_by(|one, other| rank::order(one, other, now));
    let names: Vec<String> = active
        .iter()
        .take(surplus)
        .map(|it| it.name().to_owned())
        .collect();
    (!names.is_empty()).then_some(Action::Delete(names))
}

/// `spec.replicas`.
pub(super) fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|it| it.replicas).unwrap_or(1)
}

/// The status, where `failure` is the reason and message of what went wrong with pods just now.
pub(super) fn status(
    set: &Object<ReplicaSet>,
    pods: &[Object<Pod>],
    failure: Option<(&str, &str)>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let active = || pods.iter().filter(|it| is_active(it));
    let number = |of: usize| i32::try_from(of).unwrap_or(i32::MAX);
    let labels = set
        .spec
        .as_ref()
        .and_then(|it| it.template.as_ref()?.metadata.as_ref()?.labels.as_ref());
    let labelled = |pod: &&Object<Pod>| {
        let own = pod.metadata.labels.as_ref();
        labels
            .into_iter()
            .flatten()
            .all(|(key, value)| own.and_then(|it| it.get(key)) == Some(value))
    };
    let seconds = min_ready_seconds(set);
    let before = set
        .status
        .as_ref()
        .and_then(|it| it.conditions.clone())
        .unwrap_or_default();
    let conditions = conditions(before, failure, now);
    ReplicaSetStatus {
        replicas: number(active().count()),
        fully_labeled_replicas: count(number(active().filter(labelled).count())),
        ready_replicas: count(number(active().filter(|it| is_ready(it)).count())),
        available_replicas: count(number(
            active().filter(|it| is_available(it, seconds, now)).count(),
        )),
        terminating_replicas: Some(number(pods.iter().filter(|it| is_terminating(it)).count())),
        observed_generation: set.metadata.generation,
        conditions: (!conditions.is_empty()).then_some(conditions),
    }
}

/// A failure that lasts keeps its time and words.
fn conditions(
    mut conditions: Vec<ReplicaSetCondition>,
    failure: Option<(&str, &str)>,
    now: Timestamp,
) -> Vec<ReplicaSetCondition> {
    let Some((reason, message)) = failure else {
        conditions.retain(|it| it.type_ != "ReplicaFailure");
        return conditions;
    };
    if !conditions.iter().any(|it| it.type_ == "ReplicaFailure") {
        conditions.push(ReplicaSetCondition {
            type_: "ReplicaFailure".to_owned(),
            status: "True".to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_transition_time: Some(Time(now)),
        });
    }
    conditions
}

/// When the next pod that is ready becomes available.
pub(super) fn again(
    set: &Object<ReplicaSet>,
    pods: &[Object<Pod>],
    now: Timestamp,
) -> Option<Duration> {
    let active = pods.iter().filter(|it| is_active(it));
    let delays = active.filter_map(|it| available_in(it, min_ready_seconds(set), now));
    delays.filter(|it| !it.is_zero()).min()
}

fn min_ready_seconds(set: &ReplicaSet) -> i32 {
    set.spec
        .as_ref()
        .and_then(|it| it.min_ready_seconds)
        .unwrap_or_default()
}

/// How many are made together: 1, 2, 4 and so on while none fails, so that what cannot work is not tried 500 times.
pub(in crate::controllers) fn batches(total: usize) -> impl Iterator<Item = usize> {
    let mut left = total;
    let mut size = 1;
    std::iter::from_fn(move || {
        let batch = size.min(left);
        left -= batch;
        size *= 2;
        (batch > 0).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-01-02T04:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn set(replicas: i32) -> Value {
        json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "s", "generation": 3},
            "spec": {"replicas": replicas, "selector": {}, "template": {"metadata": {"labels": {"app": "web"}}}},
        })
    }

    /// `ready`, `unready`, `going`, `failed`.
    fn pods(states: &[&str]) -> Vec<Object<Pod>> {
        let pod = |(index, state): (usize, &&str)| {
            let mut pod = json!({
                "metadata": {"name": format!("{state}-{index}"), "labels": {"app": "web"}},
                "spec": {"containers": [], "nodeName": "local"},
                "status": {"phase": "Running", "conditions": [{"type": "Ready",
                    "status": if *state == "ready" { "True" } else { "False" },
                    "lastTransitionTime": "2026-01-02T03:59:50Z"}]},
            });
            if *state == "going" {
                pod["metadata"]["deletionTimestamp"] = json!(NOW);
            }
            if *state == "failed" {
                pod["status"]["phase"] = json!("Failed");
            }
            Object::of(pod)
        };
        states.iter().enumerate().map(pod).collect()
    }

    #[test]
    fn pods_that_go_or_failed_are_replaced() {
        let pods = pods(&["ready", "going", "failed"]);
        assert_eq!(
            decide(&Object::of(set(3)), &pods, now()),
            Some(Action::Create(2))
        );
        assert_eq!(decide(&Object::of(set(1)), &pods, now()), None);
    }

    #[test]
    fn surplus_pods_are_deleted_the_least_missed_first() {
        let pods = pods(&["ready", "unready", "ready"]);
        let decision = decide(&Object::of(set(2)), &pods, now());
        assert_eq!(decision, Some(Action::Delete(vec!["unready-1".to_owned()])));
    }

    #[test]
    fn a_set_that_is_being_deleted_makes_and_deletes_nothing() {
        let mut set = set(3);
        set["metadata"]["deletionTimestamp"] = json!(NOW);
        assert_eq!(decide(&Object::of(set), &pods(&["ready"]), now()), None);
    }

    #[test]
    fn at_most_five_hundred_pods_at_once() {
        assert_eq!(
            decide(&Object::of(set(2000)), &[], now()),
            Some(Action::Create(500))
        );
    }

    #[test]
    fn batches_double() {
        assert_eq!(batches(10).collect::<Vec<_>>(), [1, 2, 4, 3]);
        assert_eq!(batches(0).count(), 0);
    }

    #[test]
    fn the_status_counts_active_pods() {
        let mut pods = pods(&["ready", "unready", "going", "failed", "ready"]);
        let mut other = (*pods[4].raw).clone();
        other["metadata"]["labels"] = json!({"app": "web", "more": "x"});
        pods[4] = Object::of(other);
        let status = status(&Object::of(set(3)), &pods, None, now());
        assert_eq!(
            serde_json::to_value(status).unwrap(),
            json!({"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 2,
                "terminatingReplicas": 1, "observedGeneration": 3})
        );
    }

    #[test]
    fn ready_pods_become_available_after_min_ready_seconds() {
        let mut set = set(1);
        set["spec"]["minReadySeconds"] = json!(30);
        let set = Object::of(set);
        let pods = pods(&["ready"]);
        assert_eq!(status(&set, &pods, None, now()).available_replicas, None);
        assert_eq!(again(&set, &pods, now()), Some(Duration::from_secs(20)));
        let later = now() + Duration::from_secs(20);
        assert_eq!(status(&set, &pods, None, later).available_replicas, Some(1));
        assert_eq!(again(&set, &pods, later), None);
    }

    #[test]
    fn a_failure_is_told_once_and_taken_back() {
        let failed = status(
            &Object::of(set(3)),
            &[],
            Some(("FailedCreate", "no")),
            now(),
        );
        let condition = failed.conditions.as_ref().unwrap()[0].clone();
        assert_eq!(
            (condition.reason.as_deref(), condition.message.as_deref()),
            (Some("FailedCreate"), Some("no"))
        );
        let mut set = set(3);
        set["status"] = serde_json::to_value(&failed).unwrap();
        let set = Object::of(set);
        let later = now() + Duration::from_secs(9);
        let again = status(&set, &[], Some(("FailedCreate", "still no")), later);
        assert_eq!(again.conditions.unwrap(), [condition]);
        assert_eq!(status(&set, &[], None, later).conditions, None);
    }
}
