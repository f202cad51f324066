//! What controllers of running pods have in common: replicas, selector, template, counts in the status.

use serde_json::Value;

use super::{at::At, selector};
use crate::api::failure::FieldError;

/// A selector that must be there and must not be empty. `empty` is what to say if it is.
pub(super) fn validate_selector(spec: &At<'_>, empty: &str) -> Vec<FieldError> {
    let at = spec.get("selector");
    if !at.is_set() {
        return vec![at.required("")];
    }
    let mut errors = selector::validate(&at);
    if selector::is_empty(at.value) {
        errors.push(selector::invalid(&at, empty));
    }
    errors
}

/// Counts of the status: none negative, none more than there are replicas, no more available than ready.
pub(super) fn validate_counts(
    status: &At<'_>,
    counts: &[&str],
    within: &[&str],
    ready: &str,
) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = counts
        .iter()
        .filter_map(|it| status.get(it).not_negative())
        .collect();
    let replicas = status.get("replicas").number();
    for field in within {
        let at = status.get(field);
        if at.number() > replicas {
            let detail = "cannot be greater than status.replicas";
            errors.push(FieldError::invalid(&at.path, &at.number().into(), detail));
        }
    }
    let available = status.get("availableReplicas");
    if available.number() > status.get("readyReplicas").number() {
        errors.push(available.invalid(&format!("cannot be greater than {ready}")));
    }
    errors
}

/// `status.collisionCount` only grows.
pub(super) fn validate_collisions(old: &Value, new: &Value) -> Option<FieldError> {
    let path = "status.collisionCount";
    let count = |object: &Value| object["status"]["collisionCount"].as_i64();
    let value = count(new).unwrap_or_default();
    let less = count(old).is_some_and(|old| count(new).is_none_or(|new| new < old));
    less.then(|| FieldError::invalid(path, &value.into(), "cannot be decremented"))
}
