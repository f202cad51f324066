//! `HorizontalPodAutoscaler`. It is stored and served, not acted on.

use serde_json::{Value, json};

use super::{Rules, at::At, default_status, edit};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        let spec = edit::slot(object, "spec");
        edit::absent(spec, "minReplicas", 1);
        if At::new(&spec["metrics"], "").is_empty() {
            spec["metrics"] = json!([{
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }]);
        }
        default_status(object, &["desiredReplicas"], &["lastTransitionTime"]);
        edit::absent(edit::slot(object, "status"), "currentMetrics", Value::Null);
    },
    validate,
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let (least, most) = (spec.get("minReplicas"), spec.get("maxReplicas"));
    let mut errors = Vec::new();
    if least.number() < 1 {
        errors.push(least.invalid("must be greater than or equal to 1"));
    }
    if least.is_set() && least.number() == 0 {
        errors.push(spec.get("metrics").forbidden(
            "must specify at least one Object or External metric to support scaling to zero replicas",
        ));
    }
    match most.number() {
        0 => errors.push(most.required("must be set and greater than 0")),
        ..0 => errors.push(most.invalid("must be greater than or equal to 1")),
        _ => {}
    }
    if most.number() < least.number() {
        errors.push(most.invalid("must be greater than or equal to `minReplicas`"));
    }
    for metric in spec.get("metrics").items() {
        errors.extend(validate_metric(&metric));
    }
    let target = spec.get("scaleTargetRef");
    for field in ["kind", "name"] {
        let at = target.get(field);
        errors.extend(at.is_empty().then(|| at.required("")));
    }
    let version = target.get("apiVersion");
    if !version.text().contains('/') {
        let value = version.text().into();
        let detail = "apiVersion must specify API group";
        errors.push(FieldError::invalid(&version.path, &value, detail));
    }
    errors
}

fn validate_metric(metric: &At<'_>) -> Vec<FieldError> {
    const KINDS: [(&str, &str); 5] = [
        ("ContainerResource", "containerResource"),
        ("External", "external"),
        ("Object", "object"),
        ("Pods", "pods"),
        ("Resource", "resource"),
    ];
    let kind = metric.get("type");
    let mut errors = Vec::new();
    if kind.is_empty() {
        errors.push(kind.required("must specify a metric source type"));
    }
    let Some((_, field)) = KINDS.into_iter().find(|(name, _)| *name == kind.text()) else {
        let text = kind.text().into();
        let error = FieldError::not_supported(&kind.path, &text, &KINDS.map(|(name, _)| name));
        // Twice, as the real server says it.
        errors.extend([error.clone(), error]);
        return errors;
    };
    let source = metric.get(field);
    if !source.is_set() {
        errors.push(source.required("must populate information for the given metric source"));
    }
    for (_, other) in KINDS.into_iter().filter(|(_, other)| *other != field) {
        let other = metric.get(other);
        let detail = "must populate the given metric source only";
        errors.extend(other.is_set().then(|| other.forbidden(detail)));
    }
    if field == "resource" && source.is_set() {
        let name = source.get("name");
        let detail = "must specify a resource name";
        errors.extend(name.is_empty().then(|| name.required(detail)));
        errors.extend(validate_target(&source.get("target")));
    }
    errors
}

/// What a metric of a resource should come to.
fn validate_target(target: &At<'_>) -> Vec<FieldError> {
    let kind = target.get("type");
    let (percent, amount) = (target.get("averageUtilization"), target.get("averageValue"));
    let mut errors = Vec::new();
    if kind.is_empty() {
        errors.push(kind.required("must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind.text()) {
        let detail = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(&kind.path, &kind.text().into(), detail));
    }
    if percent.is_set() && percent.number() < 1 {
        errors.push(percent.invalid("must be greater than 0"));
    }
    match (percent.is_set(), amount.is_set()) {
        (false, false) => errors
            .push(percent.required("must set either a target raw value or a target utilization")),
        (true, true) => errors
            .push(amount.forbidden("may not set both a target raw value and a target utilization")),
        _ => {}
    }
    errors
}
