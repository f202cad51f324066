//! The suite's own requests to the API server, past all faults.

use std::io;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::upstream::Upstream;

/// A client without a memory.
#[derive(Clone, Debug)]
pub struct Api(Upstream);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null if it is no JSON.
    pub body: Value,
}

impl Api {
    /// Over new connections to this.
    #[must_use]
    pub const fn new(upstream: Upstream) -> Self {
        Self(upstream)
    }

    /// GET.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn get(&self, path: &str) -> io::Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    /// POST.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> io::Result<Answer> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// JSON merge patch.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn patch(&self, path: &str, body: &Value) -> io::Result<Answer> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn delete(&self, path: &str) -> io::Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// A namespace for a run.
    ///
    /// # Errors
    /// If there is no answer, or it is refused.
    pub async fn create_namespace(&self, name: &str) -> io::Result<()> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let answer = self.post("/api/v1/namespaces", &body).await?;
        match answer.status {
            201 | 409 => Ok(()),
            status => Err(io::Error::other(format!(
                "namespace {name}: {status} {}",
                answer.body
            ))),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let bytes = body.map_or_else(Bytes::new, |it| it.to_string().into());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, kind)
            .body(Full::new(bytes))
            .map_err(io::Error::other)?;
        let mut connection = self.0.connect().await?;
        let response = connection.send(request).await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        Ok(Answer {
            status,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        })
    }
}
