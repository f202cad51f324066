//! [`Object`]: a stored object, and its JSON text, made once.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Value};

use super::{Resource, Told};

/// An object at one revision. Never changes.
#[derive(Debug)]
pub(crate) struct Object {
    resource: &'static Resource,
    value: Arc<Value>,
    revision: u64,
    item: Mutex<Option<Bytes>>,
    weight: usize,
}

impl Object {
    /// `value` with `revision` as its resourceVersion.
    pub(crate) fn new(resource: &'static Resource, mut value: Value, revision: u64) -> Self {
        value["metadata"]["resourceVersion"] = revision.to_string().into();
        Self {
            resource,
            weight: weight(&value),
            value: Arc::new(value),
            revision,
            item: Mutex::default(),
        }
    }

    /// The result of a dry run: as it was given.
    pub(crate) fn unstored(resource: &'static Resource, value: Value) -> Self {
        Self {
            resource,
            weight: 0,
            value: Arc::new(value),
            revision: 0,
            item: Mutex::default(),
        }
    }

    /// The same at another revision.
    pub(crate) fn at(&self, revision: u64) -> Self {
        Self::new(self.resource, (*self.value).clone(), revision)
    }

    /// The object, with `apiVersion` and `kind`.
    pub(crate) fn value(&self) -> &Arc<Value> {
        &self.value
    }

    /// Its revision.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// JSON of an item of a list: without `kind` and `apiVersion`, as the real server writes items. Made once.
    pub(crate) fn item(&self) -> Bytes {
        let mut text = self.item.lock().unwrap_or_else(PoisonError::into_inner);
        text.get_or_insert_with(|| item(&self.value).into()).clone()
    }

    /// Lets the text go: there is a newer version.
    pub(crate) fn forget_text(&self) {
        *self.item.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The line of a watch.
    pub(crate) fn line(&self, told: Told) -> Bytes {
        let mut line = format!("{{\"type\":\"{}\",\"object\":", told.name()).into_bytes();
        write_with_type(self.resource, &item(&self.value), &mut line);
        line.extend_from_slice(b"}\n");
        line.into()
    }
}

/// Bytes of memory that a value takes, about.
fn weight(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| 48 + name.len() + weight(value))
            .sum(),
        _ => 0,
    };
    size_of::<Value>() + inner
}

/// JSON of an object that is not stored.
pub(crate) fn text(resource: &'static Resource, value: &Value) -> Vec<u8> {
    let mut text = Vec::new();
    write_with_type(resource, &item(value), &mut text);
    text
}

fn write_with_type(resource: &'static Resource, item: &[u8], text: &mut Vec<u8>) {
    text.extend_from_slice(b"{\"kind\":\"");
    text.extend_from_slice(resource.kind.as_bytes());
    text.extend_from_slice(b"\",\"apiVersion\":\"");
    text.extend_from_slice(resource.api_version().as_bytes());
    text.push(b'"');
    if item.len() > 2 {
        text.push(b',');
    }
    text.extend_from_slice(&item[1..]);
}

/// JSON of an object without `kind` and `apiVersion`.
pub(crate) fn item(value: &Value) -> Vec<u8> {
    let Value::Object(fields) = value else {
        return b"{}".to_vec();
    };
    serde_json::to_vec(&Untyped(fields)).expect("values of JSON can be written")
}

struct Untyped<'a>(&'a Map<String, Value>);

impl Serialize for Untyped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0 {
            if name != "kind" && name != "apiVersion" {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::super::resource::CONFIG_MAP, *};

    #[test]
    fn items_have_no_type_and_whole_objects_begin_with_it() {
        let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let object = Object::new(&CONFIG_MAP, value, 7);
        let whole = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"7"}}"#;
        let line = format!("{{\"type\":\"ADDED\",\"object\":{whole}}}\n");
        assert_eq!(object.line(Told::Added), line);
        assert_eq!(
            object.item(),
            r#"{"metadata":{"name":"a","resourceVersion":"7"}}"#
        );
    }
}
