//! Job: a program that ends.

use serde_json::{Value, json};

use super::{
    object::{Role, object},
    pod,
};
use crate::AppSpec;

/// Failed pods after which the job has failed.
const RETRIES: u32 = 3;

/// Seconds for which a finished job and its logs are kept: a day, so that the morning sees what failed at night.
const KEPT: u32 = 86_400;

pub(super) fn job(spec: &AppSpec, image: &str, completions: u32, parallelism: u32) -> Value {
    let mut template = pod::template(spec, Role::Job, image);
    // A failed pod stays, and its logs with it; the next try is a new pod.
    template["spec"]["restartPolicy"] = json!("Never");
    let body = json!({
        "spec": {
            // Each pod learns from JOB_COMPLETION_INDEX which part of the work is its own.
            "completionMode": "Indexed",
            "completions": completions,
            "parallelism": parallelism,
            "backoffLimit": RETRIES,
            "ttlSecondsAfterFinished": KEPT,
            // A pod that a drained node took away has not failed.
            "podFailurePolicy": {
                "rules": [{
                    "action": "Ignore",
                    "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }],
                }],
            },
            "template": template,
        },
    });
    object(spec, "batch/v1", "Job", spec.name.as_str(), body)
}
