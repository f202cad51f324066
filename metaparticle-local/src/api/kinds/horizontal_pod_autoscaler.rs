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
    if most.number() < 1 {
        errors.push(most.required("must be set and greater than 0"));
    }
    if most.number() < least.number() {
        errors.push(most.invalid("must be greater than or equal to `minReplicas`"));
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
