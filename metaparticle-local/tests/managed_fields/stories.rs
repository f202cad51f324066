//! What is written, in which order, by whom.

use metaparticle_local::api::{
    patch::Kind,
    resource::{CONFIG_MAP, Resource},
};
use serde_json::{Value, json};

use super::workloads;

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) how: How,
    pub(super) manager: &'static str,
    pub(super) subresource: Option<&'static str>,
    pub(super) body: Value,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Create,
    /// The body is merged into what is there, which is sent as a whole.
    Update,
    Patch(Kind),
    Apply {
        force: bool,
    },
}

impl How {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Create | Self::Update => "application/json",
            Self::Patch(Kind::Json) => "application/json-patch+json",
            Self::Patch(Kind::Merge) => "application/merge-patch+json",
            Self::Patch(Kind::Strategic) => "application/strategic-merge-patch+json",
            Self::Apply { .. } => "application/apply-patch+yaml",
        }
    }

    pub(super) fn query(self) -> &'static str {
        match self {
            Self::Apply { force: true } => "&force=true",
            _ => "",
        }
    }
}

impl Step {
    pub(super) fn status(self) -> Self {
        Self {
            subresource: Some("status"),
            ..self
        }
    }
}

fn step(how: How, manager: &'static str, body: Value) -> Step {
    Step {
        how,
        manager,
        subresource: None,
        body,
    }
}

pub(super) fn create(manager: &'static str, body: Value) -> Step {
    step(How::Create, manager, body)
}

pub(super) fn update(manager: &'static str, body: Value) -> Step {
    step(How::Update, manager, body)
}

pub(super) fn merge(manager: &'static str, body: Value) -> Step {
    step(How::Patch(Kind::Merge), manager, body)
}

pub(super) fn strategic(manager: &'static str, body: Value) -> Step {
    step(How::Patch(Kind::Strategic), manager, body)
}

fn json_patch(manager: &'static str, body: Value) -> Step {
    step(How::Patch(Kind::Json), manager, body)
}

pub(super) fn applied(manager: &'static str, body: Value) -> Step {
    step(How::Apply { force: false }, manager, body)
}

pub(super) fn forced(manager: &'static str, body: Value) -> Step {
    step(How::Apply { force: true }, manager, body)
}

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
fn data(data: Value) -> Value {
    json!({ "data": data })
}

#[expect(clippy::needless_pass_by_value, reason = "reads well at use")]
pub(super) fn meta(metadata: Value) -> Value {
    json!({ "metadata": metadata })
}

/// Every story is about one object.
pub(super) fn stories() -> Vec<(&'static Resource, Vec<Step>)> {
    vec![
        (&CONFIG_MAP, updates()),
        (&CONFIG_MAP, applies()),
        (&CONFIG_MAP, metadata()),
        (&CONFIG_MAP, client_side_apply()),
        (&CONFIG_MAP, many_updaters()),
    ]
    .into_iter()
    .chain(workloads::stories())
    .collect()
}

fn updates() -> Vec<Step> {
    vec![
        create("a", data(json!({"a": "1", "b": "1"}))),
        update("a", data(json!({"a": "2"}))),
        update("b", data(json!({"a": "3", "c": "1"}))),
        update("b", data(json!({"b": null}))),
        update("c", data(json!({}))),
        merge("c", data(json!({"c": "2", "d": "1"}))),
        strategic("d", data(json!({"c": null}))),
        json_patch(
            "e",
            json!([{"op": "add", "path": "/data/e", "value": "1"}, {"op": "remove", "path": "/data/a"}]),
        ),
        merge("f", json!({"data": null})),
        merge(
            "f",
            json!({"binaryData": {"x": "aGk="}, "immutable": false}),
        ),
        update("a", meta(json!({"managedFields": []}))),
        update("a", data(json!({"z": "1"}))),
        applied("g", data(json!({"y": "1"}))),
        update("a", meta(json!({"managedFields": [{}]}))),
        applied("kubectl", data(json!({"y": "1"}))),
    ]
}

fn applies() -> Vec<Step> {
    vec![
        applied("a", data(json!({"a": "1", "b": "1"}))),
        applied("a", data(json!({"a": "1", "b": "1"}))),
        applied("b", data(json!({"a": "2"}))),
        applied("b", data(json!({"a": "1"}))),
        applied("a", data(json!({"b": "1"}))),
        forced("c", data(json!({"a": "5", "b": "6"}))),
        applied("a", data(json!({"a": "1", "b": "1", "c": "1"}))),
        update("u", data(json!({"a": "7", "d": "1"}))),
        applied("c", data(json!({"a": "5", "b": "8", "d": "2"}))),
        applied("b", data(json!({}))),
        applied("b", json!({})),
        applied("c", json!({"data": null})),
        applied("a", data(json!({"foo": 1}))),
        applied("a", json!({"foo": 1})),
        applied("a", meta(json!({"managedFields": []}))),
        applied("a", json!({"data": 1})),
        applied("a", json!({"immutable": "x"})),
    ]
}

fn metadata() -> Vec<Step> {
    let owner = |name: &str, uid: &str| {
        meta(
            json!({"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}]}),
        )
    };
    vec![
        applied(
            "a",
            meta(
                json!({"finalizers": ["x.io/a", "x.io/b"], "labels": {"l": "1"}, "annotations": {"n": "1"}}),
            ),
        ),
        applied(
            "b",
            meta(json!({"finalizers": ["x.io/c", "x.io/a"], "labels": {"l": "1", "m": "1"}})),
        ),
        applied("a", meta(json!({"finalizers": ["x.io/b"]}))),
        applied("b", meta(json!({"finalizers": ["x.io/a", "x.io/a"]}))),
        update("c", meta(json!({"finalizers": ["x.io/b", "x.io/d"]}))),
        strategic(
            "d",
            meta(json!({"$deleteFromPrimitiveList/finalizers": ["x.io/d"], "labels": {"m": "2"}})),
        ),
        applied("e", owner("x", "u1")),
        applied("f", owner("y", "u2")),
        applied("f", owner("z", "u1")),
        applied("e", meta(json!({}))),
        merge(
            "g",
            meta(json!({"finalizers": null, "ownerReferences": null})),
        ),
    ]
}

fn client_side_apply() -> Vec<Step> {
    let last =
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"a\":\"1\",\"b\":\"1\"}}\n";
    vec![
        create(
            "kubectl-client-side-apply",
            json!({
                "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": last}},
                "data": {"a": "1", "b": "1"},
            }),
        ),
        applied("kubectl", data(json!({"a": "2"}))),
        applied("kubectl", data(json!({"a": "3", "c": "1"}))),
        update("x", data(json!({"c": "2"}))),
        applied("kubectl", data(json!({"a": "3", "c": "1"}))),
        forced("kubectl", data(json!({"a": "3", "c": "1"}))),
    ]
}

fn many_updaters() -> Vec<Step> {
    const MANAGERS: [&str; 14] = [
        "m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "n0", "n1", "n2", "n3",
    ];
    let mut steps: Vec<_> = MANAGERS
        .into_iter()
        .map(|manager| update(manager, data(json!({manager: "1"}))))
        .collect();
    steps[0].how = How::Create;
    steps
}
