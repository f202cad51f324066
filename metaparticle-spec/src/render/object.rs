//! What all objects have in common: names, labels, namespace.

use serde_json::{Map, Value, json};

use crate::AppSpec;

/// The label that selects the pods of an application.
pub const APP_LABEL: &str = "metaparticle.dev/app";

/// An object with `metadata`; `body` holds what else it has (`spec`, `rules`, …).
pub(super) fn object(
    spec: &AppSpec,
    api_version: &str,
    kind: &str,
    name: &str,
    body: Value,
) -> Value {
    let mut labels = labels(spec);
    // On objects only: in the pods' template a new version would replace pods whose image is the same.
    if is_label_value(spec.tag.as_str()) {
        labels.insert("app.kubernetes.io/version".to_owned(), json!(spec.tag));
    }
    let mut object = json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name, "labels": labels },
    });
    if let Some(namespace) = &spec.namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
        object.extend(body);
    }
    object
}

/// The labels of every object and pod.
pub(super) fn labels(spec: &AppSpec) -> Map<String, Value> {
    [
        (APP_LABEL, json!(spec.name)),
        ("app.kubernetes.io/name", json!(spec.name)),
        ("app.kubernetes.io/managed-by", json!("metaparticle")),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// What selects the pods of the application, and nothing else.
pub(super) fn selector(spec: &AppSpec) -> Value {
    json!({ APP_LABEL: spec.name })
}

/// Tags may be longer than labels, and end otherwise.
fn is_label_value(tag: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    tag.len() <= 63 && edge(tag.as_bytes().first()) && edge(tag.as_bytes().last())
}
