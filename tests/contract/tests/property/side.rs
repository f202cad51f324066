//! [`Side`]: one server in a comparison: sends operations, remembers what it was told, masks what may differ.

use std::collections::HashMap;

use http::Method;
use metaparticle_contract::{Context, objects::text};
use serde_json::{Value, json};

use crate::{
    kinds::KINDS,
    mask::Mask,
    operation::{Action, Operation},
};

/// What a controller of a real cluster puts into every namespace.
pub(crate) const FOREIGN: &str = "kube-root-ca.crt";

/// A server, in a namespace of its own.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) context: Context,
    mask: Mask,
    /// By plural and name: the first and the last resourceVersion, and the uid.
    seen: HashMap<(usize, &'static str), (String, String, String)>,
    /// By kind: where the next watch begins.
    watched: HashMap<usize, String>,
    /// The resourceVersion of an empty list, before all else.
    start: String,
    marks: usize,
}

impl Side {
    pub(crate) async fn new(context: Context) -> Self {
        let list = context.read("leases").await;
        let start = text(&list["metadata"]["resourceVersion"]);
        Self {
            mask: Mask::new(&context.namespace),
            context,
            seen: HashMap::new(),
            watched: HashMap::new(),
            start,
            marks: 0,
        }
    }

    /// Does it, and returns the answer without what may differ.
    pub(crate) async fn run(&mut self, operation: &Operation) -> Value {
        if matches!(operation.action, Action::Watch) {
            return self.watch(operation.kind).await;
        }
        let plural = operation.plural();
        let one = format!("{plural}/{}{}", operation.name, operation.part);
        let (method, path, media, body) = match &operation.action {
            Action::Create(body) => (
                Method::POST,
                plural.to_owned(),
                "application/json",
                Some(body),
            ),
            Action::Update(body) => (Method::PUT, one, "application/json", Some(body)),
            Action::Patch(kind, body) => (Method::PATCH, one, kind.media_type(), Some(body)),
            Action::Apply(_, body, _) => (
                Method::PATCH,
                one,
                "application/apply-patch+yaml",
                Some(body),
            ),
            Action::Delete(body) => (Method::DELETE, one, "application/json", Some(body)),
            Action::DeleteAll(labels) => (
                Method::DELETE,
                format!("{plural}?labelSelector={labels}"),
                "",
                None,
            ),
            Action::List(labels) => (
                Method::GET,
                format!("{plural}?labelSelector={labels}"),
                "",
                None,
            ),
            Action::Get | Action::Watch => (Method::GET, one, "", None),
        };
        let path = with_parameters(operation, path);
        let body = body.map(|body| self.filled(operation, body).to_string());
        let headers = [("content-type", media)];
        let headers = if body.is_some() { &headers[..] } else { &[] };
        let answer = self
            .context
            .send(method, &path, headers, body.unwrap_or_default())
            .await;
        let mut json = answer.json();
        if let Some(items) = json["items"].as_array_mut() {
            items.retain(|it| it["metadata"]["name"] != FOREIGN);
        }
        self.remember(operation, &json);
        let mut masked = json!({"code": answer.status, "body": self.mask.answer(json)});
        // A real server also warns of fields without effect, and of directives in new elements of a list.
        let mut warnings = answer.warnings();
        warnings.retain(|it| it.contains("unknown field") && !it.contains('$'));
        if !warnings.is_empty() {
            masked["warnings"] = json!(warnings);
        }
        masked
    }

    /// All events of a kind since the last look.
    async fn watch(&mut self, kind: usize) -> Value {
        let (plural, version, word) = KINDS[kind];
        self.marks += 1;
        let marker = format!("marker-{}", self.marks);
        let from = self
            .watched
            .entry(kind)
            .or_insert_with(|| self.start.clone());
        let path = format!("{plural}?watch=1&resourceVersion={from}");
        let mut object = json!({"apiVersion": version, "kind": word, "metadata": {"name": marker}});
        match plural {
            "services" => object["spec"] = json!({"clusterIP": "None"}),
            "cronjobs" => {
                let pod = json!({"restartPolicy": "Never", "containers": [{"name": "x", "image": "i:1"}]});
                object["spec"] = json!({
                    "schedule": "0 0 * * *", "suspend": true,
                    "jobTemplate": {"spec": {"template": {"spec": pod}}},
                });
            }
            "networkpolicies" => object["spec"] = json!({"podSelector": {}}),
            "leases" => object["spec"] = json!({}),
            _ => {}
        }
        let _ = self.context.made(plural, &object).await;
        let mut watch = self.context.watch(&path).await;
        let mut events = Vec::new();
        loop {
            let (event, name, object) = watch.event().await;
            if name == marker {
                self.watched
                    .insert(kind, text(&object["metadata"]["resourceVersion"]));
                break;
            }
            if !name.starts_with("marker-") && name != FOREIGN {
                events.push(json!({"type": event, "object": self.mask.event(object)}));
            }
        }
        let _ = self
            .context
            .delete(&format!("{plural}/{marker}"))
            .await
            .ok(200);
        json!({"code": 200, "events": events})
    }

    fn remember(&mut self, operation: &Operation, answer: &Value) {
        let metadata = &answer["metadata"];
        let (version, uid) = (text(&metadata["resourceVersion"]), text(&metadata["uid"]));
        if uid.is_empty() || version.is_empty() || operation.dry_run {
            return;
        }
        let seen = self.seen.entry((operation.kind, operation.name));
        let seen = seen.or_insert_with(|| (version.clone(), String::new(), String::new()));
        (seen.1, seen.2) = (version, uid);
    }

    /// The body, with what this server said in the place of `$current` and the like.
    fn filled(&self, operation: &Operation, body: &Value) -> Value {
        let nothing = ("1".to_owned(), "1".to_owned(), "none".to_owned());
        let seen = self
            .seen
            .get(&(operation.kind, operation.name))
            .unwrap_or(&nothing);
        fill(body.clone(), seen)
    }
}

fn fill(value: Value, seen: &(String, String, String)) -> Value {
    match value {
        Value::String(text) => match text.as_str() {
            "$first" => seen.0.as_str().into(),
            "$current" => seen.1.as_str().into(),
            "$uid" => seen.2.as_str().into(),
            _ => text.into(),
        },
        Value::Array(items) => items.into_iter().map(|it| fill(it, seen)).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, it)| (key, fill(it, seen)))
            .collect(),
        other => other,
    }
}

fn with_parameters(operation: &Operation, path: String) -> String {
    let mut parameters = Vec::new();
    match &operation.action {
        Action::Apply(manager, _, force) => {
            parameters.push(format!("fieldManager={manager}"));
            if *force {
                parameters.push("force=true".to_owned());
            }
        }
        Action::Create(_) | Action::Update(_) | Action::Patch(..) => {
            parameters.push(format!("fieldManager={}", operation.manager));
        }
        _ => {}
    }
    let writes = !matches!(
        operation.action,
        Action::Get | Action::List(_) | Action::Watch
    );
    if operation.dry_run && writes {
        parameters.push("dryRun=All".to_owned());
    }
    if parameters.is_empty() {
        return path;
    }
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{}", parameters.join("&"))
}
