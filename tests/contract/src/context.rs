//! [`Context`]: plain HTTP requests in a namespace of one's own.

use std::time::Duration;

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use crate::{Answer, Watch, path};

/// No answer takes longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a body changes an object: the four kinds of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, by merge keys.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl Patch {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// A client with a namespace that nobody else uses.
#[derive(Clone)]
pub struct Context {
    client: Client,
    /// The namespace.
    pub namespace: String,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Makes a namespace with a generated name.
    pub async fn create(client: Client) -> Self {
        let nowhere = Self {
            client,
            namespace: String::new(),
        };
        let namespace = json!({"metadata": {"generateName": "contract-"}});
        let made = nowhere.post("/api/v1/namespaces", &namespace).await.ok(201);
        let namespace = made["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let context = Self {
            namespace,
            ..nowhere
        };
        // Pods are refused without it, and a controller makes it in its own time.
        let account = json!({"metadata": {"name": "default"}});
        let made = context.post("serviceaccounts", &account).await;
        assert!(matches!(made.status, 201 | 409), "{}", made.text());
        context
    }

    /// Deletes the namespace; does not wait until all of it is gone.
    pub async fn remove(&self) {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let _ = self.delete(&path).await.ok(200);
    }

    /// A client of the same server.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Sends exactly this, and waits for the whole answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let path = path::full(&self.namespace, path);
        let request = format!("{method} {path}");
        let mut built = Request::builder().method(method).uri(&path);
        for (name, value) in headers {
            built = built.header(*name, *value);
        }
        let built = built.body(Body::from(body.into())).expect("a request");
        let answer = async {
            let (head, body) = self.client.send(built).await?.into_parts();
            Ok::<_, kube::Error>((head, body.collect().await?))
        };
        let (head, body) = tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| panic!("{request}: no answer within {PATIENCE:?}"))
            .unwrap_or_else(|error| panic!("{request}: {error:?}"));
        Answer {
            request,
            namespace: self.namespace.clone(),
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes().to_vec(),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], []).await
    }

    /// GET in another form, such as a Table.
    pub async fn get_as(&self, path: &str, accept: &str) -> Answer {
        self.send(Method::GET, path, &[("accept", accept)], [])
            .await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.with_json(Method::POST, path, "application/json", body)
            .await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.with_json(Method::PUT, path, "application/json", body)
            .await
    }

    /// PATCH of JSON.
    pub async fn patch(&self, kind: Patch, path: &str, body: &Value) -> Answer {
        self.with_json(Method::PATCH, path, kind.media_type(), body)
            .await
    }

    /// Server-side apply in the name of `manager`.
    pub async fn apply(&self, manager: &str, path: &str, body: &Value) -> Answer {
        let path = format!("{path}?fieldManager={manager}");
        self.patch(Patch::Apply, &path, body).await
    }

    /// DELETE without options.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], []).await
    }

    /// DELETE with options.
    pub async fn delete_with(&self, path: &str, options: &Value) -> Answer {
        self.with_json(Method::DELETE, path, "application/json", options)
            .await
    }

    /// Creates an object and returns it as stored.
    pub async fn made(&self, path: &str, body: &Value) -> Value {
        self.post(path, body).await.ok(201)
    }

    /// Reads an object that is there.
    pub async fn read(&self, path: &str) -> Value {
        self.get(path).await.ok(200)
    }

    /// The names of a list, in its order.
    pub async fn names(&self, path: &str) -> Vec<String> {
        let list = self.read(path).await;
        let items = list["items"].as_array().into_iter().flatten();
        items
            .filter_map(|item| item["metadata"]["name"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// Starts a watch; `path` says `watch=1` itself.
    pub async fn watch(&self, path: &str) -> Watch {
        let path = path::full(&self.namespace, path);
        let request = Request::get(&path).body(Body::empty()).expect("a request");
        let answer = self.client.send(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        assert_eq!(head.status, 200, "GET {path}");
        Watch::new(path, body)
    }

    async fn with_json(&self, method: Method, path: &str, media: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send(method, path, &[("content-type", media)], body)
            .await
    }
}
