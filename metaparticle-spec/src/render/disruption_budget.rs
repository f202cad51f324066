//! `PodDisruptionBudget`: a drained node takes one pod of the application at a time.

use serde_json::{Value, json};

use super::object::{Role, name, object, selector};
use crate::AppSpec;

pub(super) fn disruption_budget(spec: &AppSpec, role: Role) -> Value {
    let body = json!({
        "spec": {
            "maxUnavailable": 1,
            "selector": { "matchLabels": selector(spec, role) },
            // A pod that is not ready serves nobody: it must not hold up a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    });
    object(
        spec,
        "policy/v1",
        "PodDisruptionBudget",
        &name(spec, role),
        body,
    )
}
