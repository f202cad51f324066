//! Labels and annotations.

use super::{at::At, names};
use crate::api::failure::FieldError;

/// The most bytes that all keys and values of the annotations may have.
const ANNOTATIONS: usize = 256 << 10;

/// Labels, or a selector of equal labels.
pub(super) fn validate(labels: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels.entries() {
        errors.extend(validate_key(&At::new(&key.into(), &labels.path)));
        let messages = names::label_value(value.as_str().unwrap_or_default());
        errors.extend(At::new(value, &labels.path).all_invalid(messages));
    }
    errors
}

/// One key.
pub(super) fn validate_key(key: &At<'_>) -> Vec<FieldError> {
    key.all_invalid(names::qualified(key.text()))
}

/// Annotations.
pub(super) fn validate_annotations(annotations: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in annotations.entries() {
        let messages = names::qualified(&key.to_lowercase());
        errors.extend(At::new(&key.into(), &annotations.path).all_invalid(messages));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS {
        errors.push(FieldError::too_long(&annotations.path, ANNOTATIONS));
    }
    errors
}
