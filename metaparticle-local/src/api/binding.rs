//! Binding: a pod gets its node.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Api,
    failure::{Failure, FieldError},
    resource::POD,
    store::Object,
    write::{self, Changed, Write},
};

/// Binds a pod as `binding` says, once.
pub(crate) fn bind(
    api: &Api,
    write: &Write<'_>,
    name: &str,
    binding: &Value,
) -> Result<Arc<Object>, Failure> {
    check_target(&binding["target"])?;
    let time = api.clock.seconds();
    write::update(api, write, name, |pod| {
        let stated = &binding["metadata"];
        for (field, what) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let stored = pod["metadata"][field].as_str().unwrap_or_default();
            write::check_stated(&POD, (write.namespace, name), what, &stated[field], stored)?;
        }
        if let Some(why) = refusal(pod, name) {
            let message =
                format!("Operation cannot be fulfilled on pods/binding \"{name}\": {why}");
            let details = json!({"name": name, "kind": "pods/binding"});
            return Err(Failure::new(409, "Conflict", message).with_details(details));
        }
        let mut new = pod.clone();
        new["spec"]["nodeName"] = binding["target"]["name"].clone();
        for field in ["labels", "annotations"] {
            for (key, value) in stated[field].as_object().into_iter().flatten() {
                new["metadata"][field][key] = value.clone();
            }
        }
        is_scheduled(&mut new["status"]["conditions"], &time);
        Ok(Changed::Ready(new))
    })
}

fn check_target(target: &Value) -> Result<(), Failure> {
    let text = |field: &str| target[field].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    if !["", "Node"].contains(&text("kind")) {
        let known = ["Node", "<empty>"];
        errors.push(FieldError::not_supported(
            "target.kind",
            &target["kind"],
            &known,
        ));
    }
    if text("name").is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    let words: Vec<String> = errors
        .iter()
        .map(|it| format!("{}: {}", it.field, it.message))
        .collect();
    match words.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::unreasoned(one)),
        several => Err(Failure::unreasoned(format!("[{}]", several.join(", ")))),
    }
}

/// Why this pod gets no node.
fn refusal(pod: &Value, name: &str) -> Option<String> {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return Some(format!(
            "pod {name} is being deleted, cannot be assigned to a host"
        ));
    }
    let spec = &pod["spec"];
    if let Some(node) = spec["nodeName"].as_str().filter(|it| !it.is_empty()) {
        return Some(format!("pod {name} is already assigned to node \"{node}\""));
    }
    let gates = spec["schedulingGates"].as_array();
    gates
        .is_some_and(|it| !it.is_empty())
        .then(|| format!("pod {name} has non-empty .spec.schedulingGates"))
}

/// Sets the condition `PodScheduled`.
fn is_scheduled(conditions: &mut Value, time: &str) {
    let new = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": time,
    });
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let Some(all) = conditions.as_array_mut() else {
        return;
    };
    match all.iter_mut().find(|it| it["type"] == "PodScheduled") {
        Some(old) => *old = new,
        None => all.push(new),
    }
}
