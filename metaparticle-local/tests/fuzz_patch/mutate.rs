//! Good bodies made bad: in their structure, then in their bytes.

use serde_json::{Value, json};

use super::random::Random;

/// Words that mean something somewhere.
const WORDS: [&str; 22] = [
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$setElementOrder/",
    "$deleteFromPrimitiveList/finalizers",
    "$deleteFromPrimitiveList",
    "name",
    "uid",
    "metadata",
    "managedFields",
    "fieldsV1",
    "spec",
    "status",
    "data",
    "containers",
    "ports",
    "port",
    "replicas",
    "apiVersion",
    "kind",
    ".",
    "",
];

const BYTES: [&[u8]; 20] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"true",
    b"-",
    b"1e9",
    b"\\u00",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"\n  - ",
    b"&a ",
    b"*a",
    b": ",
    b"!!binary ",
];

/// A body that was good before.
pub(super) fn body(mut value: Value, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.below(4) {
        structure(&mut value, random, 12);
    }
    if random.below(40) == 0 {
        let closed = random.below(4) != 0;
        return nested(random.pick(&DEPTHS), random.pick(&NESTINGS), closed);
    }
    let mut body = value.to_string().into_bytes();
    if random.below(4) == 0 {
        for _ in 0..=random.below(3) {
            bytes(&mut body, random);
        }
    }
    body
}

/// Changes one place, some levels down.
fn structure(value: &mut Value, random: &mut Random, levels: usize) {
    let deeper = levels > 0 && random.below(4) != 0;
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let at = random.below(fields.len());
            if let Some(inner) = fields.values_mut().nth(at) {
                structure(inner, random, levels - 1);
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = random.below(items.len());
            structure(&mut items[at], random, levels - 1);
        }
        Value::Object(fields) => {
            let word = random.pick(&WORDS).to_owned();
            let name = fields
                .keys()
                .nth(random.below(fields.len().max(1)))
                .cloned();
            match (random.below(4), name) {
                (0, Some(name)) => drop(fields.remove(&name)),
                (1, Some(name)) => {
                    let moved = fields.remove(&name).unwrap_or_default();
                    fields.insert(word, moved);
                }
                (2, Some(name)) => drop(fields.insert(name, some_value(random))),
                _ => drop(fields.insert(word, some_value(random))),
            }
        }
        Value::Array(items) => match (random.below(4), items.len()) {
            (0, 1..) => drop(items.swap_remove(random.below(items.len()))),
            (1, 1..) => items.push(items[random.below(items.len())].clone()),
            (2, 2..) => items.reverse(),
            _ => items.push(some_value(random)),
        },
        other => *other = some_value(random),
    }
}

fn some_value(random: &mut Random) -> Value {
    match random.below(14) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!([]),
        3 => json!(true),
        4 => json!(random.pick(&[0_i64, -1, 80, i64::MAX, i64::MIN, 3_000_000_000])),
        5 => json!(random.pick(&[0.5, 3.0, 1e300, -0.0])),
        6 => json!(random.pick(&WORDS)),
        7 => json!("x".repeat(random.below(3000))),
        8 => json!([[1], ["a"]]),
        9 => json!([{"name": "a"}, {"name": "a"}, {}]),
        10 => json!([random.pick(&WORDS), null, random.pick(&WORDS)]),
        11 => managed_fields(random),
        12 => json!({random.pick(&WORDS): random.pick(&["delete", "replace", "merge"])}),
        _ => json!(random.pick(&["1000m", "2026-01-01T00:00:00Z", "aGk=", "é\u{0}\u{fffd}"])),
    }
}

fn managed_fields(random: &mut Random) -> Value {
    let fields = random.pick(&[
        "f:data",
        "k:{\"name\":\"a\"}",
        "k:{",
        "v:1",
        "v:",
        "i:0",
        "x:",
        "f:metadata",
        "",
        ".",
    ]);
    json!([{
        "manager": random.pick(&["a", "", "z"]),
        "operation": random.pick(&["Apply", "Update", "x"]),
        "apiVersion": random.pick(&["v1", "apps/v1", ""]),
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": random.pick(&["FieldsV1", "x"]),
        "fieldsV1": {"f:spec": {fields: {".": {}, "f:a": {}}}, fields: random.pick(&[None, Some(1)])},
    }])
}

fn bytes(body: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(body.len() + 1);
    let length = random.below(8).min(body.len() - at);
    match random.below(4) {
        0 => drop(body.drain(at..at + length)),
        1 if at < body.len() => body[at] ^= 1 << random.below(8),
        2 => {
            let copied = body[at..at + length].to_vec();
            let to = random.below(body.len() + 1);
            body.splice(to..to, copied);
        }
        _ => drop(body.splice(at..at, random.pick(&BYTES).iter().copied())),
    }
}

/// How deep values are nested.
pub(super) const DEPTHS: [usize; 8] = [100, 127, 129, 200, 1_000, 9_980, 10_001, 20_000];

/// What is repeated and what closes it, what comes before and behind, and what is in the middle.
pub(super) const NESTINGS: [[&str; 5]; 9] = [
    ["[", "]", "", "", ""],
    ["{\"a\":", "}", "", "", "1"],
    ["{\"data\":", "}", "", "", "{}"],
    ["[", "]", "{\"x\":", "}", ""],
    [
        "{\"a\":",
        "}",
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"x\":",
        "}",
        "1",
    ],
    [
        "[",
        "]",
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"ControllerRevision\",\"data\":",
        "}",
        "",
    ],
    [
        "{\"f:a\":",
        "}",
        "{\"metadata\":{\"managedFields\":[{\"fieldsV1\":",
        "}]}}",
        "{}",
    ],
    ["- ", "", "", "", "x"],
    ["? ", "", "", "", "x"],
];

/// A deeply nested body; `closed` is whether it is complete.
pub(super) fn nested(depth: usize, nesting: [&str; 5], closed: bool) -> Vec<u8> {
    let [open, close, before, behind, middle] = nesting;
    let mut body = format!("{before}{}{middle}", open.repeat(depth));
    if closed {
        body += &close.repeat(depth);
        body += behind;
    }
    body.into_bytes()
}
