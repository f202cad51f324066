//! Which pods go first when there are too many: those that are missed the least.

use std::cmp::Ordering;

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};

use crate::controllers::pods::{is_ready, phase, ready_since, restarts};

/// Lets a pod go earlier or later than others.
const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The order in which pods go. Ages count by their magnitude: of two that are about as old, chance decides (the uid).
pub(in crate::controllers) fn order(one: &Pod, other: &Pod, now: Timestamp) -> Ordering {
    let by = |key: fn(&Pod) -> i32| key(one).cmp(&key(other));
    by(assigned)
        .then_with(|| by(advance))
        .then_with(|| by(|it| is_ready(it).into()))
        .then_with(|| by(cost))
        .then_with(|| {
            if is_ready(one) && is_ready(other) {
                younger(ready_since(one), ready_since(other), now)
            } else {
                Ordering::Equal
            }
        })
        .then_with(|| by(restarts).reverse())
        .then_with(|| {
            let created = |it: &Pod| it.metadata.creation_timestamp.as_ref().map(|time| time.0);
            younger(created(one), created(other), now)
        })
        .then_with(|| one.metadata.uid.cmp(&other.metadata.uid))
}

fn assigned(pod: &Pod) -> i32 {
    pod.spec
        .as_ref()
        .is_some_and(|it| it.node_name.as_ref().is_some_and(|it| !it.is_empty()))
        .into()
}

fn advance(pod: &Pod) -> i32 {
    match phase(pod) {
        "Pending" | "" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn cost(pod: &Pod) -> i32 {
    let cost = pod
        .metadata
        .annotations
        .as_ref()
        .and_then(|it| it.get(COST));
    cost.and_then(|it| it.parse().ok()).unwrap_or_default()
}

/// The younger first; no time is the youngest.
fn younger(one: Option<Timestamp>, other: Option<Timestamp>, now: Timestamp) -> Ordering {
    let age = |since: Timestamp| now.duration_since(since).as_nanos();
    match (one.map(age), other.map(age)) {
        (Some(one), Some(other)) => magnitude(one).cmp(&magnitude(other)),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

fn magnitude(nanoseconds: i128) -> u32 {
    u128::try_from(nanoseconds)
        .ok()
        .and_then(u128::checked_ilog2)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, change: impl FnOnce(&mut Value)) -> Pod {
        let mut pod = json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-01-02T03:00:00Z"},
            "spec": {"containers": [], "nodeName": "local"},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:00:00Z"}]},
        });
        change(&mut pod);
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn pods_go_in_the_order_in_which_they_are_missed() {
        let since = |time: &str| {
            let time = time.to_owned();
            move |it: &mut Value| it["status"]["conditions"][0]["lastTransitionTime"] = json!(time)
        };
        let mut pods = vec![
            pod("old", |_| ()),
            pod("restarted", |it| {
                it["status"]["containerStatuses"] = json!([{"name": "main", "image": "", "imageID": "",
                    "ready": true, "restartCount": 3}]);
            }),
            pod("ready-lately", since("2026-01-02T03:59:00Z")),
            pod("young", |it| {
                it["metadata"]["creationTimestamp"] = json!("2026-01-02T03:59:00Z");
            }),
            pod("cheap", |it| {
                it["metadata"]["annotations"] = json!({COST: "-1"});
            }),
            pod("unready", |it| {
                it["status"]["conditions"][0]["status"] = json!("False");
            }),
            pod("pending", |it| it["status"]["phase"] = json!("Pending")),
            pod("unassigned", |it| it["spec"]["nodeName"] = Value::Null),
            pod("dear", |it| {
                it["metadata"]["annotations"] = json!({COST: "1"});
            }),
        ];
        let now = "2026-01-02T04:00:00Z".parse().unwrap();
        pods.sort_by(|one, other| order(one, other, now));
        let names: Vec<_> = pods
            .iter()
            .map(|it| it.metadata.name.as_deref().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "unassigned",
                "pending",
                "unready",
                "cheap",
                "ready-lately",
                "restarted",
                "young",
                "old",
                "dear"
            ]
        );
    }

    #[test]
    fn pods_of_about_the_same_age_go_by_chance() {
        let made = |time: &str| {
            let time = time.to_owned();
            move |it: &mut Value| it["metadata"]["creationTimestamp"] = json!(time)
        };
        let (one, other) = (
            pod("b", made("2026-01-02T03:00:05Z")),
            pod("a", made("2026-01-02T03:00:00Z")),
        );
        let now = "2026-01-02T04:00:00Z".parse().unwrap();
        assert_eq!(order(&one, &other, now), Ordering::Greater);
    }
}
