//! ReplicaSet.

use serde_json::Value;

use super::{Rules, at::At, default_status, edit, pod_spec, rolling, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        let spec = edit::slot(object, "spec");
        edit::absent(spec, "replicas", 1);
        pod_spec::default_template(spec);
        default_status(object, &["replicas"], &["lastTransitionTime"]);
    },
    generation: Some(spec_changed),
    validate,
    validate_update: |old, new| {
        let selector = |it| At::root(it, "spec").get("selector");
        selector(new).same_as(&selector(old)).into_iter().collect()
    },
    validate_status: |_, new| {
        let counts = [
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "observedGeneration",
            "terminatingReplicas",
        ];
        let within = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
        rolling::validate_counts(&At::root(new, "status"), &counts, &within, "readyReplicas")
    },
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let template = spec.get("template");
    let mut errors = Vec::new();
    errors.extend(spec.get("replicas").not_negative());
    errors.extend(spec.get("minReadySeconds").not_negative());
    // The real server says "deployment" here too.
    errors.extend(rolling::validate_selector(
        &spec,
        "empty selector is invalid for deployment",
    ));
    let selector = spec.get("selector");
    let unusable = "invalid label selector";
    errors.extend(pod_spec::validate_running_template(
        &template, &selector, unusable,
    ));
    errors.extend(pod_spec::validate_always(&template, "ReplicaSet"));
    errors
}
