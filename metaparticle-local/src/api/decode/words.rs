//! What the real server says when it cannot turn a value in memory into a field.

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
