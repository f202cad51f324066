//! Answers: objects, tables, metadata alone, Status; as the client accepts them.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::{
    super::{failure::Failure, resource::Resource, store, table},
    Body,
};

/// In which form a client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole.
    Object,
    /// `as=Table`.
    Table,
    /// `as=PartialObjectMetadata`, `as=PartialObjectMetadataList`.
    Metadata,
}

/// The first of the accepted forms that is served.
pub(super) fn form(headers: &HeaderMap, _: &'static Resource) -> Result<Form, Failure> {
    let accepted: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .collect();
    if accepted.is_empty() {
        return Ok(Form::Object);
    }
    let served = |media: &&str| {
        let mut parts = media.split(';').map(str::trim);
        if !matches!(
            parts.next(),
            Some("application/json" | "application/*" | "*/*" | "")
        ) {
            return None;
        }
        match parts.find_map(|it| it.strip_prefix("as=")) {
            None => Some(Form::Object),
            Some("Table") => Some(Form::Table),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Form::Metadata),
            Some(_) => None,
        }
    };
    accepted.iter().find_map(served).ok_or_else(|| {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json";
        Failure::new(406, "NotAcceptable", message).with_details(json!({}))
    })
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
        Form::Table => {
            let version = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
            let rows = vec![row(resource, object, now)];
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
pub(super) fn row(resource: &'static Resource, object: &Value, now: jiff::Timestamp) -> Value {
    json!({"cells": table::cells(resource, object, now), "object": metadata(object, true)})
}

/// A table. Columns are sent once only in a watch.
pub(super) fn table_of(metadata: &Value, columns: Option<Value>, rows: &[Value]) -> Value {
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns.unwrap_or(Value::Null), "rows": rows,
    })
}
