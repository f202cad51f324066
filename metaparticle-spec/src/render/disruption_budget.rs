//! `PodDisruptionBudget`: a drained node takes one pod of the application at a time.

use serde_json::{Value, json};

use super::object::{object, selector};
use crate::AppSpec;

pub(super) fn disruption_budget(spec: &AppSpec) -> Value {
    let body = json!({
        "spec": {
            "maxUnavailable": 1,
            "selector": { "matchLabels": selector(spec) },
            // A pod that is not ready serves nobody: it must not hold up a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    });
    object(
        spec,
        "policy/v1",
        "PodDisruptionBudget",
        spec.name.as_str(),
        body,
    )
}
