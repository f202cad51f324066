//! A [`Document`] to a value that has the fields of its type: what Go's JSON decoder and encoder make of it together.
//!
//! A value of a wrong type is an error in Go's words. `null` is an absent value. What Go leaves out when it is empty
//! is left out, and what Go always writes is written: `status: {}`, `divisor: "0"`, `lastProbeTime: null`.

use std::{collections::HashSet, fmt::Write as _};

use serde_json::{Map, Value};

use super::{
    document::Document,
    empty::{empty, is_empty},
    quantity, scalar,
};
use crate::api::schema::{Field, Shape, Type};

/// The most mistakes that are told, as in Go.
const MOST_PROBLEMS: usize = 100;

/// An object of `of`, and what was unknown or repeated, in order.
///
/// # Errors
/// The first value of a wrong type.
pub(super) fn decode(
    of: &'static Type,
    document: Document,
) -> Result<(Value, Vec<String>), String> {
    decode_with(Decoder::default(), of, document)
}

/// As [`decode`], as the real server turns a map that it has in memory into an object: its words are others, whole
/// floats are integers, and integers that do not fit are cut.
///
/// # Errors
/// The first value of a wrong type.
pub(super) fn decode_unstructured(
    of: &'static Type,
    document: Document,
) -> Result<(Value, Vec<String>), String> {
    let decoder = Decoder {
        unstructured: true,
        ..Decoder::default()
    };
    let (value, mut problems) = decode_with(decoder, of, document)?;
    problems.sort_unstable();
    Ok((value, problems))
}

fn decode_with(
    mut decoder: Decoder<'_>,
    of: &'static Type,
    document: Document,
) -> Result<(Value, Vec<String>), String> {
    let value = match document {
        Document::Map(entries) => decoder.object(of, entries),
        other => {
            decoder.wrong(&other, of.go_name(), None);
            Value::Null
        }
    };
    match decoder.fatal.or(decoder.wrong) {
        Some(problem) => Err(problem),
        None => Ok((value, decoder.problems)),
    }
}

#[derive(Default)]
struct Decoder<'t> {
    unstructured: bool,
    /// Of unknown and repeated fields: `spec.containers[0].foo`.
    path: String,
    /// Names of fields, embedded structs included, as Go's errors join them.
    fields: Vec<&'t str>,
    /// Go's struct that has the last field.
    owner: &'t str,
    problems: Vec<String>,
    /// The first value of a wrong type.
    wrong: Option<String>,
    /// The first text that its type cannot read; it counts more.
    fatal: Option<String>,
}

impl<'t> Decoder<'t> {
    fn object(&mut self, of: &'t Type, entries: Vec<(String, Document)>) -> Value {
        let mut object = Map::new();
        let mut seen = vec![false; of.fields.len()];
        let length = self.path.len();
        for (name, document) in entries {
            let Some(at) = of.position(&name) else {
                self.problem("unknown", &name);
                continue;
            };
            if std::mem::replace(&mut seen[at], true) {
                self.problem("duplicate", &name);
            }
            let field = &of.fields[at];
            self.enter(&name);
            let (depth, owner) = (self.fields.len(), self.owner);
            self.fields.extend(field.embedded.as_deref());
            self.fields.push(&field.name);
            self.owner = of.short_name();
            match self.field(field, document) {
                Some(value) => object.insert(name, value),
                None => object.remove(&name),
            };
            self.fields.truncate(depth);
            self.owner = owner;
            self.path.truncate(length);
        }
        for (at, field) in of.fields.iter().enumerate() {
            if !seen[at] && field.is_always_written() {
                object.insert(field.name.clone(), empty(&field.shape, field.pointer));
            }
        }
        Value::Object(object)
    }

    /// What is written of a field; nothing if Go leaves it out.
    fn field(&mut self, field: &'t Field, document: Document) -> Option<Value> {
        let value = match document {
            Document::Null => empty(&field.shape, field.pointer),
            document => self.value(&field.shape, &field.go, document),
        };
        let left_out = match &field.shape {
            Shape::List(..) | Shape::Map(..) => is_empty(&value),
            Shape::Struct(..) | Shape::Quantity => false,
            Shape::IntOrString | Shape::Time | Shape::MicroTime | Shape::Any => value.is_null(),
            _ => !field.pointer && is_empty(&value),
        };
        // An empty list is how a client clears the one, and the others may be immutable: `kinds::take_empty`.
        let is_told = match &*field.name {
            "managedFields" => value.is_array(),
            "data" | "binaryData" => value.is_object(),
            _ => false,
        };
        let left_out = left_out && !is_told;
        match (left_out || value.is_null(), field.kept) {
            (false, _) => Some(value),
            (true, true) if !value.is_null() => Some(value),
            (true, true) => Some(empty(&field.shape, field.pointer)),
            (true, false) => None,
        }
    }

    fn value(&mut self, shape: &'t Shape, go: &str, document: Document) -> Value {
        match (shape, document) {
            (Shape::Any, document) => document.into_value(),
            (_, Document::Null) => empty(shape, false),
            (Shape::String | Shape::IntOrString, Document::String(text)) => Value::String(text),
            (Shape::Bool, Document::Bool(it)) => Value::Bool(it),
            (Shape::Int32 | Shape::Int64, Document::Number(text)) => self.integer(&text, shape, go),
            (Shape::IntOrString, Document::Number(text)) => {
                let value = text.parse::<i32>().map(Value::from);
                value.unwrap_or_else(|_| {
                    self.mismatch(&format!("number {text}"), "int32");
                    self.stop()
                })
            }
            (Shape::IntOrString, other) => self.wrong_and_stop(&other, "int32"),
            (Shape::Quantity, document) => {
                let text = match document {
                    Document::Number(text) | Document::String(text) => text,
                    _ => "not a quantity".to_owned(),
                };
                self.text(quantity::canonical(&text).map_err(str::to_owned))
            }
            (Shape::Time, Document::String(text)) => self.text(scalar::time(&text)),
            (Shape::MicroTime, Document::String(text)) => self.text(scalar::micro_time(&text)),
            (Shape::Time | Shape::MicroTime, other) => self.wrong_and_stop(&other, "string"),
            (Shape::Bytes, Document::String(text)) => match scalar::bytes(&text) {
                Ok(text) => Value::String(text),
                Err(problem) if self.unstructured => {
                    self.text(Err(format!("error decoding from json: {problem}")))
                }
                Err(problem) => {
                    self.wrong.get_or_insert(problem);
                    Value::Null
                }
            },
            (Shape::Struct(of, _), Document::Map(entries)) => self.object(of, entries),
            (Shape::List(item, _), Document::List(items)) => {
                let go_item = go
                    .strip_prefix("[]")
                    .map_or_else(|| item.go_name(), str::to_owned);
                let length = self.path.len();
                let mut list = Vec::with_capacity(items.len());
                for (at, document) in items.into_iter().enumerate() {
                    let _ = write!(self.path, "[{at}]");
                    list.push(self.value(item, &go_item, document));
                    self.path.truncate(length);
                }
                Value::Array(list)
            }
            (Shape::Map(value, _), Document::Map(entries)) => {
                let go_value = go.strip_prefix("map[string]");
                let go_value = go_value.map_or_else(|| value.go_name(), str::to_owned);
                self.map(value, &go_value, entries)
            }
            (_, other) => {
                self.wrong(&other, go, Some(shape));
                Value::Null
            }
        }
    }

    fn map(&mut self, shape: &'t Shape, go: &str, entries: Vec<(String, Document)>) -> Value {
        let length = self.path.len();
        let mut map = Map::new();
        let mut seen = HashSet::new();
        for (key, document) in entries {
            if !seen.insert(key.clone()) {
                self.problem("duplicate", &key);
            }
            self.enter(&key);
            let value = self.value(shape, go, document);
            self.path.truncate(length);
            map.insert(key, value);
        }
        Value::Object(map)
    }

    fn integer(&mut self, text: &str, shape: &Shape, go: &str) -> Value {
        let is_short = matches!(shape, Shape::Int32);
        let integer = text.parse::<i64>();
        if self.unstructured {
            // As Go converts: a whole float is an integer, and what does not fit is cut.
            #[expect(clippy::cast_possible_truncation, reason = "as in Go")]
            let whole = || {
                text.parse()
                    .ok()
                    .filter(|it: &f64| it.fract() == 0.0)
                    .map(|it| it as i64)
            };
            #[expect(clippy::cast_possible_truncation, reason = "as in Go")]
            let cut = |it: i64| if is_short { i64::from(it as i32) } else { it };
            return integer.ok().or_else(whole).map(cut).map_or_else(
                || {
                    self.wrong(&Document::Number(text.to_owned()), go, Some(shape));
                    Value::Null
                },
                Value::from,
            );
        }
        match integer {
            Ok(it) if !is_short || i32::try_from(it).is_ok() => Value::from(it),
            _ => {
                self.mismatch(&format!("number {text}"), go);
                Value::Null
            }
        }
    }

    fn text(&mut self, read: Result<String, String>) -> Value {
        match read {
            Ok(text) => Value::String(text),
            Err(problem) => {
                self.fatal.get_or_insert(problem);
                Value::Null
            }
        }
    }

    fn wrong(&mut self, found: &Document, go: &str, shape: Option<&Shape>) {
        match shape {
            Some(shape) if self.unstructured => {
                let problem = crate::api::decode::words::unconvertible(found, shape, go);
                self.fatal.get_or_insert(problem);
            }
            _ => self.mismatch(found.go_kind(), go),
        }
    }

    fn wrong_and_stop(&mut self, found: &Document, go: &str) -> Value {
        self.wrong(found, go, None);
        self.stop()
    }

    /// Types that read themselves end the decoding with their error.
    fn stop(&mut self) -> Value {
        if self.fatal.is_none() {
            self.fatal.clone_from(&self.wrong);
        }
        Value::Null
    }

    fn mismatch(&mut self, found: &str, go: &str) {
        if self.wrong.is_some() {
            return;
        }
        self.wrong = Some(if self.fields.is_empty() || self.unstructured {
            format!("json: cannot unmarshal {found} into Go value of type {go}")
        } else {
            let (owner, path) = (self.owner, self.fields.join("."));
            format!(
                "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {go}"
            )
        });
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }

    fn problem(&mut self, what: &str, name: &str) {
        if self.problems.len() >= MOST_PROBLEMS {
            return;
        }
        let length = self.path.len();
        self.enter(name);
        let problem = format!("{what} field {}", crate::api::decode::quoted(&self.path));
        self.path.truncate(length);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests;
