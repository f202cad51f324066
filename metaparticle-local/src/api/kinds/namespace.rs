//! Namespace.

use serde_json::{Value, json};

use super::{Rules, at::At, edit, meta, names};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    name: names::dns_label,
    default,
    create,
    update: |old, new| {
        let finalizers = &old["spec"];
        meta::keep(edit::object(new, "spec"), finalizers, "finalizers");
    },
    validate,
    validate_status,
    renamed: true,
    ..Rules::PLAIN
};

/// The finalizer that empties a namespace before it goes.
const KUBERNETES: &str = "kubernetes";

fn default(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if name.as_str().is_some_and(|it| !it.is_empty()) {
        edit::slot(edit::slot(object, "metadata"), "labels")["kubernetes.io/metadata.name"] = name;
    }
    edit::slot(object, "spec");
    edit::empty(edit::slot(object, "status"), "phase", "Active");
}

fn create(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    edit::absent(spec, "finalizers", json!([]));
    if let Some(finalizers) = spec["finalizers"].as_array_mut()
        && !finalizers.iter().any(|it| it == KUBERNETES)
    {
        finalizers.push(KUBERNETES.into());
    }
}

fn validate(object: &Value) -> Vec<FieldError> {
    let finalizers = At::root(object, "spec").get("finalizers");
    let mut errors = Vec::new();
    for name in finalizers.list() {
        errors.extend(finalizer_errors(&At::new(name, &finalizers.path)));
    }
    errors
}

pub(super) fn finalizer_errors(name: &At<'_>) -> Vec<FieldError> {
    let mut errors = name.all_invalid(names::qualified(name.text()));
    errors.extend(meta::unknown_finalizer(name));
    errors
}

/// The phase says whether it is being deleted.
fn validate_status(_: &Value, new: &Value) -> Vec<FieldError> {
    let phase = At::root(new, "status").get("phase");
    // The real server writes the field so.
    let phase = At::new(phase.value, "status.Phase");
    let deleted = !new["metadata"]["deletionTimestamp"].is_null();
    let detail = match (deleted, phase.text()) {
        (true, "Terminating") | (false, "Active") => return Vec::new(),
        (true, _) => "may only be 'Terminating' if `deletionTimestamp` is not empty",
        (false, _) => "may only be 'Active' if `deletionTimestamp` is empty",
    };
    vec![phase.invalid(detail)]
}
