//! Lease.

use serde_json::Value;

use super::{Rules, at::At, edit};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        let spec = edit::object(object, "spec");
        // Only for the coordinated election, which is off.
        spec.remove("strategy");
        spec.remove("preferredHolder");
    },
    validate,
    known_finalizers: false,
    conditional: true,
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let mut errors = Vec::new();
    let duration = spec.get("leaseDurationSeconds");
    if duration.is_set() && duration.number() <= 0 {
        errors.push(duration.invalid("must be greater than 0"));
    }
    errors.extend(spec.get("leaseTransitions").not_negative());
    errors
}
