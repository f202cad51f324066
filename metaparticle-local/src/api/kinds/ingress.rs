//! Ingress. It is stored and served, not acted on.

use serde_json::Value;

use super::{Rules, at::At, edit, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        edit::slot(object, "spec");
        edit::slot(edit::slot(object, "status"), "loadBalancer");
    },
    generation: Some(spec_changed),
    validate: |object| {
        let spec = At::root(object, "spec");
        let nothing = spec.get("rules").is_empty() && !spec.get("defaultBackend").is_set();
        let detail = "either `defaultBackend` or `rules` must be specified";
        let error = nothing.then(|| FieldError::invalid("spec", &Value::Null, detail));
        error.into_iter().collect()
    },
    ..Rules::PLAIN
};
