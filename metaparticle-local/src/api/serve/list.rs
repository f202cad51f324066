//! Lists: at which revision, in which pages.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Response;
use serde_json::{Value, json};

use super::{
    super::{
        failure::{Failure, FieldError},
        resource::Resource,
        store::{Object, State},
        table,
    },
    Body, Call,
    answer::{self, Form},
    query::Query,
    selector::Selection,
};

/// Which state a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Of now.
    Newest,
    /// Of now, at least this.
    NotOlderThan(u64),
    /// Exactly this.
    Exact(u64),
}

/// Where a page begins.
#[derive(Debug)]
struct Continue {
    revision: Option<u64>,
    after: (String, String),
}

impl Call<'_> {
    pub(super) fn list(&self) -> Result<Response<Body>, Failure> {
        let (metadata, objects) = self.page()?;
        Ok(answer::json(200, self.render(&metadata, &objects)))
    }

    /// What the query asks for, and the metadata of the list.
    pub(super) fn page(&self) -> Result<(Value, Vec<Arc<Object>>), Failure> {
        let resource = self.target.resource;
        let selection = Selection::of(&self.query, resource)?;
        let limit = self.query.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let at = at(&self.query)?;
        let token = self.query.get("continue");
        let token = token.map(Continue::parse).transpose()?;
        // The real server answers "any state" from its cache, whole.
        let limit = limit.filter(|_| at != At::NotOlderThan(0) || token.is_some());
        let namespace = self.target.namespace.as_deref();
        // What is not selected is not counted: then all have to be looked at.
        let most = limit.filter(|_| selection.is_everything());
        let (revision, mut objects, mut rest) = self.api.store.with(|state| {
            let most = most.unwrap_or(usize::MAX);
            read(state, resource, namespace, at, token.as_ref(), most)
        })?;
        objects.retain(|object| selection.contains(object.value()));
        if let Some(limit) = limit.filter(|limit| objects.len() > *limit) {
            rest += objects.split_off(limit).len();
        }
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if rest > 0 {
            if let Some(last) = objects.last() {
                metadata["continue"] = token_of(revision, &key(last)).into();
            }
            if selection.is_everything() {
                metadata["remainingItemCount"] = rest.into();
            }
        }
        Ok((metadata, objects))
    }

    pub(super) fn render(&self, metadata: &Value, objects: &[Arc<Object>]) -> Vec<u8> {
        let resource = self.target.resource;
        match self.form {
            Form::Object => text(resource, metadata, objects),
            Form::Metadata => {
                let items: Vec<Value> = objects
                    .iter()
                    .map(|it| answer::metadata(it.value(), true))
                    .collect();
                let list = json!({
                    "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata, "items": items,
                });
                list.to_string().into_bytes()
            }
            Form::Table(include) => {
                let now = self.api.clock.now();
                let rows: Vec<Value> = objects
                    .iter()
                    .map(|it| answer::row(resource, it.value(), include, now))
                    .collect();
                let table = answer::table_of(metadata, Some(table::columns(resource)), &rows);
                table.to_string().into_bytes()
            }
        }
    }
}

/// A list as text, from the texts of its items.
fn text(resource: &'static Resource, metadata: &Value, objects: &[Arc<Object>]) -> Vec<u8> {
    let head = format!(
        "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[",
        resource.kind,
        resource.api_version()
    );
    let mut text = head.into_bytes();
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&object.item());
    }
    text.extend_from_slice(b"]}");
    text
}

fn read(
    state: &State,
    resource: &'static Resource,
    namespace: Option<&str>,
    at: At,
    token: Option<&Continue>,
    most: usize,
) -> Result<(u64, Vec<Arc<Object>>, usize), Failure> {
    let now = state.revision();
    let exact = token.map_or(
        if let At::Exact(revision) = at {
            Some(revision)
        } else {
            None
        },
        |it| it.revision,
    );
    if let Some(asked) = exact.or(if let At::NotOlderThan(revision) = at {
        Some(revision)
    } else {
        None
    }) && asked > now
    {
        return Err(too_large(asked, now));
    }
    let after = token.map(|token| &token.after);
    let page = state.page(resource, namespace, after, exact, most);
    let (objects, rest) = page.map_err(|_| match token {
        Some(token) => token.expired(now),
        None => Failure::expired("The resourceVersion for the provided list is too old."),
    })?;
    Ok((exact.unwrap_or(now), objects, rest))
}

/// The answer to a question about the future.
pub(super) fn too_large(asked: u64, now: u64) -> Failure {
    let message = format!("Timeout: Too large resource version: {asked}, current: {now}");
    Failure::new(504, "Timeout", message).with_details(json!({
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }))
}

/// A resourceVersion of a query.
pub(super) fn version(query: &Query) -> Result<Option<u64>, Failure> {
    let parse = |text: &str| {
        text.parse().map_err(|_| {
            Failure::unreasoned(format!(
                "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
            ))
        })
    };
    query.get("resourceVersion").map(parse).transpose()
}

/// A 422 about the parameters of the request.
pub(super) fn options(name: &str, errors: &[FieldError]) -> Failure {
    let words: Vec<String> = errors
        .iter()
        .map(|it| format!("{}: {}", it.field, it.message))
        .collect();
    let words = if words.len() == 1 {
        words.concat()
    } else {
        format!("[{}]", words.join(", "))
    };
    let causes: Vec<Value> = errors
        .iter()
        .map(|it| json!({"reason": it.reason, "message": it.message, "field": it.field}))
        .collect();
    let message = format!("ListOptions.meta.k8s.io \"{name}\" is invalid: {words}");
    Failure::new(422, "Invalid", message)
        .with_details(json!({"group": "meta.k8s.io", "kind": "ListOptions", "causes": causes}))
}

fn at(query: &Query) -> Result<At, Failure> {
    const MATCH: &str = "resourceVersionMatch";
    if query.all("sendInitialEvents").next().is_some() {
        let detail = "sendInitialEvents is forbidden for list";
        return Err(options(
            "",
            &[FieldError::forbidden("sendInitialEvents", detail)],
        ));
    }
    let continues = query.get("continue").is_some();
    let forbidden = |detail: &str| Err(options("", &[FieldError::forbidden(MATCH, detail)]));
    let matching = query.get(MATCH);
    let given = query.get("resourceVersion");
    match matching {
        Some(_) if given.is_none() => {
            return forbidden(
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            );
        }
        Some(_) if continues => {
            return forbidden("resourceVersionMatch is forbidden when continue is provided");
        }
        Some("Exact") if given == Some("0") => {
            return forbidden(
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
            );
        }
        Some("Exact" | "NotOlderThan") | None => {}
        Some(other) => {
            let error =
                FieldError::not_supported(MATCH, &other.into(), &["Exact", "NotOlderThan", ""]);
            return Err(options("", &[error]));
        }
    }
    if continues && given.is_some_and(|it| it != "0") {
        return Err(Failure::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let limited = query.number("limit")?.is_some_and(|limit| limit > 0);
    let version = version(query).map_err(|failure| {
        Failure::bad_request(format!("invalid resource version: {}", failure.message))
    })?;
    Ok(match (version, matching) {
        (None, _) => At::Newest,
        (Some(revision), Some("Exact")) => At::Exact(revision),
        // A page of a given state is exact by default.
        (Some(revision), None) if limited && revision > 0 => At::Exact(revision),
        (Some(revision), _) => At::NotOlderThan(revision),
    })
}

fn key(object: &Object) -> (String, String) {
    let text = |field: &str| {
        object.value()["metadata"][field]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (text("namespace"), text("name"))
}

fn token_of(revision: u64, last: &(String, String)) -> String {
    token(i64::try_from(revision).unwrap_or(i64::MAX), last)
}

fn token(revision: i64, last: &(String, String)) -> String {
    let start = if last.0.is_empty() {
        last.1.clone()
    } else {
        format!("{}/{}", last.0, last.1)
    };
    let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": format!("{start}\0")});
    URL_SAFE_NO_PAD.encode(token.to_string())
}

impl Continue {
    fn parse(text: &str) -> Result<Self, Failure> {
        let invalid = |why: &str| {
            Failure::bad_request(format!(
                "invalid continue token: continue key is not valid: {why}"
            ))
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| invalid(&error.to_string()))?;
        let token: Value =
            serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))?;
        if token["v"] != "meta.k8s.io/v1" {
            return Err(invalid("server does not recognize this encoded version"));
        }
        let start = token["start"]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches('\0');
        if start.is_empty() || start.split('/').any(|part| part == "..") {
            return Err(invalid("encoded start key empty (version meta.k8s.io/v1)"));
        }
        let (namespace, name) = start.split_once('/').unwrap_or(("", start));
        let revision = token["rv"].as_i64().unwrap_or_default();
        // -1: go on with whatever is there now.
        let revision = u64::try_from(revision)
            .ok()
            .filter(|revision| *revision > 0);
        Ok(Self {
            revision,
            after: (namespace.to_owned(), name.to_owned()),
        })
    }

    fn expired(&self, _: u64) -> Failure {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a \
                       new list without the continue parameter, or use the continue token in this response to retrieve \
                       the remainder of the results. Continuing with the provided token results in an inconsistent list \
                       - objects that were created, modified, or deleted between the time the first chunk was returned \
                       and now may show up in the list.";
        Failure {
            continue_token: Some(token(-1, &self.after)),
            ..Failure::expired(message)
        }
    }
}
