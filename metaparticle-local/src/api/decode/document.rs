//! [`Document`]: a body as it was sent, with the order of its fields, its repeated keys and the spelling of its numbers.

use std::{collections::HashSet, fmt::Write as _};

use serde_json::{Map, Number, Value};

/// The text of a request as a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// As it is spelled.
    Number(String),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Self>),
    /// Keys and values in order; a key may occur again.
    Map(Vec<(String, Self)>),
}

impl Document {
    /// The value, as Go has it in an `any`: of a repeated key the last value counts.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(it) => Value::Bool(it),
            Self::Number(text) => number(&text),
            Self::String(it) => Value::String(it),
            Self::List(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Map(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, value.into_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// What Go calls such a value in its errors.
    #[must_use]
    pub fn go_kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }

    /// `duplicate field "spec.replicas"` for every repeated key, in order.
    #[must_use]
    pub fn duplicates(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.find_duplicates(&mut String::new(), &mut found);
        found
    }

    fn find_duplicates(&self, path: &mut String, found: &mut Vec<String>) {
        let length = path.len();
        match self {
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    let _ = write!(path, "[{at}]");
                    item.find_duplicates(path, found);
                    path.truncate(length);
                }
            }
            Self::Map(entries) => {
                let mut seen = HashSet::new();
                for (key, value) in entries {
                    if length > 0 {
                        path.push('.');
                    }
                    path.push_str(key);
                    if !seen.insert(key) {
                        let problem = format!("duplicate field {}", super::quoted(path));
                        if !found.contains(&problem) {
                            found.push(problem);
                        }
                    }
                    value.find_duplicates(path, found);
                    path.truncate(length);
                }
            }
            _ => {}
        }
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(it) => Self::Bool(it),
            Value::Number(it) => Self::Number(it.to_string()),
            Value::String(it) => Self::String(it),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(entries) => Self::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// An integer if it is spelled as one and fits, else a float; as the real server reads into an `any`.
fn number(text: &str) -> Value {
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    let float = text.parse::<f64>().ok().and_then(Number::from_f64);
    float.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use crate::api::decode::json::read;

    fn duplicates(text: &str) -> Vec<String> {
        read(text.as_bytes()).unwrap().duplicates()
    }

    #[test]
    fn repeated_keys_are_named_once_with_their_path() {
        assert_eq!(duplicates(r#"{"a":1,"b":[{"a":1}]}"#), [""; 0]);
        assert_eq!(
            duplicates(r#"{"a":[{"b":1,"b":2,"b":3}],"a":{"c":1,"c":2}}"#),
            [
                r#"duplicate field "a[0].b""#,
                r#"duplicate field "a""#,
                r#"duplicate field "a.c""#
            ]
        );
    }

    #[test]
    fn last_of_repeated_keys_counts() {
        let value = read(br#"{"a":1,"a":2.0}"#).unwrap().into_value();
        assert_eq!(value, serde_json::json!({"a": 2.0}));
    }
}
