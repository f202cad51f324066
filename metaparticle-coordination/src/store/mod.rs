//! [`Store`]: a [`Request`] of the protocol as one HTTP request, its answer as a [`Reply`].
//!
//! Each call is sent once and has its own time limit; what is not known to be done is [`Reply::Unknown`], never an error.
//! Who repeats what, and when, is the state machines' business.

mod answer;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use jiff::Timestamp;
use kube::{Client, client::Body};
use metaparticle_protocol::{Lease, Name, Reply, Request, Uid, Version, lease::Draft};
use serde_json::{Value, json};

use self::answer::Answer;
use crate::{
    metrics::{Outcome, Requests, Verb},
    object,
    refusal::Refusal,
};

pub(crate) use self::answer::{list_query, retry_after};

/// Who we say we are, for audit logs.
pub(crate) const AGENT: &str = concat!("metaparticle/", env!("CARGO_PKG_VERSION"));

/// What is sent, and mostly wanted back.
pub(crate) const JSON: &str = "application/json";

/// Objects that are kept, at most.
const KEPT: usize = 4096;

/// The Leases of one namespace. Clones share everything.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    namespace: Arc<str>,
    /// `/apis/coordination.k8s.io/v1/namespaces/<namespace>/leases`
    path: String,
    /// Objects as last seen, of which an update may be asked: replies, and watches of a single name.
    seen: Mutex<HashMap<Name, Value>>,
    requests: Requests,
    trouble: Mutex<Option<Arc<str>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("namespace", &self.shared.namespace)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Of a namespace whose name is one.
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                namespace: namespace.into(),
                path: format!(
                    "/apis/{}/namespaces/{namespace}/leases",
                    object::API_VERSION
                ),
                seen: Mutex::default(),
                requests: Requests::default(),
                trouble: Mutex::default(),
            }),
        }
    }

    /// Where it is.
    pub(crate) fn namespace(&self) -> &Arc<str> {
        &self.shared.namespace
    }

    /// The client, for requests about other things.
    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Path of the collection.
    pub(crate) fn path(&self) -> &str {
        &self.shared.path
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> &Requests {
        &self.shared.requests
    }

    /// What went wrong with the last request, if something did.
    pub(crate) fn trouble(&self) -> Option<Arc<str>> {
        lock(&self.shared.trouble).clone()
    }

    /// Notes how a request of `verb` went.
    pub(crate) fn note(&self, verb: Verb, outcome: Outcome, trouble: Option<Arc<str>>) {
        self.shared.requests.count(verb, outcome);
        if let Some(trouble) = &trouble {
            tracing::debug!(verb = verb.as_str(), outcome = outcome.as_str(), %trouble, "request failed");
        }
        *lock(&self.shared.trouble) = trouble;
    }

    /// Keeps an object, so that an update of it needs no GET.
    pub(crate) fn saw(&self, name: &Name, object: Value) {
        let mut seen = lock(&self.shared.seen);
        if seen.len() >= KEPT {
            // Others' sessions and tickets, mostly. Whatever was needed is read again.
            seen.clear();
        }
        seen.insert(name.clone(), object::slim(object));
    }

    /// Drops it.
    pub(crate) fn forget(&self, name: &Name) {
        lock(&self.shared.seen).remove(name);
    }

    /// Sends it and waits at most `within`.
    ///
    /// # Cancel safety
    /// Dropped, it may have been done or not, as with [`Reply::Unknown`].
    pub(crate) async fn call(&self, request: Request, within: Duration) -> Reply {
        let verb = verb(&request);
        let name = name(&request).cloned();
        let answered = tokio::time::timeout(within, self.answered(request)).await;
        let answer = answered.unwrap_or_else(|_| {
            Answer::unknown(format!("no answer within {} ms", within.as_millis()))
        });
        self.note(verb, answer.outcome, answer.trouble);
        match (&answer.reply, name) {
            (Reply::Is(lease), _) => {
                if let Some(object) = answer.object {
                    self.saw(&lease.name, object);
                }
            }
            (Reply::Deleted | Reply::Absent, Some(name)) => self.forget(&name),
            _ => {}
        }
        answer.reply
    }

    async fn answered(&self, request: Request) -> Answer {
        if let Some(name) = name(&request)
            && !is_path_segment(name.as_str())
        {
            let message = format!("`{name}` is no name of a Lease");
            let body = json!({ "reason": "Invalid", "message": message });
            let namespace = &self.shared.namespace;
            return Answer::refused(Refusal::new(
                verb(&request),
                "leases",
                namespace,
                422,
                &body,
            ));
        }
        match request {
            Request::Get { name } => self.get(&name).await,
            Request::Create { name, draft } => {
                let object = object::new(&name, &draft, Timestamp::now());
                let sent = self.send(http::Method::POST, "", Some(&object)).await;
                self.answer(Verb::Create, None, sent)
            }
            Request::Update {
                name,
                uid,
                version,
                draft,
            } => self.update(&name, &uid, version, &draft).await,
            Request::Delete { name, uid, version } => {
                let mut preconditions = json!({ "uid": uid.as_str() });
                if let Some(version) = version {
                    preconditions["resourceVersion"] = json!(version.to_string());
                }
                let options = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "preconditions": preconditions,
                    "propagationPolicy": "Background",
                });
                let path = format!("/{name}");
                let sent = self.send(http::Method::DELETE, &path, Some(&options)).await;
                self.answer(Verb::Delete, None, sent)
            }
            Request::List { labels, exactly } => {
                let query = format!("?{}", list_query(&labels, exactly));
                let sent = self.send(http::Method::GET, &query, None).await;
                self.answer(Verb::List, None, sent)
            }
        }
    }

    /// A consistent list of `resource` at `uri`: what it shows, and of which version; `None`: nobody knows.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn list(
        &self,
        resource: &'static str,
        uri: &str,
        within: Duration,
    ) -> Result<Option<(Vec<Value>, Version)>, Refusal> {
        let sent = self.ask(http::Method::GET, uri, JSON, None, within).await;
        let (outcome, trouble, listed) = match sent {
            Ok(Sent {
                code: 200..=299,
                body,
                ..
            }) => {
                let listed = body.and_then(listed);
                let trouble = format!("its answer to list {resource} is no list");
                let trouble = listed.is_none().then(|| trouble.into());
                let outcome = trouble.as_ref().map_or(Outcome::Done, |_| Outcome::Unknown);
                (outcome, trouble, Ok(listed))
            }
            Ok(sent) => {
                let answer = answer::of(Verb::List, resource, self.namespace(), None, sent);
                let listed = answer.refusal.map_or(Ok(None), Err);
                (answer.outcome, answer.trouble, listed)
            }
            Err(trouble) => (Outcome::Unknown, Some(trouble.into()), Ok(None)),
        };
        self.note(Verb::List, outcome, trouble);
        listed
    }

    /// One request for anything, and its answer; `Err`: nobody knows.
    ///
    /// # Cancel safety
    /// Dropped, it may have been done or not.
    pub(crate) async fn ask(
        &self,
        method: http::Method,
        uri: &str,
        accept: &'static str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Sent, String> {
        let sent = tokio::time::timeout(within, self.exchange(method, uri, accept, body)).await;
        sent.unwrap_or_else(|_| Err(format!("no answer within {} ms", within.as_millis())))
    }

    /// What an answer means that says of `verb` on `resource`: not done.
    pub(crate) fn failed(
        &self,
        verb: Verb,
        resource: &'static str,
        sent: Sent,
    ) -> (Reply, Outcome, Option<Arc<str>>) {
        let answer = answer::of(verb, resource, self.namespace(), None, sent);
        (answer.reply, answer.outcome, answer.trouble)
    }

    async fn get(&self, name: &Name) -> Answer {
        let path = format!("/{name}");
        let sent = self.send(http::Method::GET, &path, None).await;
        self.answer(Verb::Get, None, sent)
    }

    /// W1: uid and version are those that the machine decided upon. The rest of the object is what was read with them;
    /// if that is not at hand, it is read, and if another is found, the PUT would be answered with 409.
    async fn update(&self, name: &Name, uid: &Uid, version: Version, draft: &Draft) -> Answer {
        let is_it = |lease: &Lease| lease.uid == *uid && lease.version == version;
        let seen = lock(&self.shared.seen).get(name).cloned();
        let base = match seen.filter(|seen| object::read(seen).as_ref().is_some_and(is_it)) {
            Some(base) => base,
            None => match self.get(name).await {
                Answer {
                    reply: Reply::Is(lease),
                    object: Some(object),
                    ..
                } if is_it(&lease) => object::slim(object),
                Answer {
                    reply: Reply::Is(lease),
                    object: Some(object),
                    ..
                } => {
                    self.saw(&lease.name, object);
                    return Answer::conflict();
                }
                other => return other,
            },
        };
        let object = object::over(base, draft, Timestamp::now());
        let path = format!("/{name}");
        let sent = self.send(http::Method::PUT, &path, Some(&object)).await;
        self.answer(Verb::Update, Some(uid), sent)
    }

    fn answer(&self, verb: Verb, uid: Option<&Uid>, sent: Result<Sent, String>) -> Answer {
        match sent {
            Ok(sent) => answer::of(verb, "leases", &self.shared.namespace, uid, sent),
            Err(trouble) => Answer::unknown(trouble),
        }
    }

    async fn send(
        &self,
        method: http::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Sent, String> {
        let uri = format!("{}{path}", self.shared.path);
        self.exchange(method, &uri, JSON, body).await
    }

    async fn exchange(
        &self,
        method: http::Method,
        uri: &str,
        accept: &'static str,
        body: Option<&Value>,
    ) -> Result<Sent, String> {
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, JSON)
            .header(USER_AGENT, AGENT)
            .body(body.map_or_else(Body::empty, |body| {
                Body::from(body.to_string().into_bytes())
            }))
            .map_err(|error| error.to_string())?;
        let client = self.shared.client.clone();
        let response = client.send(request).await.map_err(|error| chain(&error))?;
        let code = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER);
        let after = after.and_then(|after| retry_after(after.to_str().ok()?));
        let body = response.into_body().collect_bytes().await;
        let body = body.map_err(|error| chain(&error))?;
        Ok(Sent {
            code,
            after,
            body: serde_json::from_slice(&body).ok(),
        })
    }
}

/// What came back.
pub(crate) struct Sent {
    pub(crate) code: u16,
    pub(crate) after: Option<Duration>,
    /// `None`: no JSON.
    pub(crate) body: Option<Value>,
}

/// The items of a list, and its version.
fn listed(mut list: Value) -> Option<(Vec<Value>, Version)> {
    let version = object::version(list.get("metadata")?)?;
    match list.get_mut("items")? {
        Value::Array(items) => Some((std::mem::take(items), version)),
        _ => None,
    }
}

fn verb(request: &Request) -> Verb {
    match request {
        Request::Get { .. } => Verb::Get,
        Request::Create { .. } => Verb::Create,
        Request::Update { .. } => Verb::Update,
        Request::Delete { .. } => Verb::Delete,
        Request::List { .. } => Verb::List,
    }
}

fn name(request: &Request) -> Option<&Name> {
    match request {
        Request::Get { name }
        | Request::Create { name, .. }
        | Request::Update { name, .. }
        | Request::Delete { name, .. } => Some(name),
        Request::List { .. } => None,
    }
}

/// Names of other's making are put into paths: only what the API takes as the name of a Lease.
fn is_path_segment(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|byte| valid(byte) || matches!(byte, b'-' | b'.'))
        && name.bytes().next().is_some_and(valid)
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
