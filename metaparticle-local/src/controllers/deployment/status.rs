//! The status of a Deployment: counts of its ReplicaSets, and the conditions `Available`, `Progressing`, `ReplicaFailure`.

use std::time::Duration;

use k8s_openapi::{
    api::apps::v1::{DeploymentCondition, DeploymentStatus},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use crate::controllers::{object::count, pods::until};

use super::{bounds::Bounds, plan::Plan, sets::Set};

/// A condition as it is now.
pub(super) fn condition(
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> DeploymentCondition {
    DeploymentCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

/// The condition of a type.
pub(super) fn find<'a>(
    conditions: &'a [DeploymentCondition],
    type_: &str,
) -> Option<&'a DeploymentCondition> {
    conditions.iter().find(|it| it.type_ == type_)
}

/// Replaces a condition, at the end of the list; the same status for the same reason stays as it is, the same status keeps
/// the time of its transition.
pub(super) fn set(conditions: &mut Vec<DeploymentCondition>, mut new: DeploymentCondition) {
    if let Some(old) = find(conditions, &new.type_) {
        if old.status == new.status && old.reason == new.reason {
            return;
        }
        if old.status == new.status {
            new.last_transition_time
                .clone_from(&old.last_transition_time);
        }
    }
    conditions.retain(|it| it.type_ != new.type_);
    conditions.push(new);
}

/// The counts, and whether enough pods are available.
pub(super) fn counted(plan: &Plan<'_>) -> DeploymentStatus {
    let all = || plan.sets.iter();
    let sum = |of: fn(&Set) -> i32| all().map(of).sum::<i32>();
    let available = sum(Set::available);
    let mut status = DeploymentStatus {
        observed_generation: plan.deployment.metadata.generation,
        replicas: count(sum(Set::pods)),
        updated_replicas: plan.new.and_then(|new| count(plan.sets[new].pods())),
        ready_replicas: count(sum(Set::ready)),
        available_replicas: count(available),
        unavailable_replicas: count((sum(|it| it.replicas) - available).max(0)),
        collision_count: plan.status.collision_count,
        conditions: plan.status.conditions.clone(),
        terminating_replicas: all().map(|it| it.status.terminating_replicas).sum(),
    };
    let (value, reason, message) = if available >= plan.bounds.least() {
        (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    let conditions = status.conditions.get_or_insert_default();
    set(
        conditions,
        condition("Available", value, reason, message, plan.now),
    );
    status
}

/// The status of a Deployment that rolls: also how it gets on.
pub(super) fn rolled(plan: &Plan<'_>) -> DeploymentStatus {
    let mut status = counted(plan);
    let mut conditions = status.conditions.take().unwrap_or_default();
    let deadline = plan.deadline();
    if deadline.is_none() {
        conditions.retain(|it| it.type_ != "Progressing");
    }
    let before = plan.progressing();
    let done = status.replicas == status.updated_replicas
        && before.is_some_and(|it| it.reason.as_deref() == Some("NewReplicaSetAvailable"));
    if let Some(deadline) = deadline.filter(|_| !done) {
        let subject = plan.new.map_or_else(
            || format!("Deployment \"{}\"", plan.deployment.name()),
            |new| format!("ReplicaSet \"{}\"", plan.sets[new].name),
        );
        let progress = |status: &str, reason: &str, words: &str| {
            condition(
                "Progressing",
                status,
                reason,
                &format!("{subject} {words}"),
                plan.now,
            )
        };
        if is_complete(&status, plan.bounds, plan.deployment.metadata.generation) {
            let words = "has successfully progressed.";
            set(
                &mut conditions,
                progress("True", "NewReplicaSetAvailable", words),
            );
        } else if has_moved(&plan.status, &status) {
            let mut new = progress("True", "ReplicaSetUpdated", "is progressing.");
            if let Some(before) = before.filter(|it| it.status == "True") {
                new.last_transition_time
                    .clone_from(&before.last_transition_time);
            }
            conditions.retain(|it| it.type_ != "Progressing");
            conditions.push(new);
        } else if due(&conditions, deadline).is_some_and(|due| due < plan.now) {
            let words = "has timed out progressing.";
            set(
                &mut conditions,
                progress("False", "ProgressDeadlineExceeded", words),
            );
        }
    }
    let failure = plan.new.and_then(|new| plan.sets[new].failure());
    match failure.or_else(|| plan.sets.iter().find_map(Set::failure)) {
        Some(failure) => set(&mut conditions, failure),
        None => conditions.retain(|it| it.type_ != "ReplicaFailure"),
    }
    status.conditions = Some(conditions);
    status
}

/// Whether all pods are new and available, and no others are there.
pub(super) fn is_complete(
    status: &DeploymentStatus,
    bounds: Bounds,
    generation: Option<i64>,
) -> bool {
    let wanted = count(bounds.replicas);
    status.updated_replicas == wanted
        && status.replicas == wanted
        && status.available_replicas == wanted
        && status.observed_generation >= generation
}

/// When to look again for the deadline, if nothing else happens.
pub(super) fn again(status: &DeploymentStatus, plan: &Plan<'_>) -> Option<Duration> {
    if is_complete(status, plan.bounds, plan.deployment.metadata.generation) {
        return None;
    }
    let due = due(status.conditions.as_deref()?, plan.deadline()?)?;
    Some(until(due, plan.now) + Duration::from_secs(1))
}

/// When the rollout will be late: nothing if it is done or late already.
fn due(conditions: &[DeploymentCondition], deadline: i32) -> Option<Timestamp> {
    let progressing = find(conditions, "Progressing")?;
    let reason = progressing.reason.as_deref();
    if matches!(
        reason,
        Some("NewReplicaSetAvailable" | "ProgressDeadlineExceeded")
    ) {
        return None;
    }
    let since = progressing.last_update_time.as_ref()?.0;
    since
        .checked_add(SignedDuration::from_secs(deadline.into()))
        .ok()
}

/// Whether there are more new, ready or available pods, or fewer old ones.
fn has_moved(before: &DeploymentStatus, after: &DeploymentStatus) -> bool {
    let old = |it: &DeploymentStatus| {
        it.replicas.unwrap_or_default() - it.updated_replicas.unwrap_or_default()
    };
    after.updated_replicas > before.updated_replicas
        || old(after) < old(before)
        || after.ready_replicas > before.ready_replicas
        || after.available_replicas > before.available_replicas
}
