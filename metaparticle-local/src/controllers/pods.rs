//! What controllers ask of pods: active, ready, available since when; and pods made from a template.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::{Pod, PodCondition},
    jiff::{SignedDuration, Timestamp},
};
use serde_json::{Value, json};

use crate::api::resource::Resource;

use super::object::owner_reference;

/// `status.phase`.
pub(super) fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    status
        .and_then(|it| it.phase.as_deref())
        .unwrap_or_default()
}

/// Whether it has ended: no container runs or will.
pub(super) fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether it counts: neither ended nor going.
pub(super) fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && pod.metadata.deletion_timestamp.is_none()
}

/// Whether it is going and has not ended yet.
pub(super) fn is_terminating(pod: &Pod) -> bool {
    !is_finished(pod) && pod.metadata.deletion_timestamp.is_some()
}

/// Its `Ready` condition.
pub(super) fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    let status = pod.status.as_ref()?;
    status
        .conditions
        .iter()
        .flatten()
        .find(|it| it.type_ == "Ready")
}

/// Whether its `Ready` condition is true.
pub(super) fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|it| it.status == "True")
}

/// Since when it is ready.
pub(super) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let condition = ready_condition(pod).filter(|it| it.status == "True")?;
    condition.last_transition_time.as_ref().map(|time| time.0)
}

/// How long until it has been ready for `seconds`: nothing if it is not ready, 0 if it is available.
pub(super) fn available_in(pod: &Pod, seconds: i32, now: Timestamp) -> Option<Duration> {
    if !is_ready(pod) {
        return None;
    }
    if seconds == 0 {
        return Some(Duration::ZERO);
    }
    let due = ready_since(pod)?
        .saturating_add(SignedDuration::from_secs(seconds.into()))
        .ok()?;
    Some(until(due, now))
}

/// How long from now to then; 0 if it is past.
pub(super) fn until(then: Timestamp, now: Timestamp) -> Duration {
    then.duration_since(now).try_into().unwrap_or_default()
}

/// Whether it has been ready for long enough.
pub(super) fn is_available(pod: &Pod, seconds: i32, now: Timestamp) -> bool {
    available_in(pod, seconds, now) == Some(Duration::ZERO)
}

/// How often its containers were restarted: the most of any.
pub(super) fn restarts(pod: &Pod) -> i32 {
    let statuses = pod
        .status
        .iter()
        .flat_map(|it| it.container_statuses.iter().flatten());
    statuses
        .map(|it| it.restart_count)
        .max()
        .unwrap_or_default()
}

/// A pod from a template, controlled by its owner; without a name.
pub(super) fn from_template(
    template: &Value,
    owner: &'static Resource,
    name: &str,
    uid: &str,
) -> Value {
    let mut metadata = json!({
        "generateName": format!("{name}-"),
        "ownerReferences": [owner_reference(owner, name, uid)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"status": status})).unwrap()
    }

    #[test]
    fn available_means_ready_for_long_enough() {
        let since = "2026-01-02T03:04:05Z";
        let ready = pod(json!({"conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": since}]}));
        let start: Timestamp = since.parse().unwrap();
        let at = |seconds: i64| start + SignedDuration::from_secs(seconds);
        assert!(is_available(&ready, 0, at(0)));
        assert_eq!(
            available_in(&ready, 10, at(4)),
            Some(Duration::from_secs(6))
        );
        assert!(!is_available(&ready, 10, at(9)));
        assert!(is_available(&ready, 10, at(10)));
        let unready = pod(json!({"conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": since}]}));
        assert_eq!(available_in(&unready, 0, at(99)), None);
    }

    #[test]
    fn a_finished_pod_is_neither_active_nor_terminating() {
        let mut done = pod(json!({"phase": "Failed"}));
        assert!(!is_active(&done) && !is_terminating(&done));
        done.metadata.deletion_timestamp = Some(
            "2026-01-02T03:04:05Z"
                .parse()
                .map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time)
                .unwrap(),
        );
        assert!(!is_active(&done) && !is_terminating(&done));
        let running = pod(json!({"phase": "Running"}));
        assert!(is_active(&running) && !is_terminating(&running));
    }
}
