//! ConfigMap.

use serde_json::Value;

use super::{Rules, at::At, names, secret::decoded_length};
use crate::api::failure::FieldError;

/// The most bytes that all values may have together.
pub(super) const MOST: usize = 1 << 20;

pub(super) const RULES: Rules = Rules {
    validate,
    validate_update: |old, new| immutable(old, new, &["data", "binaryData"]),
    renamed: true,
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let data = At::root(object, "data");
    let binary = At::root(object, "binaryData");
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in data.entries() {
        errors.extend(validate_key(&data, key));
        if binary.value.get(key).is_some() {
            let detail = "duplicate of key present in binaryData";
            errors.push(FieldError::invalid(data.key(key).path, &key.into(), detail));
        }
        size += value.as_str().map_or(0, str::len);
    }
    for (key, value) in binary.entries() {
        errors.extend(validate_key(&binary, key));
        size += decoded_length(value);
    }
    if size > MOST {
        // The error is about the whole object.
        errors.push(FieldError::too_long("[]", MOST));
    }
    errors
}

/// A key of data, which becomes the name of a file.
pub(super) fn validate_key(data: &At<'_>, key: &str) -> Vec<FieldError> {
    At::new(&key.into(), data.key(key).path).all_invalid(names::config_key(key))
}

/// What may not change any more once `immutable` is set.
pub(super) fn immutable(old: &Value, new: &Value, fields: &[&str]) -> Vec<FieldError> {
    if old["immutable"] != true {
        return Vec::new();
    }
    let unset = (new["immutable"] != true).then(|| is_immutable("immutable"));
    let changed = fields.iter().filter(|it| old[**it] != new[**it]);
    unset
        .into_iter()
        .chain(changed.map(|it| is_immutable(it)))
        .collect()
}

pub(super) fn is_immutable(field: &str) -> FieldError {
    FieldError::forbidden(field, "field is immutable when `immutable` is set")
}
