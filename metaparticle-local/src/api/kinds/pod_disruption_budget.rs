//! `PodDisruptionBudget`. It is stored and served, not acted on.

use serde_json::Value;

use super::{
    Rules,
    at::At,
    default_status,
    deployment::{int_or_percent, not_more_than_all},
    edit, names, selector, spec_changed,
};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        edit::slot(object, "spec");
        let counts = [
            "currentHealthy",
            "desiredHealthy",
            "disruptionsAllowed",
            "expectedPods",
        ];
        default_status(object, &counts, &[]);
    },
    generation: Some(spec_changed),
    validate,
    // Nothing but the rules for all objects looks at its metadata.
    name: names::path_segment,
    known_finalizers: false,
    conditional: true,
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let mut errors = Vec::new();
    let limits = ["minAvailable", "maxUnavailable"].map(|it| spec.get(it));
    if limits.iter().all(At::is_set) {
        // The fields are named and ordered as the real server prints them.
        errors.push(FieldError {
            reason: "FieldValueInvalid",
            field: spec.path.clone(),
            message: format!(
                "Invalid value: {{\"MinAvailable\":{},\"Selector\":{},\"MaxUnavailable\":{},\
                 \"UnhealthyPodEvictionPolicy\":{}}}: minAvailable and maxUnavailable cannot be both set",
                limits[0].value,
                selector::printed(spec.get("selector").value),
                limits[1].value,
                spec.get("unhealthyPodEvictionPolicy").value,
            ),
        });
    }
    for limit in limits {
        errors.extend(int_or_percent(&limit));
        errors.extend(not_more_than_all(&limit));
    }
    errors.extend(selector::validate(&spec.get("selector")));
    let policy = spec.get("unhealthyPodEvictionPolicy");
    errors.extend(policy.none_or_one_of(&["AlwaysAllow", "IfHealthyBudget"]));
    errors
}
