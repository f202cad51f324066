//! Event.

use serde_json::Value;

use super::{Rules, edit};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |event| {
        for time in ["firstTimestamp", "lastTimestamp", "eventTime"] {
            edit::absent(event, time, Value::Null);
        }
        for reporter in ["reportingComponent", "reportingInstance"] {
            edit::absent(event, reporter, "");
        }
        edit::slot(event, "involvedObject");
        edit::slot(event, "source");
    },
    validate_new: validate,
    ..Rules::PLAIN
};

/// An event lives beside what it is about.
fn validate(event: &Value) -> Vec<FieldError> {
    let about = &event["involvedObject"]["namespace"];
    let about = about.as_str().unwrap_or_default();
    let own = event["metadata"]["namespace"].as_str().unwrap_or_default();
    // Cluster-wide objects are told of in `default`.
    if about == own || (about.is_empty() && own == "default") {
        return Vec::new();
    }
    let field = "involvedObject.namespace";
    vec![FieldError::invalid(
        field,
        &about.into(),
        "does not match event.namespace",
    )]
}
