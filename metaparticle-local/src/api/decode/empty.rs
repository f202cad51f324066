//! What Go writes for what was not given, and what it takes for empty.

use serde_json::Value;

use crate::api::schema::{Shape, Type};

/// What Go writes for a value that was not given.
pub(super) fn empty(shape: &Shape, pointer: bool) -> Value {
    match shape {
        _ if pointer => Value::Null,
        Shape::String | Shape::Bytes => "".into(),
        Shape::Int32 | Shape::Int64 | Shape::IntOrString => 0.into(),
        Shape::Bool => false.into(),
        Shape::Quantity => "0".into(),
        Shape::Time | Shape::MicroTime | Shape::Any | Shape::List(..) | Shape::Map(..) => {
            Value::Null
        }
        Shape::Struct(of, _) => empty_object(of),
    }
}

/// Makes an empty list that Go would write (`endpoints: []`) to `null`: it does not survive the real server's storage,
/// but whoever sent it owns the field.
pub(super) fn forget_empty_lists(of: &Type, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    for (name, value) in fields {
        if let Some(field) = of.field(name) {
            if field.kept
                && matches!(field.shape, Shape::List(..) | Shape::Map(..))
                && is_empty(value)
            {
                *value = Value::Null;
            }
            forget_below(&field.shape, value);
        }
    }
}

fn forget_below(shape: &Shape, value: &mut Value) {
    match (shape, value) {
        (Shape::Struct(of, _), value) => forget_empty_lists(of, value),
        (Shape::List(item, _), Value::Array(items)) if has_fields(item) => {
            for value in items {
                forget_below(item, value);
            }
        }
        (Shape::Map(item, _), Value::Object(values)) if has_fields(item) => {
            values
                .values_mut()
                .for_each(|value| forget_below(item, value));
        }
        _ => {}
    }
}

fn has_fields(shape: &Shape) -> bool {
    matches!(shape, Shape::Struct(..) | Shape::List(..) | Shape::Map(..))
}

/// What Go writes of a struct without values.
pub(super) fn empty_object(of: &Type) -> Value {
    let fields = of.fields.iter().filter(|field| field.is_always_written());
    let fields = fields.map(|it| (it.name.clone(), empty(&it.shape, it.pointer)));
    Value::Object(fields.collect())
}

pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_i64() == Some(0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}
