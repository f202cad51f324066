//! [`Operation`]: one random request, the same for every server.
//!
//! Bodies may contain `$current`, `$first` and `$uid`: what the server at hand last said of that object.

use metaparticle_contract::Patch;
use serde_json::{Value, json};

use crate::{
    kinds::{self, KINDS},
    random::Random,
};

/// What to do with the object, or with all of the kind.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Create(Value),
    Get,
    List(&'static str),
    Update(Value),
    Patch(Patch, Value),
    /// In whose name, what, and whether by force.
    Apply(&'static str, Value, bool),
    Delete(Value),
    DeleteAll(&'static str),
    /// The events since the last look.
    Watch,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// Index into [`KINDS`].
    pub(crate) kind: usize,
    pub(crate) name: &'static str,
    /// A sub-resource, or nothing.
    pub(crate) part: &'static str,
    pub(crate) action: Action,
    pub(crate) dry_run: bool,
    pub(crate) manager: &'static str,
}

const NAMES: [&str; 2] = ["a", "b"];
const MANAGERS: [&str; 3] = ["m1", "m2", "m3"];
const SELECTORS: [&str; 5] = ["", "l1", "l1%3Dx", "l1!%3Dx", "l2%20in%20(x,y)"];

impl Operation {
    pub(crate) fn random(random: &mut Random, kind: usize) -> Self {
        let plural = KINDS[kind].0;
        let name = random.word(&NAMES);
        let mut part = "";
        let action = match random.below(100) {
            0..15 => Action::Create(object(random, kind, name, true)),
            15..20 => Action::Get,
            20..25 => Action::List(random.word(&SELECTORS)),
            25..38 => Action::Update(conditional(random, kind, name)),
            38..48 => Action::Patch(Patch::Merge, merge(random, plural)),
            48..56 => Action::Patch(Patch::Json, operations(random, plural)),
            56..66 => Action::Patch(Patch::Strategic, strategic(random, plural)),
            66..86 => {
                let body = object_of(random, kind, name, 70);
                Action::Apply(random.word(&MANAGERS), body, random.chance(30))
            }
            86..94 => Action::Delete(options(random)),
            94..96 => Action::DeleteAll(random.word(&SELECTORS)),
            96..98 if plural == "cronjobs" => {
                part = "/status";
                let status = json!({"lastScheduleTime": "2026-01-02T03:04:05Z"});
                Action::Patch(Patch::Merge, json!({"status": status}))
            }
            _ => Action::Watch,
        };
        Self {
            kind,
            name,
            part,
            action,
            dry_run: random.chance(7),
            manager: random.word(&MANAGERS),
        }
    }

    pub(crate) fn plural(&self) -> &'static str {
        KINDS[self.kind].0
    }
}

fn object(random: &mut Random, kind: usize, name: &str, complete: bool) -> Value {
    let (plural, version, word) = KINDS[kind];
    let mut object = kinds::fields(random, plural, complete);
    object["apiVersion"] = version.into();
    object["kind"] = word.into();
    object["metadata"] = kinds::metadata(random);
    object["metadata"]["name"] = name.into();
    object
}

fn object_of(random: &mut Random, kind: usize, name: &str, percent: usize) -> Value {
    let complete = random.chance(percent);
    let mut object = object(random, kind, name, complete);
    condition(random, &mut object, 4);
    object
}

/// An object to PUT: mostly of the version that is there, as a careful client does.
fn conditional(random: &mut Random, kind: usize, name: &str) -> Value {
    let mut object = object(random, kind, name, true);
    if random.chance(60) {
        object["metadata"]["resourceVersion"] = "$current".into();
    }
    condition(random, &mut object, 10);
    object
}

/// Sometimes a condition.
fn condition(random: &mut Random, object: &mut Value, percent: usize) {
    if random.chance(percent) {
        let version = random.one(&["$current", "$first"]);
        object["metadata"]["resourceVersion"] = (*version).into();
    }
    if random.chance(percent) {
        object["metadata"]["uid"] = (*random.one(&["$uid", "$uid", "other"])).into();
    }
}

fn merge(random: &mut Random, plural: &str) -> Value {
    let mut patch = kinds::fields(random, plural, false);
    let metadata = kinds::metadata(random);
    if metadata != json!({}) {
        patch["metadata"] = metadata;
    }
    condition(random, &mut patch, 4);
    while random.chance(30) {
        remove_something(random, &mut patch);
    }
    if plural == "cronjobs" && patch["spec"].is_object() {
        patch["spec"]["suspend"] = true.into(); // its controller stays away
    }
    patch
}

/// Puts null in the place of some field.
fn remove_something(random: &mut Random, patch: &mut Value) {
    let Value::Object(map) = patch else { return };
    let keys: Vec<String> = map.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = random.one(&keys);
    if map[key].is_object() && random.chance(70) {
        remove_something(random, &mut map[key]);
    } else {
        map[key] = Value::Null;
    }
}

fn operations(random: &mut Random, plural: &str) -> Value {
    let own: &[(&str, Value)] = &match plural {
        "configmaps" => vec![
            ("/data/k1", json!("z")),
            ("/data", json!({"k2": "z"})),
            ("/data/k1", json!(1)),
        ],
        "secrets" => vec![("/data/k1", json!("eg==")), ("/data/k2", json!("?"))],
        "leases" => vec![
            ("/spec/holderIdentity", json!("z")),
            ("/spec/leaseDurationSeconds", json!(7)),
        ],
        "roles" => vec![
            (
                "/rules/0",
                json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}),
            ),
            (
                "/rules/-",
                json!({"verbs": ["get"], "resources": ["pods"], "apiGroups": [""]}),
            ),
        ],
        "services" => vec![
            ("/spec/ports/0", json!({"name": "z", "port": 90})),
            ("/spec/ports/0/name", json!("q")),
        ],
        "cronjobs" => vec![
            ("/spec/schedule", json!("2 0 * * *")),
            (
                "/spec/jobTemplate/spec/template/spec/containers/0/image",
                json!("i:3"),
            ),
        ],
        _ => vec![
            ("/spec/podSelector", json!({})),
            ("/spec/policyTypes/0", json!("Egress")),
        ],
    };
    let everywhere = [
        ("/metadata/labels", json!({"l1": "z"})),
        ("/metadata/labels/l1", json!("x")),
        ("/metadata/annotations/a.b~1n2", json!("z")),
        ("/metadata/finalizers/0", json!("a.b/x")),
        ("/metadata/finalizers", json!([])),
        ("/metadata/resourceVersion", json!("$current")),
    ];
    let count = 1 + random.below(3);
    let mut operations = Vec::new();
    for _ in 0..count {
        let (path, value) = if random.chance(60) {
            random.one(own).clone()
        } else {
            random.one(&everywhere).clone()
        };
        operations.push(match random.below(10) {
            0..4 => json!({"op": "add", "path": path, "value": value}),
            4..7 => json!({"op": "replace", "path": path, "value": value}),
            7..9 => json!({"op": "remove", "path": path}),
            _ => json!({"op": "test", "path": path, "value": value}),
        });
    }
    operations.into()
}

fn strategic(random: &mut Random, plural: &str) -> Value {
    let mut patch = merge(random, plural);
    match (plural, random.below(6)) {
        ("cronjobs", choice) => {
            let pod = match choice {
                0 => json!({"containers": [{"name": random.one(&["x", "y"]), "$patch": "delete"}]}),
                1 => json!({"$setElementOrder/containers": [{"name": "y"}, {"name": "x"}]}),
                2 => {
                    json!({"containers": [{"name": "x", "env": [{"name": "A", "$patch": "delete"}]}]})
                }
                3 => {
                    json!({"volumes": [{"name": "v", "configMap": {"name": "e"}, "$retainKeys": ["name", "configMap"]}]})
                }
                4 => json!({"containers": [{"name": "w", "image": "i:9"}, {"$patch": "replace"}]}),
                _ => return patch,
            };
            patch["spec"] = json!({"jobTemplate": {"spec": {"template": {"spec": pod}}}});
        }
        ("services", 0) => patch["spec"] = json!({"ports": [{"port": 80, "$patch": "delete"}]}),
        ("services", 1) => patch["spec"] = json!({"ports": [{"port": 80, "name": "z"}]}),
        (_, 2) => patch["metadata"] = json!({"$deleteFromPrimitiveList/finalizers": ["a.b/x"]}),
        (_, 3) => patch["metadata"] = json!({"labels": {"$patch": "replace", "l2": "y"}}),
        (_, 4) => patch["metadata"] = json!({"annotations": {"$patch": "delete"}}),
        _ => {}
    }
    patch
}

fn options(random: &mut Random) -> Value {
    let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
    if random.chance(20) {
        options["propagationPolicy"] = "Background".into();
    }
    if random.chance(20) {
        options["gracePeriodSeconds"] = (*random.one(&[0, 5])).into();
    }
    if random.chance(15) {
        let version = random.one(&["$current", "$first"]);
        options["preconditions"] = json!({"resourceVersion": version});
    }
    if random.chance(15) {
        options["preconditions"] = json!({"uid": random.one(&["$uid", "other"])});
    }
    options
}
