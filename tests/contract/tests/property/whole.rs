//! Whole objects: what both servers make of each generated manifest, with all defaults.

use std::{fs, path::Path};

use futures::{StreamExt as _, stream};
use http::Method;
use metaparticle_contract::{Context, Server, objects::text};
use serde_json::{Value, json};

use crate::{AT_ONCE, both, compare::paths, mask::Mask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a real API server: `cargo xtask contract`"]
async fn generated_manifests_become_the_same_objects_on_both_servers() {
    let (count, found) = compared(manifests()).await;
    println!(
        "contract: {count} manifests on both API servers, {} differ",
        found.len()
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// How many were sent to both, and what differs. None may be refused.
async fn compared(all: Vec<Value>) -> (usize, Vec<String>) {
    let servers = both().await;
    let [left, right] = servers.each_ref().map(Server::client);
    let (left, right) = tokio::join!(Context::create(left), Context::create(right));
    let count = all.len();
    let one = async |object: Value| {
        let (embedded, real) = tokio::join!(answer(&left, &object), answer(&right, &object));
        let mut found = Vec::new();
        paths("", &embedded, &real, &mut found);
        if real["code"] != 201 {
            found.push(format!("was refused: {real}"));
        }
        let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
        (!found.is_empty()).then(|| format!("{kind} {name}:\n  {}", found.join("\n  ")))
    };
    let found = stream::iter(all).map(one).buffer_unordered(AT_ONCE);
    let found = found.filter_map(std::future::ready).collect().await;
    tokio::join!(left.remove(), right.remove());
    (count, found)
}

/// What a server would make of it, without what may differ.
pub(crate) async fn answer(context: &Context, object: &Value) -> Value {
    let path = format!("{}?dryRun=All", plural(&text(&object["kind"])));
    let headers = [("content-type", "application/json")];
    let answer = context
        .send(Method::POST, &path, &headers, object.to_string())
        .await;
    let mut body = answer.json();
    let ports = body
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if port["nodePort"].as_u64().is_some_and(|it| it >= 30_000) {
            port["nodePort"] = "chosen".into();
        }
    }
    json!({"code": answer.status, "body": Mask::new(&context.namespace).answer(body)})
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with("ss") => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

/// All that `tests/golden` has, for the namespace of the request.
fn manifests() -> Vec<Value> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    let mut all = Vec::new();
    for entry in fs::read_dir(golden).expect("there are golden files") {
        let file = entry.expect("an entry").path().join("manifests.yaml");
        let Ok(text) = fs::read_to_string(&file) else {
            continue; // an image has none
        };
        for document in text.split("\n---\n") {
            let mut object: Value = serde_saphyr::from_str(document).expect("a manifest is YAML");
            let metadata = object["metadata"].as_object_mut().expect("metadata");
            metadata.remove("namespace");
            // The embedded API has no admission policies, and says so.
            let group = object["apiVersion"].as_str().unwrap_or_default();
            if !group.starts_with("admissionregistration.k8s.io/") {
                all.push(object);
            }
        }
    }
    assert!(all.len() >= 15, "{} manifests", all.len());
    all
}
