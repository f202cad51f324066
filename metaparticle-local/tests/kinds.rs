//! The rules of the kinds against answers of a real API server.
//!
//! `kinds/*.yaml` holds objects and changes of them, `kinds/*.json` what Kubernetes answered. To record again:
//! `METAPARTICLE_RECORD_FROM=<kubeconfig> cargo test -p metaparticle-local --test kinds`.

#![expect(clippy::unwrap_used, reason = "a test")]

mod record;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use metaparticle_local::api::{decode, failure::Failure, kinds, resource::Resource, table};
use serde::Deserialize;
use serde_json::{Value, json};

/// The cases of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// An object without mistakes.
    base: Value,
    /// What to change in it before it is created: JSON pointers and values, null to remove.
    #[serde(default)]
    create: BTreeMap<String, Changes>,
    /// What to change in it afterwards.
    #[serde(default)]
    update: BTreeMap<String, Changes>,
    /// What to change in its status.
    #[serde(default)]
    status: BTreeMap<String, Changes>,
    /// What to change in it and its status before it is printed.
    #[serde(default)]
    table: BTreeMap<String, Changes>,
}

type Changes = BTreeMap<String, Value>;

/// What came of it, by case.
type Answers = BTreeMap<String, Value>;

#[test]
fn every_kind_answers_as_kubernetes_does() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/kinds");
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    let mut wrong = Vec::new();
    for path in names {
        let cases: Cases = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ours = ours(&cases);
        let file = path.with_extension("json");
        if let Ok(kubeconfig) = std::env::var("METAPARTICLE_RECORD_FROM") {
            let theirs = record::answers(&kubeconfig, &cases);
            let text = serde_json::to_string_pretty(&theirs).unwrap();
            fs::write(&file, text + "\n").unwrap();
        }
        let text = fs::read_to_string(&file).unwrap();
        let theirs: Answers = serde_json::from_str(&text).unwrap();
        let kind = path.file_stem().unwrap().to_string_lossy();
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "record {kind} again"
        );
        for (name, theirs) in &theirs {
            let ours = &ours[name];
            let mut found = Vec::new();
            differences("", ours, theirs, &mut found);
            if !found.is_empty() {
                wrong.push(format!("{kind}, {name}:\n{}", found.join("")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// All cases, through our rules.
fn ours(cases: &Cases) -> Answers {
    let mut answers = Answers::new();
    for (name, changes) in &cases.create {
        let answer = create(changed(&cases.base, changes));
        answers.insert(format!("create: {name}"), neutral(answer));
    }
    for (verb, all) in [("update", &cases.update), ("status", &cases.status)] {
        for (name, changes) in all {
            let old = create(cases.base.clone()).unwrap();
            let answer = update(&old, changed(&old, changes), verb == "status");
            answers.insert(
                format!("{verb}: {name}"),
                without_status(verb, neutral(answer)),
            );
        }
    }
    for (name, changes) in &cases.table {
        let old = create(cases.base.clone()).unwrap();
        let object = changed(&old, changes);
        let resource = resource(&object);
        let cells = table::cells(resource, &object, jiff::Timestamp::UNIX_EPOCH);
        let table =
            json!({"columnDefinitions": table::columns(resource), "rows": [{"cells": cells}]});
        answers.insert(format!("table: {name}"), printed(&table));
    }
    answers
}

/// Columns, without their descriptions, and cells, without ages.
fn printed(table: &Value) -> Value {
    let columns = table["columnDefinitions"].as_array().unwrap();
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(columns.len(), cells.len(), "{table}");
    let pairs = columns.iter().zip(cells).map(|(column, cell)| {
        let text = |field: &str| column[field].as_str().unwrap_or_default();
        let age = ["Age", "Created At", "Last Seen", "First Seen"].contains(&text("name"));
        let cell = if age { &Value::Null } else { cell };
        let kind = format!("{} {}", text("type"), text("format"));
        json!([text("name"), kind.trim(), column["priority"], cell])
    });
    pairs.collect()
}

fn create(mut object: Value) -> Result<Value, Failure> {
    let resource = resource(&object);
    let meta = &mut object["metadata"];
    if resource.namespaced {
        meta["namespace"] = "metaparticle-kinds".into();
    }
    meta["uid"] = "UID".into();
    meta["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    let name = meta["name"].as_str().unwrap_or_default().to_owned();
    kinds::default(resource, &mut object);
    decode::forget_empty_lists(resource, &mut object);
    kinds::prepare_create(resource, &mut object);
    if resource.kind == "Service" && kinds::service::needs_cluster_ip(&object) {
        object["spec"]["clusterIP"] = "10.96.0.0".into();
        object["spec"]["clusterIPs"] = json!(["10.96.0.0"]);
    }
    refuse(resource, &name, &kinds::validate_create(resource, &object))?;
    object["metadata"]["resourceVersion"] = "1".into();
    Ok(object)
}

fn update(old: &Value, mut new: Value, status: bool) -> Result<Value, Failure> {
    let resource = resource(old);
    kinds::check_resource_version(resource, &new)?;
    kinds::default(resource, &mut new);
    decode::forget_empty_lists(resource, &mut new);
    let errors = if status {
        kinds::prepare_status(resource, old, &mut new);
        kinds::validate_status(resource, old, &new)
    } else {
        kinds::prepare_update(resource, old, &mut new);
        kinds::validate_update(resource, old, &new)
    };
    refuse(
        resource,
        new["metadata"]["name"].as_str().unwrap_or_default(),
        &errors,
    )?;
    Ok(new)
}

fn refuse(
    resource: &Resource,
    name: &str,
    errors: &[metaparticle_local::api::failure::FieldError],
) -> Result<(), Failure> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(resource, name, errors))
}

fn resource(object: &Value) -> &'static Resource {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    Resource::of_kind(text("apiVersion"), text("kind")).expect("a served kind")
}

/// The object with these changes.
fn changed(base: &Value, changes: &Changes) -> Value {
    let mut object = base.clone();
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        let field = field.replace("~1", "/").replace("~0", "~");
        let mut at = &mut object;
        for step in parent.split('/').skip(1) {
            at = match step.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[step],
            };
        }
        match (value, field.parse::<usize>()) {
            (_, Ok(index)) => at[index] = value.clone(),
            (Value::Null, _) => drop(at.as_object_mut().map(|it| it.remove(&field))),
            _ => at[field.as_str()] = value.clone(),
        }
    }
    object
}

/// An update keeps the status, which on a real cluster controllers have written.
fn without_status(verb: &str, mut answer: Value) -> Value {
    if verb == "update" {
        answer.as_object_mut().map(|it| it.remove("status"));
    }
    answer
}

/// Kubernetes prints pods that must not change as its program keeps them, which no other program can: left out.
fn without_pods(mut answer: Value) -> Value {
    let cut = |text: &mut Value| {
        if let Value::String(text) = text
            && let Some(from) = text.find("Invalid value: {")
            && let Some(to) = text.find("}: field is immutable")
            && text[from..to].to_lowercase().contains("containers")
        {
            text.replace_range(from + 15..=to, "{}");
        }
    };
    cut(&mut answer["message"]);
    for cause in answer["causes"].as_array_mut().into_iter().flatten() {
        cut(&mut cause["message"]);
    }
    answer
}

/// Where two answers differ, one line a place and side.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (ours.get(key), theirs.get(key));
                let null = Value::Null;
                if a.is_some() != b.is_some() && (a.or(b) == Some(&null)) {
                    found.push(format!("  {path}/{key}: null on one side only\n"));
                }
                let path = format!("{path}/{key}");
                differences(&path, a.unwrap_or(&null), b.unwrap_or(&null), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}/{index}"), a, b, found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(format!(
            "  {path}\n    ours   {ours}\n    theirs {theirs}\n"
        )),
    }
}

/// Without what differs from run to run.
fn neutral(answer: Result<Value, Failure>) -> Value {
    let mut answer = match answer {
        Ok(object) => object,
        Err(failure) => {
            let causes = failure.details.map(|it| it["causes"].clone());
            let answer =
                json!({"code": failure.code, "message": failure.message, "causes": causes});
            return without_pods(answer);
        }
    };
    let meta = answer["metadata"].as_object_mut().expect("metadata");
    // The controller of Deployments numbers them.
    if let Some(Value::Object(annotations)) = meta.get_mut("annotations") {
        annotations.remove("deployment.kubernetes.io/revision");
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
    for field in [
        "creationTimestamp",
        "managedFields",
        "resourceVersion",
        "uid",
        "namespace",
    ] {
        meta.remove(field);
    }
    answer
}
