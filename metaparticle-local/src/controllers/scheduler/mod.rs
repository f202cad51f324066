//! The scheduler: binds pods to the node, or says why it does not.

mod fit;

use std::{collections::HashMap, time::Duration};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::{Value, json};

use crate::api::{
    Api, Change, EventKind,
    failure::Failure,
    resource::{NODE, POD, Resource},
};

use super::{
    adoption::unless_gone,
    object::Object,
    run::{Controller, Key, key},
};

/// Its name: that of pods which want it, and of its events.
const NAME: &str = "default-scheduler";
/// The manager of what it writes.
const MANAGER: &str = "kube-scheduler";

/// The controller.
#[derive(Debug)]
pub(super) struct Scheduler;

impl Controller for Scheduler {
    type Key = Key;

    fn watches(&self) -> Vec<&'static Resource> {
        vec![&NODE, &POD]
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Key> {
        let previous = change.previous.as_deref();
        if change.resource == &NODE {
            let fit = |it: &Value| {
                [
                    &it["metadata"]["labels"],
                    &it["spec"],
                    &it["status"]["allocatable"],
                ]
                .map(Value::clone)
            };
            let same = previous.map(fit) == Some(fit(&change.object));
            return if same && !change.deleted {
                Vec::new()
            } else {
                waiting(api)
            };
        }
        if change.deleted || (ended(&change.object) && previous.is_some_and(|it| !ended(it))) {
            return waiting(api); // there is room for one more
        }
        let is_new = previous.is_none_or(|it| it["spec"] != change.object["spec"]);
        if is_new && waits(&change.object) {
            vec![key(change)]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&mut self, api: &Api, key: &Key) -> Result<Option<Duration>, Failure> {
        let Some(pod) = Object::<Pod>::read(api, &POD, &key.0, &key.1).filter(|it| waits(&it.raw))
        else {
            return Ok(None);
        };
        let nodes: Vec<Node> = api.list_as(&NODE, None);
        let used = used(api);
        let count = |it: &Node| used.get(it.metadata.name.as_deref()?).copied();
        let nodes: Vec<_> = nodes
            .iter()
            .map(|it| (it, count(it).unwrap_or_default()))
            .collect();
        match fit::choose(&pod, &nodes) {
            Ok(node) => {
                unless_gone(api.bind(&key.0, &key.1, node))?;
                let message = format!("Successfully assigned {}/{} to {node}", key.0, key.1);
                api.event(&pod.raw, NAME, EventKind::Normal, "Scheduled", &message);
            }
            Err(message) => {
                api.event(
                    &pod.raw,
                    NAME,
                    EventKind::Warning,
                    "FailedScheduling",
                    &message,
                );
                let condition_ =
                    json!({"status": "False", "reason": "Unschedulable", "message": message});
                condition(api, &pod, &condition_)?;
            }
        }
        Ok(None)
    }
}

/// Whether a pod is to be bound, by this scheduler.
fn waits(pod: &Value) -> bool {
    let spec = &pod["spec"];
    let name = spec["schedulerName"].as_str().unwrap_or(NAME);
    let gated = spec["schedulingGates"]
        .as_array()
        .is_some_and(|it| !it.is_empty());
    spec["nodeName"].as_str().is_none_or(str::is_empty)
        && name == NAME
        && !gated
        && pod["metadata"]["deletionTimestamp"].is_null()
}

fn ended(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

fn waiting(api: &Api) -> Vec<Key> {
    let pods = api.list(&POD, None);
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let key = |it: &Value| {
        (
            text(&it["metadata"]["namespace"]),
            text(&it["metadata"]["name"]),
        )
    };
    pods.iter()
        .filter(|it| waits(it))
        .map(|it| key(it))
        .collect()
}

/// How many pods each node has.
fn used(api: &Api) -> HashMap<String, usize> {
    let mut used = HashMap::new();
    // As it is stored: this is done for each pod.
    for pod in api.list(&POD, None).iter().filter(|it| !ended(it)) {
        if let Some(node) = pod["spec"]["nodeName"].as_str() {
            *used.entry(node.to_owned()).or_default() += 1;
        }
    }
    used
}

/// Sets `PodScheduled`.
fn condition(api: &Api, pod: &Object<Pod>, fields: &Value) -> Result<(), Failure> {
    let now = api.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let result = api.update_status(&POD, pod.namespace(), pod.name(), MANAGER, |object| {
        let mut new =
            json!({"type": "PodScheduled", "lastProbeTime": null, "lastTransitionTime": now});
        for (key, value) in fields.as_object().into_iter().flatten() {
            new[key] = value.clone();
        }
        if object["metadata"]["generation"].is_number() {
            new["observedGeneration"] = object["metadata"]["generation"].clone();
        }
        let conditions = &mut object["status"]["conditions"];
        if !conditions.is_array() {
            *conditions = json!([]);
        }
        let Some(all) = conditions.as_array_mut() else {
            return;
        };
        match all.iter_mut().find(|it| it["type"] == "PodScheduled") {
            Some(old) => {
                if old["status"] == new["status"] {
                    new["lastTransitionTime"] = old["lastTransitionTime"].clone();
                }
                *old = new;
            }
            None => all.push(new),
        }
    });
    unless_gone(result)
}
