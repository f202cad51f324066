//! A registry in this process, after the OCI distribution specification. It logs every request, demands credentials if
//! told to, and fails when told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use metaparticle::deploy::image::digest::Digest;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

/// A running registry; it ends with this value.
pub(crate) struct Registry {
    pub(crate) host: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    host: String,
    state: Mutex<Content>,
    /// Told when a request is held.
    held: Notify,
}

/// Who may do what.
#[derive(Clone, Default)]
pub(crate) enum Access {
    #[default]
    Everybody,
    /// Name and password with every request.
    Basic,
    /// A token of the registry's own token server, which wants name and password, or an identity token.
    Token,
}

pub(crate) const USER: &str = "me";
pub(crate) const PASSWORD: &str = "pass:word";
pub(crate) const IDENTITY: &str = "identity-token";

#[derive(Default)]
struct Content {
    access: Access,
    /// Repository and digest.
    blobs: BTreeMap<(String, String), Bytes>,
    /// Repository and tag or digest: media type and text.
    manifests: BTreeMap<(String, String), (String, Bytes)>,
    uploads: usize,
    tokens: BTreeSet<String>,
    issued: usize,
    log: Vec<String>,
    failures: Vec<Failure>,
    mounts: bool,
    /// Origin of uploads, if it is another one.
    storage: Option<String>,
}

struct Failure {
    request: String,
    status: Option<u16>,
    times: usize,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        Self::with(Access::Everybody).await
    }

    pub(crate) async fn with(access: Access) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let shared = Arc::new(Shared {
            host: host.clone(),
            state: Mutex::new(Content {
                access,
                mounts: true,
                ..Content::default()
            }),
            held: Notify::new(),
        });
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, router)
                .await
                .expect("the server runs");
        });
        Self { host, shared, task }
    }

    /// Answers the next `times` requests that begin with `request` by a status.
    pub(crate) fn fail(&self, request: &str, status: u16, times: usize) {
        self.state(|content| {
            content.failures.push(Failure {
                request: request.to_owned(),
                status: Some(status),
                times,
            });
        });
    }

    /// Never answers requests that begin with `request`.
    pub(crate) fn hold(&self, request: &str) {
        self.state(|content| {
            content.failures.push(Failure {
                request: request.to_owned(),
                status: None,
                times: usize::MAX,
            });
        });
    }

    /// Waits until a request is held.
    pub(crate) async fn held(&self) {
        self.shared.held.notified().await;
    }

    pub(crate) fn without_mounts(&self) {
        self.state(|content| content.mounts = false);
    }

    /// Sends uploads to another registry.
    pub(crate) fn store_at(&self, other: &Self) {
        let origin = format!("http://{}", other.host);
        self.state(|content| content.storage = Some(origin));
    }

    /// Makes all tokens invalid.
    pub(crate) fn expire_tokens(&self) {
        self.state(|content| content.tokens.clear());
    }

    /// The requests since the last call: method, path, status; `+auth` if it carried credentials.
    pub(crate) fn take_log(&self) -> Vec<String> {
        self.state(|content| std::mem::take(&mut content.log))
    }

    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<Value> {
        let key = (repository.to_owned(), reference.to_owned());
        let (_, text) = self.state(|content| content.manifests.get(&key).cloned())?;
        Some(serde_json::from_slice(&text).expect("a manifest is JSON"))
    }

    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        let key = (repository.to_owned(), digest.to_owned());
        self.state(|content| content.blobs.get(&key).cloned())
    }

    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        let key = (repository.to_owned(), digest.clone());
        let bytes = Bytes::copy_from_slice(bytes);
        self.state(|content| content.blobs.insert(key, bytes));
        digest
    }

    pub(crate) fn put_manifest(&self, repository: &str, tag: &str, manifest: &Value) -> String {
        let text = Bytes::from(manifest.to_string());
        let kind = manifest["mediaType"]
            .as_str()
            .expect("a media type")
            .to_owned();
        let digest = Digest::of(&text).to_string();
        self.state(|content| {
            for reference in [tag, &digest] {
                content.manifests.insert(
                    (repository.to_owned(), reference.to_owned()),
                    (kind.clone(), text.clone()),
                );
            }
        });
        digest
    }

    fn state<T>(&self, change: impl FnOnce(&mut Content) -> T) -> T {
        change(&mut self.shared.state.lock().expect("no handler panics"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let line = format!("{} {path}", parts.method);
    let body = axum::body::to_bytes(body, usize::MAX).await;
    let (response, held) = {
        let mut content = shared.state.lock().expect("no handler panics");
        let failure = content
            .failures
            .iter_mut()
            .find(|failure| failure.times > 0 && line.starts_with(&failure.request));
        match failure.map(|failure| {
            failure.times -= 1;
            failure.status
        }) {
            Some(None) => (None, true),
            Some(Some(status)) => (Some(answer(status)), false),
            None => {
                let asked = Asked {
                    host: &shared.host,
                    method: &parts.method,
                    path: &path,
                    query: parse(&query),
                    headers: &parts.headers,
                    body: body.unwrap_or_default(),
                };
                (Some(content.respond(asked)), false)
            }
        }
    };
    if held {
        shared.held.notify_one();
        std::future::pending::<()>().await;
    }
    let response = response.expect("it is not held");
    let auth = if parts.headers.contains_key(header::AUTHORIZATION) {
        " +auth"
    } else {
        ""
    };
    let mut content = shared.state.lock().expect("no handler panics");
    content
        .log
        .push(format!("{line} {}{auth}", response.status().as_u16()));
    response
}

struct Asked<'a> {
    host: &'a str,
    method: &'a Method,
    path: &'a str,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    body: Bytes,
}

impl Asked<'_> {
    fn query(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(key, _)| key == name)?;
        Some(&pair.1)
    }

    fn authorization(&self) -> Option<&str> {
        self.headers.get(header::AUTHORIZATION)?.to_str().ok()
    }
}

impl Content {
    fn respond(&mut self, asked: Asked<'_>) -> Response {
        if asked.path == "/token" {
            return self.token(&asked);
        }
        let Some(path) = asked.path.strip_prefix("/v2/") else {
            return answer(404);
        };
        let parts = ["/blobs/uploads/", "/blobs/", "/manifests/"]
            .iter()
            .find_map(|kind| Some((*kind, path.split_once(kind)?)));
        let Some((kind, (repository, rest))) = parts else {
            return answer(404);
        };
        if let Some(refused) = self.refuse(&asked, repository) {
            return refused;
        }
        let key = (repository.to_owned(), rest.to_owned());
        match (asked.method.as_str(), kind) {
            ("POST", "/blobs/uploads/") => self.start_upload(&asked, repository),
            ("PUT", "/blobs/uploads/") => {
                let digest = asked.query("digest").unwrap_or_default().to_owned();
                if Digest::of(&asked.body).to_string() != digest {
                    return answer(400);
                }
                self.blobs.insert((key.0, digest), asked.body);
                answer(201)
            }
            ("GET" | "HEAD", "/blobs/") => {
                let found = self.blobs.get(&key).cloned();
                found.map_or_else(|| answer(404), |bytes| with(200, &[], bytes))
            }
            ("GET" | "HEAD", "/manifests/") => match self.manifests.get(&key).cloned() {
                None => answer(404),
                Some((kind, text)) => {
                    let digest = Digest::of(&text).to_string();
                    let headers = [("docker-content-digest", digest), ("content-type", kind)];
                    with(200, &headers, text)
                }
            },
            ("PUT", "/manifests/") => self.put(&asked, &key),
            _ => answer(405),
        }
    }

    fn start_upload(&mut self, asked: &Asked<'_>, repository: &str) -> Response {
        if let (Some(digest), Some(from), true) =
            (asked.query("mount"), asked.query("from"), self.mounts)
        {
            let there = self
                .blobs
                .get(&(from.to_owned(), digest.to_owned()))
                .cloned();
            if let Some(bytes) = there {
                self.blobs
                    .insert((repository.to_owned(), digest.to_owned()), bytes);
                return answer(201);
            }
        }
        self.uploads += 1;
        let place = format!(
            "/v2/{repository}/blobs/uploads/{}?state=x%2Fy",
            self.uploads
        );
        let origin = self.storage.clone().unwrap_or_default();
        with(202, &[("location", origin + &place)], Bytes::new())
    }

    /// A manifest is taken only if all that it names is there.
    fn put(&mut self, asked: &Asked<'_>, key: &(String, String)) -> Response {
        let manifest: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        let whole = layers.iter().chain([&manifest["config"]]).all(|blob| {
            let digest = blob["digest"].as_str().unwrap_or_default().to_owned();
            let there = self.blobs.get(&(key.0.clone(), digest));
            there.is_some_and(|bytes| Some(bytes.len() as u64) == blob["size"].as_u64())
        });
        let kind = asked.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !whole || manifest["mediaType"] != kind {
            return answer(400);
        }
        let digest = Digest::of(&asked.body).to_string();
        for reference in [key.1.clone(), digest] {
            let stored = (kind.to_owned(), asked.body.clone());
            self.manifests.insert((key.0.clone(), reference), stored);
        }
        answer(201)
    }

    fn refuse(&self, asked: &Asked<'_>, repository: &str) -> Option<Response> {
        let authorization = asked.authorization();
        let challenge = match self.access {
            Access::Everybody => return None,
            Access::Basic if authorization == Some(&basic()) => return None,
            Access::Basic => "Basic realm=\"fake\"".to_owned(),
            Access::Token => {
                let rights = if [Method::GET, Method::HEAD].contains(asked.method) {
                    "pull"
                } else {
                    "push"
                };
                let token = authorization.and_then(|text| text.strip_prefix("Bearer "));
                // A token of this registry names what it allows.
                if token.is_some_and(|token| self.tokens.contains(token) && token.contains(rights))
                {
                    return None;
                }
                format!(
                    "Bearer realm=\"http://{}/token\",service=\"fake\",scope=\"repository:{repository}:{rights}\"",
                    asked.host
                )
            }
        };
        Some(with(401, &[("www-authenticate", challenge)], Bytes::new()))
    }

    fn token(&mut self, asked: &Asked<'_>) -> Response {
        let form = parse(&String::from_utf8_lossy(&asked.body));
        let of_form = |name: &str| {
            form.iter()
                .find(|(key, _)| key == name)
                .map(|(_, v)| v.clone())
        };
        let scope = if asked.method == Method::POST {
            if of_form("refresh_token").as_deref() != Some(IDENTITY)
                || of_form("grant_type").as_deref() != Some("refresh_token")
                || of_form("service").as_deref() != Some("fake")
            {
                return answer(401);
            }
            of_form("scope").unwrap_or_default()
        } else {
            if asked.authorization() != Some(&basic()) || asked.query("service") != Some("fake") {
                return answer(401);
            }
            let scopes = asked.query.iter().filter(|(key, _)| key == "scope");
            scopes
                .map(|(_, scope)| scope.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        self.issued += 1;
        let token = STANDARD.encode(format!("{} {scope}", self.issued));
        let token = format!("{}-{token}", scope.replace([':', '/', ',', ' '], "-"));
        self.tokens.insert(token.clone());
        let body = json!({ "token": token, "expires_in": 300 }).to_string();
        with(200, &[], Bytes::from(body))
    }
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

fn answer(status: u16) -> Response {
    let errors = json!({ "errors": [{ "code": "FAKE", "message": "the fake says no" }] });
    let body = if status < 400 {
        String::new()
    } else {
        errors.to_string()
    };
    with(status, &[], Bytes::from(body))
}

fn with(status: u16, headers: &[(&str, String)], body: Bytes) -> Response {
    let mut response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(body)).expect("a response")
}

/// Pairs of a query or form.
fn parse(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits =
                    [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'0')));
                let [high, low] = digits.map(|digit| digit.to_digit(16).unwrap_or(0));
                u8::try_from(high * 16 + low).expect("two digits")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).expect("queries are UTF-8")
}
