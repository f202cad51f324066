//! What the real server says when it cannot turn a value in memory into a field, and how Go prints such a value.

use serde_json::Value;

use super::document::Document;
use crate::api::schema::Shape;

/// `cannot restore map from int64`.
pub(super) fn unconvertible(found: &Document, shape: &Shape, go: &str) -> String {
    let kind = match found {
        Document::Null => "nil",
        Document::Bool(_) => "bool",
        Document::Number(text) if text.parse::<i64>().is_ok() => "int64",
        Document::Number(_) => "float64",
        Document::String(_) => "string",
        Document::List(_) => "slice",
        Document::Map(_) => "map",
    };
    match (shape, kind) {
        (Shape::Struct(..), _) => format!("cannot restore struct from: {kind}"),
        (Shape::Map(..), _) => format!("cannot restore map from {kind}"),
        (Shape::List(..) | Shape::Bytes, _) => format!("cannot restore slice from {kind}"),
        // Go converts between these, so the real server tries.
        (Shape::String, "int64") | (Shape::Int32 | Shape::Int64, "float64") => {
            format!("cannot convert {kind} to {go}")
        }
        _ => format!("unrecognized type: {}", shape.go_name()),
    }
}

/// As Go's `%v`: `map[a:1 b:[x y]]`.
pub(in crate::api) fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(printed).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(name, it)| format!("{name}:{}", printed(it)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        let value = json!({"b": [1, "x", null, true], "a": {"c": 1.5}});
        assert_eq!(printed(&value), "map[a:map[c:1.5] b:[1 x <nil> true]]");
    }
}
