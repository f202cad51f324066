//! Whether a configuration has the fields and values of its type: apply takes no other, and says so in words of its
//! own.

use std::collections::HashSet;

use serde_json::Value;

use super::{set, walk};
use crate::api::{
    decode::printed,
    schema::{ListKind, Shape},
};

/// What is wrong with an object; several problems a line each.
///
/// # Errors
/// If something is.
pub(super) fn validate(shape: &'static Shape, value: &Value) -> Result<(), String> {
    let mut validator = Validator::default();
    validator.value(shape, value);
    match validator.problems.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("errors:\n  {}", several.join("\n  "))),
    }
}

#[derive(Default)]
struct Validator {
    path: String,
    problems: Vec<String>,
}

impl Validator {
    fn value(&mut self, shape: &'static Shape, value: &Value) {
        match (shape, value) {
            (_, Value::Null)
            | (Shape::Any, _)
            | (Shape::String | Shape::Bytes, Value::String(_))
            | (Shape::Bool, Value::Bool(_))
            | (Shape::Int32 | Shape::Int64, Value::Number(_)) => {}
            (Shape::String | Shape::Bytes, other) => {
                let found = unstructured(other);
                self.problem(&format!(
                    "expected string, got &value.valueUnstructured{{Value:{found}}}"
                ));
            }
            (Shape::Bool, other) => self.expected("boolean", other),
            (Shape::Int32 | Shape::Int64, other) => {
                let found = go_type(other);
                self.problem(&format!("expected numeric (int or float), got {found}"));
            }
            (Shape::Struct(..) | Shape::Map(..), Value::Object(fields)) => {
                for (name, value) in fields {
                    let length = self.path.len();
                    self.path.push('.');
                    self.path.push_str(name);
                    let child = walk::child(shape, name);
                    match child {
                        Some((child, _)) => self.value(child, value),
                        None => self.problem("field not declared in schema"),
                    }
                    self.path.truncate(length);
                    if child.is_none() {
                        break;
                    }
                }
            }
            (Shape::Struct(..) | Shape::Map(..), other) => self.expected("map", other),
            (Shape::List(item, kind), Value::Array(items)) => self.items(item, kind, items),
            (Shape::List(..), other) => self.expected("list", other),
            (_, Value::Array(_) | Value::Object(_)) => self.expected("any scalar", value),
            _ => {}
        }
    }

    fn items(&mut self, item: &'static Shape, kind: &ListKind, items: &[Value]) {
        let mut seen = HashSet::new();
        for (at, value) in items.iter().enumerate() {
            let element = match kind {
                ListKind::Atomic => format!("i:{at}"),
                _ => match walk::element(kind, value) {
                    Ok(element) => element,
                    Err(problem) => {
                        self.problem(&format!("element {at}: {problem}"));
                        return;
                    }
                },
            };
            let shown = set::shown(&element);
            if !seen.insert(element) {
                self.problem(&format!("duplicate entries for key {shown}"));
            }
            let length = self.path.len();
            self.path.push_str(&shown);
            self.value(item, value);
            self.path.truncate(length);
        }
    }

    fn expected(&mut self, what: &str, found: &Value) {
        let found = printed(found);
        self.problem(&format!("expected {what}, got &{{{found}}}"));
    }

    fn problem(&mut self, problem: &str) {
        let path = &self.path;
        self.problems.push(if path.is_empty() {
            problem.to_owned()
        } else {
            format!("{path}: {problem}")
        });
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(it) if it.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// As Go's `%#v`.
fn unstructured(value: &Value) -> String {
    let go = go_type(value);
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(unstructured).collect();
            format!("{go}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<_> = fields
                .map(|(name, it)| format!("{name:?}:{}", unstructured(it)))
                .collect();
            format!("{go}{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}
