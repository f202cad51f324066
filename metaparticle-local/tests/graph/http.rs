//! Requests as JSON, on whichever cluster a client talks to.

use http::Request;
use kube::Client;
use serde_json::{Value, json};

/// Sends a request; patches are merge patches.
pub(crate) async fn call(
    client: &Client,
    method: &str,
    path: &str,
    body: &Value,
) -> kube::Result<Value> {
    let kind = if method == "PATCH" {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind)
        .body(body);
    client.request(request.expect("a path")).await
}

/// What is there.
pub(crate) async fn get(client: &Client, path: &str) -> Value {
    call(client, "GET", path, &Value::Null)
        .await
        .expect("lists are always there")
}

/// Deletes an object at once, unless it is gone.
pub(crate) async fn delete_now(client: &Client, path: &str) {
    let _ = call(client, "DELETE", path, &json!({"gracePeriodSeconds": 0})).await;
}
