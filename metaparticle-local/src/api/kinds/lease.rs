//! Lease.

use serde_json::Value;

use super::{Rules, at::At, edit};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        edit::object(object, "spec");
    },
    create: without_election,
    update: |_, new| without_election(new),
    validate,
    known_finalizers: false,
    conditional: true,
    ..Rules::PLAIN
};

/// Without what is for the coordinated election, which is off. Who sent it owns it nevertheless.
fn without_election(object: &mut Value) {
    let spec = edit::object(object, "spec");
    spec.remove("strategy");
    spec.remove("preferredHolder");
}

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
