//! The objects of a namespace without what chance decides: names of pods, hashes, uids, times, addresses.

use serde_json::{Map, Value, json};

use super::{http::get, scenario::World};

/// Paths of the kinds that matter.
const KINDS: [(&str, &str); 8] = [
    ("apis/apps/v1", "deployments"),
    ("apis/apps/v1", "replicasets"),
    ("apis/apps/v1", "statefulsets"),
    ("apis/apps/v1", "controllerrevisions"),
    ("apis/batch/v1", "jobs"),
    ("api/v1", "pods"),
    ("api/v1", "services"),
    ("apis/discovery.k8s.io/v1", "endpointslices"),
];

/// When the pods of a slice changed last.
const CHANGED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// All objects as they are.
pub(crate) async fn objects(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for (group, plural) in KINDS {
        let list = get(
            &world.client,
            &format!("/{group}/namespaces/{}/{plural}", world.namespace),
        )
        .await;
        for item in list["items"].as_array().into_iter().flatten() {
            let mut item = item.clone();
            item["kind"] = json!(plural);
            all.push(item);
        }
    }
    all
}

/// The graph: sorted, masked.
pub(crate) fn graph(world: &World, objects: &[Value]) -> Value {
    let masks = masks(world, objects);
    let mut all: Vec<Value> = objects
        .iter()
        .map(|it| mask(&essence(it), "", &masks))
        .collect();
    all.sort_by_key(ToString::to_string);
    Value::Array(all)
}

/// What controllers said so far about these objects, each once; numbers and hashes aside: they depend on the pace.
pub(crate) async fn events(world: &World, objects: &[Value]) -> Value {
    let masks = masks(world, objects);
    let list = get(
        &world.client,
        &format!("/api/v1/namespaces/{}/events", world.namespace),
    )
    .await;
    let mut all: Vec<Value> = Vec::new();
    for event in list["items"].as_array().into_iter().flatten() {
        let component = event["source"]["component"].as_str().unwrap_or_default();
        let message = mask(&event["message"], "", &masks);
        let message = message.as_str().unwrap_or_default();
        let words = message.split(' ').map(paceless);
        let message = words.collect::<Vec<_>>().join(" ");
        let event = json!({"about": event["involvedObject"]["kind"], "type": event["type"],
            "reason": event["reason"], "message": message, "by": component});
        // The real one puts many that are alike into one.
        let combined = event["message"]
            .as_str()
            .is_some_and(|it| it.starts_with("(combined"));
        if component.ends_with("-controller") && !combined && !all.contains(&event) {
            all.push(event);
        }
    }
    all.sort_by_key(ToString::to_string);
    all.into()
}

/// A word without hash, chance or number.
fn paceless(word: &str) -> String {
    if let Some((name, _)) = word.split_once("HASH-") {
        return format!("{name}HASH");
    }
    let chance = |it: &str| {
        it.len() == 5
            && it
                .bytes()
                .all(|it| b"bcdfghjklmnpqrstvwxz2456789".contains(&it))
    };
    match word.rsplit_once('-') {
        Some((name, end)) if chance(end) => format!("{name}-RANDOM"),
        _ if word.parse::<i32>().is_ok() => "N".to_owned(),
        _ => word.to_owned(),
    }
}

/// What chance decided, and what to write instead; the longest first.
fn masks(world: &World, objects: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut masks = vec![(world.namespace.clone(), "NAMESPACE".to_owned())];
    for object in objects {
        let metadata = &object["metadata"];
        let revision = &metadata["annotations"]["deployment.kubernetes.io/revision"];
        if object["kind"] == "replicasets" {
            let hash = text(&metadata["labels"]["pod-template-hash"]);
            masks.push((hash, format!("HASH-{}", text(revision))));
        }
        if object["kind"] == "controllerrevisions" {
            let hash = text(&metadata["labels"]["controller.kubernetes.io/hash"]);
            masks.push((hash, format!("HASH-{}", object["revision"])));
        }
        let (name, prefix) = (text(&metadata["name"]), text(&metadata["generateName"]));
        if let Some(suffix) = name
            .strip_prefix(&prefix)
            .filter(|it| it.len() == 5 && !prefix.is_empty())
        {
            masks.push((suffix.to_owned(), "RANDOM".to_owned()));
        }
    }
    masks.retain(|(from, _)| !from.is_empty());
    masks.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    masks
}

/// What of an object controllers decide.
fn essence(object: &Value) -> Value {
    let pick = |from: &Value, fields: &[&str]| -> Value {
        let some = fields.iter().filter(|it| !from[**it].is_null());
        some.map(|it| ((*it).to_owned(), from[*it].clone()))
            .collect::<Map<_, _>>()
            .into()
    };
    let is_pod = object["kind"] == "pods";
    let metadata = &object["metadata"];
    let mut names = vec![
        "name",
        "generateName",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
    ];
    // Others are scaled in as many steps as chance wants.
    let counts = ["deployments", "statefulsets", "jobs"]
        .iter()
        .any(|it| object["kind"] == **it);
    if counts {
        names.push("generation");
    }
    let mut essence = json!({"kind": object["kind"], "metadata": pick(metadata, &names)});
    unstamp(&mut essence["metadata"]);
    if is_pod {
        let ready = object["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let ready = ready
            .filter(|it| it["type"] == "Ready")
            .any(|it| it["status"] == "True");
        essence["status"] = json!({"phase": object["status"]["phase"], "ready": ready});
        essence["spec"] = pick(&object["spec"], &["hostname", "subdomain", "restartPolicy"]);
        essence["spec"]["env"] = object["spec"]["containers"][0]["env"].clone();
    } else if object["kind"] == "services" {
        essence["spec"] = pick(&object["spec"], &["selector", "ports"]);
    } else {
        for field in [
            "spec",
            "status",
            "data",
            "revision",
            "addressType",
            "endpoints",
            "ports",
        ] {
            if !object[field].is_null() {
                essence[field] = object[field].clone();
            }
        }
        if !counts && let Some(status) = essence.get_mut("status") {
            status
                .as_object_mut()
                .map(|it| it.remove("observedGeneration"));
        }
    }
    essence
}

/// Without the time of the pods' change that a slice shows. The real controller takes it away again whenever what it does
/// next was not caused by a later change: whether it is there depends on the pace.
fn unstamp(metadata: &mut Value) {
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    let annotations = metadata.get_mut("annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut)
        && annotations.remove(CHANGED).is_some()
        && annotations.is_empty()
    {
        metadata.remove("annotations");
    }
}

fn mask(value: &Value, key: &str, masks: &[(String, String)]) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "uid");
            fields
                .map(|(key, value)| (key.clone(), mask(value, key, masks)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(all) => {
            let mut all: Vec<Value> = all.iter().map(|it| mask(it, key, masks)).collect();
            if key == "endpoints" {
                all.sort_by_key(ToString::to_string);
            }
            all.into()
        }
        Value::String(_) if key.ends_with("controller-uid") => json!("UID"),
        Value::String(_) if key == "addresses" => json!("ADDRESS"),
        Value::String(_) if key == "nodeName" => json!("NODE"),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => json!("TIME"),
        Value::String(text) => {
            let masked = masks
                .iter()
                .fold(text.clone(), |text, (from, to)| text.replace(from, to));
            json!(masked)
        }
        other => other.clone(),
    }
}
