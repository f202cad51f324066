//! What holds on the embedded API whatever is done to it.

use std::collections::BTreeMap;

use metaparticle_contract::{Context, Server, objects::text};
use serde_json::Value;

use crate::{LENGTH, number, sequence, side::Side};

/// So many operations in plain `cargo test`.
const OPERATIONS: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_rise_watches_equal_lists_and_owners_are_well_formed() {
    let server = Server::embedded().await;
    let seed = number("METAPARTICLE_CONTRACT_SEED", 1);
    for case in 0..OPERATIONS.div_ceil(LENGTH) {
        let context = Context::create(server.client()).await;
        let start = text(&context.read("leases").await["metadata"]["resourceVersion"]);
        let mut side = Side::new(context.clone()).await;
        let operations = sequence(seed, case);
        let plural = operations[0].plural();
        for operation in &operations {
            let answer = side.run(operation).await; // panics when a version falls
            well_formed(&answer["body"]);
        }
        let list = context.read(plural).await;
        let until = text(&list["metadata"]["resourceVersion"]);
        let replayed = replayed(&context, plural, &start, &until).await;
        let items = list["items"].as_array().expect("a list").iter();
        let listed: BTreeMap<String, Value> = items
            .map(|it| (text(&it["metadata"]["name"]), it.clone()))
            .collect();
        assert_eq!(replayed, listed, "seed {seed}, case {case}");
        context.remove().await;
    }
}

/// What a watcher believes to be there.
async fn replayed(
    context: &Context,
    plural: &str,
    start: &str,
    until: &str,
) -> BTreeMap<String, Value> {
    // A last event of another kind would not be told, so one of this kind is made for the end.
    let last = context
        .patch(
            metaparticle_contract::Patch::Apply,
            &format!("{plural}/end?fieldManager=end"),
            &end(plural),
        )
        .await;
    assert_eq!(last.status, 201, "{}", last.text());
    let mut watch = context
        .watch(&format!("{plural}?watch=1&resourceVersion={start}"))
        .await;
    let mut objects = BTreeMap::new();
    let mut version = start.parse::<u64>().expect("a number");
    loop {
        let (kind, name, mut object) = watch.event().await;
        let next = metaparticle_contract::objects::version(&object);
        assert!(next > version, "{next} was told after {version}");
        version = next;
        if name == "end" {
            break;
        }
        assert!(version <= until.parse().expect("a number"));
        if let Some(object) = object.as_object_mut() {
            object.remove("kind");
            object.remove("apiVersion");
        }
        let before = match kind.as_str() {
            "DELETED" => objects.remove(&name),
            _ => objects.insert(name.clone(), object),
        };
        assert_eq!(before.is_none(), kind == "ADDED", "{kind} {name}");
    }
    objects
}

fn end(plural: &str) -> Value {
    let (_, version, kind) = crate::KINDS
        .into_iter()
        .find(|it| it.0 == plural)
        .expect("a kind");
    let mut random = crate::random::Random::new(0);
    let mut object = crate::kinds::fields(&mut random, plural, true);
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"] = serde_json::json!({"name": "end"});
    if plural == "secrets" || plural == "leases" {
        for field in ["spec", "data", "type", "stringData"] {
            object.as_object_mut().expect("an object").remove(field);
        }
    }
    object
}

/// Each entry of `managedFields` says who and how, and owns something that can be read.
fn well_formed(object: &Value) {
    for entry in object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
    {
        assert!(!text(&entry["manager"]).is_empty(), "{entry}");
        assert!(
            matches!(text(&entry["operation"]).as_str(), "Apply" | "Update"),
            "{entry}"
        );
        assert_eq!(entry["fieldsType"], "FieldsV1", "{entry}");
        assert!(!entry["apiVersion"].is_null(), "{entry}");
        let fields = entry["fieldsV1"].as_object().expect("fields");
        assert!(!fields.is_empty(), "{entry}");
        fields_are_well_formed(&entry["fieldsV1"]);
    }
}

fn fields_are_well_formed(fields: &Value) {
    for (key, below) in fields.as_object().into_iter().flatten() {
        let readable = match key.split_once(':') {
            None => key == ".",
            Some(("f", name)) => !name.is_empty(),
            Some(("k", keys)) => serde_json::from_str::<Value>(keys).is_ok_and(|it| it.is_object()),
            Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok(),
            Some(_) => false,
        };
        assert!(readable, "{key} in {fields}");
        assert!(below.is_object(), "{key} in {fields}");
        fields_are_well_formed(below);
    }
}
