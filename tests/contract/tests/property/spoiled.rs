//! Spoiled objects: manifests that are right but for one field, and what both servers say to them.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use metaparticle_contract::{Context, Server, objects::text};
use serde_json::{Value, json};

use crate::{AT_ONCE, both, compare::paths, whole::answer};

/// What begins so is answered differently, and why.
const KNOWN: [(&str, &str); 5] = [
    (
        "Pod a /spec/automountServiceAccountToken ",
        "there are no tokens here, so no volume for one is added",
    ),
    (
        "Pod b /spec/automountServiceAccountToken ",
        "there are no tokens here, so no volume for one is added",
    ),
    (
        "CronJob a /spec/timeZone ",
        "there is no list of time zones here; CronJobs are not acted on",
    ),
    (
        "Job b /metadata/name ",
        "labels that repeat the wrong name are looked at as well",
    ),
    (
        "ServiceAccount a /secrets",
        "the real server fails to track the fields of a secret without a name, and tracks none",
    ),
];

/// What is not sent: the real server breaks off, because it takes the number of completions of an indexed Job for given.
const NOT_SENT: [&str; 2] = [
    "Job a /spec/completions left out",
    "CronJob a /spec/jobTemplate/spec/completions left out",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real API server: `cargo xtask contract`"]
async fn spoiled_manifests_are_refused_alike_by_both_servers() {
    let servers = both().await;
    let [left, right] = servers.each_ref().map(Server::client);
    let (left, right) = tokio::join!(Context::create(left), Context::create(right));
    let all = valid();
    let all = all.iter().flat_map(spoiled);
    let all: Vec<_> = all
        .filter(|(what, _)| !NOT_SENT.iter().any(|it| what.starts_with(it)))
        .collect();
    let count = all.len();
    let one = async |(what, object): (String, Value)| {
        let (embedded, real) = tokio::join!(answer(&left, &object), answer(&right, &object));
        let mut found = Vec::new();
        paths(
            "",
            &without_empty(embedded),
            &without_empty(real.clone()),
            &mut found,
        );
        if what.ends_with("as it is") && real["code"] != 201 {
            found.push(format!("was refused: {real}"));
        }
        (!found.is_empty()).then(|| format!("{what}:\n  {}", found.join("\n  ")))
    };
    let found = stream::iter(all).map(one).buffered(AT_ONCE);
    let mut found: Vec<_> = found.filter_map(std::future::ready).collect().await;
    tokio::join!(left.remove(), right.remove());
    for (start, why) in KNOWN {
        let before = found.len();
        found.retain(|it| !it.starts_with(start));
        assert!(
            found.len() < before,
            "{start} does not differ any more: {why}"
        );
    }
    let differ = found.len();
    println!("contract: {count} spoiled manifests on both API servers, {differ} differ");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// An answer in whose sentences an empty list or map is none: here it is dropped before anybody looks.
fn without_empty(answer: Value) -> Value {
    match answer {
        Value::String(text) => {
            let text = text.replace("Invalid value: {}: ", "Invalid value: null: ");
            text.replace("Invalid value: []: ", "Invalid value: null: ")
                .into()
        }
        Value::Array(items) => items.into_iter().map(without_empty).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, it)| (key, without_empty(it)))
            .collect(),
        other => other,
    }
}

/// Manifests that both servers take.
fn valid() -> Vec<Value> {
    let all = serde_saphyr::from_str(include_str!("valid.yaml"));
    all.expect("the manifests are YAML")
}

/// The object itself, and with each of its fields spoiled in each way, with words for what was done.
fn spoiled(object: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    places_of(object, String::new(), &mut places);
    let about = |path: &str, how: &str| {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        format!("{kind} {name} {path} {how}")
    };
    // By what is sent: to leave out an item is the same as to leave out the next one if they are equal.
    let mut all = BTreeMap::from([(object.to_string(), about("", "as it is"))]);
    for path in places {
        let Some((parent, last)) = path.rsplit_once('/') else {
            continue;
        };
        let at = object.pointer(&path).expect("it is a place of the object");
        for value in worse(at) {
            let mut other = object.clone();
            *other.pointer_mut(&path).expect("as above") = value.clone();
            let shown: String = value.to_string().chars().take(40).collect();
            all.entry(other.to_string())
                .or_insert_with(|| about(&path, &shown));
        }
        let mut other = object.clone();
        match other.pointer_mut(parent).expect("as above") {
            Value::Object(fields) => {
                fields.remove(&last.replace("~1", "/").replace("~0", "~"));
            }
            Value::Array(items) => {
                let item = items[0].clone();
                items.push(item);
            }
            _ => {}
        }
        all.entry(other.to_string())
            .or_insert_with(|| about(&path, "left out, or twice"));
    }
    let all = all.into_iter();
    all.map(|(sent, what)| (what, serde_json::from_str(&sent).expect("it was JSON")))
        .collect()
}

/// The pointers of all values; which kind it is is not spoiled.
fn places_of(value: &Value, path: String, all: &mut Vec<String>) {
    if ["/apiVersion", "/kind"].contains(&path.as_str()) {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                places_of(value, format!("{path}/{key}"), all);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places_of(value, format!("{path}/{index}"), all);
            }
        }
        _ => {}
    }
    all.push(path);
}

/// What may not stand in the place of this value.
fn worse(value: &Value) -> Vec<Value> {
    match value {
        Value::String(_) => vec![
            json!(""),
            json!("No such!"),
            json!("x".repeat(300)),
            json!("-1"),
            json!(7),
        ],
        Value::Number(_) => vec![
            json!(-1),
            json!(0),
            json!(100_001),
            json!(i64::from(i32::MAX) + 1),
            json!("x"),
        ],
        Value::Bool(it) => vec![json!(!it), json!("x")],
        Value::Array(_) => vec![json!([]), json!({}), json!([null])],
        Value::Object(fields) => {
            let mut other = fields.clone();
            other.insert("No such!".to_owned(), json!("x"));
            vec![json!({}), json!([]), json!(other)]
        }
        Value::Null => Vec::new(),
    }
}
