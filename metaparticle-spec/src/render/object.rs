//! What all objects have in common: names, labels, namespace.

use serde_json::{Map, Value, json};

use crate::{AppSpec, Workload};

/// The label that selects the pods of an application.
pub const APP_LABEL: &str = "metaparticle.dev/app";

/// The label that tells the pods of a sharded application apart: `shard` or `router`.
pub const ROLE_LABEL: &str = "metaparticle.dev/role";

/// What a pod of the application is; `METAPARTICLE_ROLE` of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One of equal copies.
    Replica,
    /// The owner of some slots.
    Shard,
    /// One of the tier before the shards.
    Router,
    /// One run.
    Job,
}

impl Role {
    /// That of the pods in which the program's `main` runs.
    pub(super) fn of(spec: &AppSpec) -> Self {
        match spec.workload {
            Workload::Replicated { .. } => Self::Replica,
            Workload::Sharded(..) => Self::Shard,
            Workload::Job { .. } => Self::Job,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Shard => "shard",
            Self::Router => "router",
            Self::Job => "job",
        }
    }

    /// Shards and routers are of one application, but not of one kind.
    fn is_labelled(self) -> bool {
        matches!(self, Self::Shard | Self::Router)
    }
}

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

/// The name of what concerns the pods of a role.
pub(super) fn name(spec: &AppSpec, role: Role) -> String {
    match role {
        Role::Router => format!("{}-router", spec.name),
        _ => spec.name.to_string(),
    }
}

/// The labels of the pods of a role.
pub(super) fn pod_labels(spec: &AppSpec, role: Role) -> Map<String, Value> {
    let mut labels = labels(spec);
    if role.is_labelled() {
        labels.insert(ROLE_LABEL.to_owned(), json!(role.as_str()));
    }
    labels
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

/// What selects the application's pods of a role, and nothing else.
pub(super) fn selector(spec: &AppSpec, role: Role) -> Value {
    let mut selector = json!({ APP_LABEL: spec.name });
    if role.is_labelled() {
        selector[ROLE_LABEL] = json!(role.as_str());
    }
    selector
}

/// Tags may be longer than labels, and end otherwise.
fn is_label_value(tag: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    tag.len() <= 63 && edge(tag.as_bytes().first()) && edge(tag.as_bytes().last())
}
