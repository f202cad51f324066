//! [`FakeApi`]: as much of an API server as the deployer's decisions need. What a real one does is tested on a real one.
//!
//! Objects live in a map by URL path. Server-side apply replaces everything but `status`, and stores nothing if nothing
//! differs; ownership of fields is not modelled. Every request is recorded.

#![allow(dead_code, reason = "not every suite needs all of it")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::FutureExt as _;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use serde_json::{Value, json};

/// A server without a network; clones share its objects.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    requests: Vec<Recorded>,
    version: u64,
    faults: Vec<Fault>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

/// Something that happens to the first request that matches.
struct Fault {
    method: Method,
    path: String,
    effect: Effect,
}

type Effect = Box<dyn FnOnce(&mut BTreeMap<String, Value>) -> Option<(u16, Value)> + Send>;

impl FakeApi {
    /// A server with one namespace.
    pub(crate) fn with_namespace(name: &str) -> Self {
        let api = Self::default();
        api.put(
            &format!("/api/v1/namespaces/{name}"),
            json!({"kind": "Namespace"}),
        );
        api
    }

    /// A client of it.
    pub(crate) fn client(&self) -> kube::Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body
                    .collect()
                    .await
                    .expect("the body of a request")
                    .to_bytes();
                let (status, answer) = api.answer(&parts.method, &parts.uri, &body);
                let body = Full::new(bytes::Bytes::from(answer.to_string()));
                let status = StatusCode::from_u16(status).expect("a status");
                let response = Response::builder().status(status).body(body);
                Ok::<_, Infallible>(response.expect("a response"))
            }
        });
        kube::Client::new(service, "default")
    }

    /// Serves it on loopback, holding the first request until `gate` resolves. Returns the URL.
    pub(crate) async fn serve(&self, gate: impl Future<Output = ()> + Send + 'static) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let gate = gate.shared();
        let api = self.clone();
        let router = axum::Router::new().fallback(async move |request: axum::extract::Request| {
            gate.await;
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .expect("the body of a request")
                .to_bytes();
            let (status, answer) = api.answer(&parts.method, &parts.uri, &body);
            let status = StatusCode::from_u16(status).expect("a status");
            (status, answer.to_string())
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// Stores an object as another client would.
    pub(crate) fn put(&self, path: &str, mut object: Value) {
        let mut state = self.state();
        state.version += 1;
        let name = path.rsplit('/').next().unwrap_or_default();
        object["metadata"]["name"] = name.into();
        object["metadata"]["uid"] = format!("uid-{}", state.version).into();
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        state.objects.insert(path.to_owned(), object);
    }

    /// Answers the first such request with an error instead.
    pub(crate) fn refuse(&self, method: Method, path: &str, code: u16, reason: &str) {
        let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason,
            "message": format!("refused: {reason}")});
        self.intercept(method, path, move |_| Some((code, status)));
    }

    /// Does something before the first such request, and answers it if the result says so.
    pub(crate) fn intercept(
        &self,
        method: Method,
        path: &str,
        effect: impl FnOnce(&mut BTreeMap<String, Value>) -> Option<(u16, Value)> + Send + 'static,
    ) {
        let (path, effect) = (path.to_owned(), Box::new(effect));
        self.state().faults.push(Fault {
            method,
            path,
            effect,
        });
    }

    /// An object as it is stored.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// Paths of all objects but namespaces.
    pub(crate) fn paths(&self) -> Vec<String> {
        let state = self.state();
        let paths = state
            .objects
            .keys()
            .filter(|path| path.split('/').count() > 5);
        paths.cloned().collect()
    }

    /// All that is stored.
    pub(crate) fn objects(&self) -> BTreeMap<String, Value> {
        self.state().objects.clone()
    }

    /// How many requests came.
    pub(crate) fn request_count(&self) -> usize {
        self.state().requests.len()
    }

    /// Requests that are not reads, in order; and forgets all requests.
    pub(crate) fn take_writes(&self) -> Vec<Recorded> {
        let mut requests = std::mem::take(&mut self.state().requests);
        requests.retain(|request| request.method != Method::GET);
        requests
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .lock()
            .expect("no test panics while it holds the state")
    }

    fn answer(&self, method: &Method, uri: &http::Uri, body: &[u8]) -> (u16, Value) {
        let mut state = self.state();
        let recorded = Recorded {
            method: method.clone(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(body).unwrap_or_default(),
        };
        state.requests.push(recorded.clone());
        let matches = |fault: &Fault| fault.method == *method && fault.path == uri.path();
        if let Some(index) = state.faults.iter().position(matches) {
            let fault = state.faults.remove(index);
            if let Some(answer) = (fault.effect)(&mut state.objects) {
                return answer;
            }
        }
        state.handle(recorded)
    }
}

impl State {
    fn handle(
        &mut self,
        Recorded {
            method,
            path,
            query,
            body,
        }: Recorded,
    ) -> (u16, Value) {
        let absent = (
            404,
            json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound",
            "message": format!("{path} not found")}),
        );
        match method.as_str() {
            "GET" if is_collection(&path) => (200, self.list(&path, &query)),
            "GET" => self
                .objects
                .get(&path)
                .map_or(absent, |object| (200, object.clone())),
            "PATCH" => self.apply(&path, body),
            "POST" => {
                let name = body["metadata"]["name"]
                    .as_str()
                    .expect("a name")
                    .to_owned();
                self.apply(&format!("{path}/{name}"), body)
            }
            "DELETE" => {
                let Some(object) = self.objects.get(&path) else {
                    return absent;
                };
                let wanted = &body["preconditions"];
                let differs = |field: &str| {
                    wanted[field].is_string() && wanted[field] != object["metadata"][field]
                };
                if differs("uid") || differs("resourceVersion") {
                    return conflict("Precondition failed");
                }
                self.objects.remove(&path);
                (200, json!({"kind": "Status", "status": "Success"}))
            }
            other => panic!("{other} is not modelled"),
        }
    }

    fn list(&self, path: &str, query: &str) -> Value {
        let selector = url_decoded(query);
        let selector = selector
            .split('&')
            .find_map(|pair| pair.strip_prefix("labelSelector="));
        let label = selector.and_then(|selector| selector.split_once('='));
        let prefix = format!("{path}/");
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix))
            .map(|(_, object)| object)
            .filter(|object| {
                label.is_none_or(|(name, value)| object["metadata"]["labels"][name] == value)
            })
            .collect();
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})
    }

    fn apply(&mut self, path: &str, mut wanted: Value) -> (u16, Value) {
        let present = self.objects.get(path);
        let uid = wanted["metadata"]["uid"].as_str();
        match (uid, present) {
            (Some(_), None) => return conflict("uid mismatch: no existing object was found"),
            (Some(uid), Some(present)) if present["metadata"]["uid"] != uid => {
                let cause = json!({"field": "metadata.uid", "message": "field is immutable"});
                let status = json!({"kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid",
                    "message": "invalid", "details": {"causes": [cause]}});
                return (422, status);
            }
            _ => {}
        }
        let version = (self.version + 1).to_string();
        match present {
            Some(present) => {
                for kept in ["uid", "resourceVersion"] {
                    wanted["metadata"][kept] = present["metadata"][kept].clone();
                }
                if !present["status"].is_null() {
                    wanted["status"] = present["status"].clone();
                }
                if wanted == *present {
                    return (200, wanted);
                }
            }
            None => wanted["metadata"]["uid"] = format!("uid-{version}").into(),
        }
        wanted["metadata"]["resourceVersion"] = version.into();
        self.version += 1;
        self.objects.insert(path.to_owned(), wanted.clone());
        (200, wanted)
    }
}

fn conflict(message: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "status": "Failure", "code": 409, "reason": "Conflict",
        "message": message});
    (409, status)
}

/// `/api/v1/nodes`, `/api/v1/namespaces/x/services`, `/apis/g/v/namespaces/x/deployments`.
fn is_collection(path: &str) -> bool {
    let depth = path.split('/').skip(1).count();
    matches!(
        (path.starts_with("/api/"), depth),
        (true, 3 | 5) | (false, 6)
    )
}

fn url_decoded(text: &str) -> String {
    text.replace("%2F", "/").replace("%3D", "=")
}
