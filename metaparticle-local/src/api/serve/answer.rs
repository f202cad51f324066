//! Answers: objects, tables, metadata alone, Status; as the client accepts them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::{
    super::{failure::Failure, resource::Resource, store, table},
    Body,
    query::Query,
};

/// In which form a client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole.
    Object,
    /// `as=Table`.
    Table(Include),
    /// `as=PartialObjectMetadata`, `as=PartialObjectMetadataList`.
    Metadata,
}

/// What the rows of a table carry besides their cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    /// The object's metadata.
    Metadata,
    /// The object.
    Object,
    /// Nothing.
    None,
}

/// The first of the accepted forms that is served, and whether it is wanted as YAML.
pub(super) fn form(headers: &HeaderMap, query: &Query) -> Result<(Form, bool), Failure> {
    let accepted: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .collect();
    let mut refusal = REPRESENTATIONS;
    for media in &accepted {
        let mut parts = media.split(';').map(str::trim);
        let is_yaml = match parts.next() {
            Some("application/json" | "*/*" | "") => false,
            Some("application/yaml") => true,
            _ => continue,
        };
        let form = match parts.find_map(|it| it.strip_prefix("as=")) {
            None => Form::Object,
            Some("Table") => Form::Table(Include::of(query)),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Form::Metadata,
            Some(_) => {
                refusal = MEDIA;
                continue;
            }
        };
        return Ok((form, is_yaml));
    }
    if accepted.is_empty() {
        return Ok((Form::Object, false));
    }
    let failure = Failure::new(406, "NotAcceptable", refusal);
    Err(if refusal == MEDIA {
        failure
    } else {
        failure.with_details(json!({}))
    })
}

/// Why no media type was acceptable.
const REPRESENTATIONS: &str = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
                               application/vnd.kubernetes.protobuf, application/json;stream=watch, \
                               application/vnd.kubernetes.protobuf;stream=watch";
/// Why no form was.
const MEDIA: &str = "only the following media types are accepted: application/json, application/yaml, \
                     application/vnd.kubernetes.protobuf";

impl Include {
    fn of(query: &Query) -> Self {
        match query.get("includeObject") {
            Some("Object") => Self::Object,
            Some("None") => Self::None,
            _ => Self::Metadata,
        }
    }
}

/// Says of JSON that it is YAML, which it is.
pub(super) fn as_yaml(answer: &mut Response<Body>) {
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/yaml"),
    );
}

/// A complete body of JSON.
pub(super) fn json(code: u16, text: impl Into<Bytes>) -> Response<Body> {
    with_type(code, "application/json", text.into())
}

pub(super) fn with_type(code: u16, media: &'static str, text: Bytes) -> Response<Body> {
    let mut answer = Response::new(Full::new(text).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    answer
}

pub(super) fn value(code: u16, value: &Value) -> Response<Body> {
    json(code, value.to_string())
}

pub(super) fn failure(failure: &Failure) -> Response<Body> {
    value(failure.code, &failure.to_status())
}

pub(super) fn text(text: &'static str) -> Response<Body> {
    with_type(
        200,
        "text/plain; charset=utf-8",
        Bytes::from_static(text.as_bytes()),
    )
}

pub(super) fn no_path() -> Response<Body> {
    with_type(
        404,
        "text/plain; charset=utf-8",
        Bytes::from_static(b"404 page not found\n"),
    )
}

/// Adds a `Warning` header for each sentence.
pub(super) fn warn(answer: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(text) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(header::WARNING, text);
        }
    }
}

/// One object in the form that is asked for.
pub(super) fn object(
    form: Form,
    resource: &'static Resource,
    object: &Value,
    now: jiff::Timestamp,
) -> Vec<u8> {
    match form {
        Form::Object => store::text(resource, object),
        Form::Metadata => metadata(object, true).to_string().into_bytes(),
        Form::Table(include) => {
            let version = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            let rows = vec![row(resource, object, include, now)];
            table_of(&version, Some(table::columns(resource)), &rows)
                .to_string()
                .into_bytes()
        }
    }
}

/// The metadata of an object alone.
pub(super) fn metadata(object: &Value, typed: bool) -> Value {
    let mut partial = json!({"metadata": object["metadata"]});
    if typed {
        partial["kind"] = "PartialObjectMetadata".into();
        partial["apiVersion"] = "meta.k8s.io/v1".into();
    }
    partial
}

/// One row of a table.
pub(super) fn row(
    resource: &'static Resource,
    object: &Value,
    include: Include,
    now: jiff::Timestamp,
) -> Value {
    let included = match include {
        Include::Metadata => metadata(object, true),
        Include::Object => object.clone(),
        Include::None => Value::Null,
    };
    json!({"cells": table::cells(resource, object, now), "object": included})
}

/// A table. Columns are sent once only in a watch.
pub(super) fn table_of(metadata: &Value, columns: Option<Value>, rows: &[Value]) -> Value {
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns.unwrap_or(Value::Null), "rows": rows,
    })
}
