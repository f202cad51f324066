//! [`At`]: a value of an object and its path, for checks that name the field.

use serde_json::Value;

use crate::api::failure::FieldError;

static ABSENT: Value = Value::Null;

/// A value and where it stands; null if it is absent.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) value: &'a Value,
    pub(super) path: String,
}

impl<'a> At<'a> {
    /// The field of an object that is itself the root: `spec`, `metadata`.
    pub(super) fn root(object: &'a Value, name: &str) -> Self {
        Self::new(object.get(name).unwrap_or(&ABSENT), name)
    }

    pub(super) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        let path = path.into();
        Self { value, path }
    }

    /// The field of that name.
    pub(super) fn get(&self, name: &str) -> Self {
        let value = self.value.get(name).unwrap_or(&ABSENT);
        Self::new(value, format!("{}.{name}", self.path))
    }

    /// The value of a map's key.
    pub(super) fn key(&self, key: &str) -> Self {
        let value = self.value.get(key).unwrap_or(&ABSENT);
        Self::new(value, format!("{}[{key}]", self.path))
    }

    /// The items of a list; none if it is absent.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let path = self.path.clone();
        self.list()
            .iter()
            .enumerate()
            .map(move |(index, value)| Self::new(value, format!("{path}[{index}]")))
    }

    /// The keys and values of a map; none if it is absent.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let map = self.value.as_object();
        map.into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
    }

    pub(super) fn list(&self) -> &'a [Value] {
        self.value.as_array().map_or(&[], Vec::as_slice)
    }

    /// The text; empty if it is absent.
    pub(super) fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }

    /// The number; 0 if it is absent.
    pub(super) fn number(&self) -> i64 {
        self.value.as_i64().unwrap_or_default()
    }

    /// Whether it is `true`.
    pub(super) fn is_true(&self) -> bool {
        self.value.as_bool().unwrap_or_default()
    }

    pub(super) fn is_set(&self) -> bool {
        !self.value.is_null()
    }

    /// Whether it is absent or has nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    pub(super) fn required(&self, detail: &str) -> FieldError {
        FieldError::required(&self.path, detail)
    }

    pub(super) fn invalid(&self, detail: &str) -> FieldError {
        FieldError::invalid(&self.path, self.value, detail)
    }

    /// Each message as one error about this value.
    pub(super) fn all_invalid(&self, messages: Vec<String>) -> Vec<FieldError> {
        messages.into_iter().map(|it| self.invalid(&it)).collect()
    }

    pub(super) fn forbidden(&self, detail: &str) -> FieldError {
        FieldError::forbidden(&self.path, detail)
    }

    pub(super) fn duplicate(&self) -> FieldError {
        FieldError::duplicate(&self.path, self.value)
    }

    /// Required, one of these, or an error.
    pub(super) fn one_of(&self, allowed: &[&str]) -> Option<FieldError> {
        match self.text() {
            "" => Some(self.required("")),
            text if allowed.contains(&text) => None,
            _ => Some(FieldError::not_supported(&self.path, self.value, allowed)),
        }
    }

    /// Absent, one of these, or an error.
    pub(super) fn none_or_one_of(&self, allowed: &[&str]) -> Option<FieldError> {
        let wrong = self.is_set() && !allowed.contains(&self.text());
        wrong.then(|| FieldError::not_supported(&self.path, self.value, allowed))
    }

    pub(super) fn not_negative(&self) -> Option<FieldError> {
        (self.number() < 0).then(|| self.invalid("must be greater than or equal to 0"))
    }

    /// The value must be what `old` is.
    pub(super) fn same_as(&self, old: &Self) -> Option<FieldError> {
        (self.value != old.value).then(|| self.invalid("field is immutable"))
    }

    /// A number within these bounds.
    pub(super) fn within(&self, least: i64, most: i64) -> Option<FieldError> {
        let outside = !(least..=most).contains(&self.number());
        outside.then(|| self.invalid(&format!("must be between {least} and {most}, inclusive")))
    }
}
