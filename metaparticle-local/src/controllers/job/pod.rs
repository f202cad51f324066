//! The pods of a Job.

use k8s_openapi::api::batch::v1::Job;
use serde_json::{Value, json};

use crate::api::resource::JOB;
use crate::controllers::{object::Object, pods::from_template};

use super::{decide::TRACKING, indexes::INDEX, per_index::FAILURES};

/// The variable with a pod's index.
const VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// A pod, of an index if the Job has any.
///
/// `failures`: how often the index failed before, if that counts.
pub(super) fn pod(job: &Object<Job>, index: Option<i32>, failures: Option<u32>) -> Value {
    let mut pod = from_template(job.template(), &JOB, job.name(), job.uid());
    let finalizers = &mut pod["metadata"]["finalizers"];
    match finalizers.as_array_mut() {
        Some(all) => all.push(json!(TRACKING)),
        None => *finalizers = json!([TRACKING]),
    }
    let Some(index) = index else { return pod };
    pod["metadata"]["generateName"] = json!(format!("{}-{index}-", job.name()));
    pod["metadata"]["labels"][INDEX] = json!(index.to_string());
    pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
    if let Some(failures) = failures {
        pod["metadata"]["annotations"][FAILURES] = json!(failures.to_string());
    }
    if pod["spec"]["hostname"].as_str().is_none_or(str::is_empty) {
        pod["spec"]["hostname"] = json!(format!("{}-{index}", job.name()));
    }
    for field in ["initContainers", "containers"] {
        for container in pod["spec"]
            .get_mut(field)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            tell(container);
        }
    }
    pod
}

/// Gives a container its index, unless it sets the variable itself.
fn tell(container: &mut Value) {
    let path = format!("metadata.labels['{INDEX}']");
    let variable = json!({"name": VARIABLE, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let all = &mut container["env"];
    match all.as_array_mut() {
        Some(all) if all.iter().any(|it| it["name"] == VARIABLE) => {}
        Some(all) => all.push(variable),
        None => *all = json!([variable]),
    }
}
