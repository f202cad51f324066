//! Small edits of objects: setting what is absent.

use serde_json::{Map, Value, json};

/// The object in that field, made if it is not there.
pub(super) fn object<'a>(parent: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !parent.is_object() {
        *parent = json!({});
    }
    let slot = &mut parent[field];
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("just made")
}

/// The object in that field as a value, made if it is not there.
pub(super) fn slot<'a>(parent: &'a mut Value, field: &str) -> &'a mut Value {
    object(parent, field);
    &mut parent[field]
}

/// Sets a field that is absent or null.
pub(super) fn absent(parent: &mut Value, field: &str, value: impl Into<Value>) {
    if parent.get(field).is_none_or(Value::is_null) {
        parent[field] = value.into();
    }
}

/// Sets a field that is absent or has its type's empty value: `""`, 0.
pub(super) fn empty(parent: &mut Value, field: &str, value: impl Into<Value>) {
    let is_empty = |it: &Value| it.is_null() || it == "" || it == &json!(0);
    if parent.get(field).is_none_or(is_empty) {
        parent[field] = value.into();
    }
}

/// The items of a list; none if it is absent.
pub(super) fn items<'a>(parent: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    parent
        .get_mut(field)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// The value of a field that is there and not null.
pub(super) fn present<'a>(parent: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    parent.get_mut(field).filter(|it| !it.is_null())
}
