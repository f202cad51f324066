//! Words of strategic merge patches, its errors, and Go's way to print a value in them.

use serde_json::{Map, Value};

pub(super) use crate::api::decode::printed;
use crate::api::failure::Failure;

pub(super) const PATCH: &str = "$patch";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const SET_ORDER: &str = "$setElementOrder";
pub(super) const DELETE_FROM: &str = "$deleteFromPrimitiveList";

/// The field that `$setElementOrder/finalizers` is about.
pub(super) fn field_of<'n>(name: &'n str, directive: &str) -> Result<&'n str, Failure> {
    let field = name
        .strip_prefix(directive)
        .and_then(|it| it.strip_prefix('/'));
    field.ok_or_else(|| match directive {
        DELETE_FROM => bad("invalid patch format of primitive list"),
        _ => bad("invalid patch format of setElementOrder list"),
    })
}

/// 400.
pub(super) fn bad(message: &str) -> Failure {
    Failure::bad_request(message)
}

/// 422 without details.
pub(super) fn unprocessable(message: &str) -> Failure {
    Failure::new(422, "Invalid", message)
}

/// 500: what the real server does not expect.
pub(super) fn unexpected(message: impl Into<String>) -> Failure {
    Failure::new(500, "", message)
}

pub(super) fn no_merge_key(item: &Map<String, Value>, key: &str) -> Failure {
    let item = printed(&Value::Object(item.clone()));
    unexpected(format!(
        "map: {item} does not contain declared merge key: {key}"
    ))
}

pub(super) fn bad_type(expected: &str, found: &Value) -> Failure {
    let found = go_type(found);
    unexpected(format!("expected a {expected}, but received a {found}"))
}

pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(it) if it.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
