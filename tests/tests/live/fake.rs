//! [`Fake`]: the parts of an API server that a deployment lists and watches, and ways to make them fail.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use futures::stream;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::kubelet::{self, Log, Program};

/// The namespace of every test.
pub(crate) const NAMESPACE: &str = "test";

/// An API server on loopback, for as long as it lives.
pub(crate) struct Fake {
    pub(crate) client: Client,
    world: World,
    _server: JoinSet<()>,
}

/// What the server knows. Clones share it.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<Mutex<Known>>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct Known {
    version: u64,
    objects: BTreeMap<(String, String), Value>,
    history: Vec<Happened>,
    /// Versions up to this are forgotten.
    forgotten: u64,
    /// Watches that were opened before this ends them.
    pub(crate) epoch: u64,
    /// Answers that come before the right ones, by resource.
    failures: HashMap<String, VecDeque<u16>>,
    /// Every request: path and query.
    pub(crate) requests: Vec<String>,
    pub(crate) logs: HashMap<String, Log>,
    pub(crate) programs: HashMap<String, Program>,
}

#[derive(Clone)]
struct Happened {
    version: u64,
    resource: String,
    kind: &'static str,
    object: Value,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let world = World {
            state: Arc::default(),
            changed: watch::channel(0).0,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(world.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let uri: Uri = format!("http://{address}").parse().unwrap();
        let mut config = Config::new(uri);
        config.default_retry = false; // as the deployer's own
        let client = Client::try_from(config).unwrap();
        Self {
            client,
            world,
            _server: server,
        }
    }

    /// Creates or replaces an object; its name and resource are its identity.
    pub(crate) fn put(&self, resource: &str, object: Value) {
        let mut object = object;
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = name.clone().into();
        }
        let key = (resource.to_owned(), name);
        self.change(|known| {
            let kind = if known.objects.contains_key(&key) {
                "MODIFIED"
            } else {
                "ADDED"
            };
            known.version += 1;
            object["metadata"]["resourceVersion"] = known.version.to_string().into();
            known.objects.insert(key, object.clone());
            known.happened(resource, kind, object);
        });
    }

    pub(crate) fn delete(&self, resource: &str, name: &str) {
        self.change(|known| {
            let key = (resource.to_owned(), name.to_owned());
            let mut object = known.objects.remove(&key).unwrap();
            known.version += 1;
            object["metadata"]["resourceVersion"] = known.version.to_string().into();
            known.happened(resource, "DELETED", object);
        });
    }

    /// Ends all watches, as a server does from time to time.
    pub(crate) fn end_watches(&self) {
        self.change(|known| known.epoch += 1);
    }

    /// Ends all watches and forgets all that happened: resuming one is answered with 410.
    pub(crate) fn forget(&self) {
        self.change(|known| {
            known.epoch += 1;
            known.version += 1;
            known.forgotten = known.version;
            known.history.clear();
        });
    }

    /// Answers the next requests for a resource with these codes.
    pub(crate) fn fail(&self, resource: &str, codes: &[u16]) {
        self.change(|known| {
            known
                .failures
                .entry(resource.to_owned())
                .or_default()
                .extend(codes);
        });
    }

    /// The requests so far whose path or query contains `part`.
    pub(crate) fn requests(&self, part: &str) -> Vec<String> {
        let known = self.world.lock();
        let requests = known.requests.iter();
        requests.filter(|uri| uri.contains(part)).cloned().collect()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let result = change(&mut self.world.lock());
        self.world.changed.send_modify(|n| *n += 1);
        result
    }

    /// Waits until something holds of what the server knows.
    pub(crate) async fn until(&self, holds: impl Fn(&Known) -> bool) {
        let mut changed = self.world.changed.subscribe();
        while !holds(&self.world.lock()) {
            changed.changed().await.unwrap();
        }
    }
}

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl Known {
    fn happened(&mut self, resource: &str, kind: &'static str, object: Value) {
        self.history.push(Happened {
            version: self.version,
            resource: resource.to_owned(),
            kind,
            object,
        });
    }

    pub(crate) fn pod(&self, name: &str) -> Option<Pod> {
        let object = self.objects.get(&("pods".to_owned(), name.to_owned()))?;
        serde_json::from_value(object.clone()).ok()
    }
}

async fn answer(State(world): State<World>, request: Request) -> Response {
    let uri = request.uri().clone();
    let query: HashMap<String, String> = query(&uri);
    let path = uri.path().to_owned();
    let mut rest = path
        .split('/')
        .skip_while(|part| *part != NAMESPACE)
        .skip(1);
    let resource = rest.next().unwrap_or_default().to_owned();
    let (name, sub) = (rest.next().map(str::to_owned), rest.next());
    let failure = {
        let mut known = world.lock();
        known.requests.push(uri.to_string());
        let key = sub.unwrap_or(&resource);
        known.failures.get_mut(key).and_then(VecDeque::pop_front)
    };
    world.changed.send_modify(|n| *n += 1);
    if let Some(code) = failure {
        return status(code, "made to fail");
    }
    match (name, sub) {
        (Some(pod), Some("log")) => kubelet::log(&world, &pod, &query),
        (Some(pod), Some("portforward")) => kubelet::forward(&world, &pod, &query, request).await,
        (Some(name), None) => {
            let known = world.lock();
            match known.objects.get(&(resource, name)) {
                Some(object) => json_response(object),
                None => status(404, "not found"),
            }
        }
        (None, _) if query.contains_key("watch") => watch(&world, resource, &query),
        (None, _) => list(&world, &resource, &query),
        _ => status(404, "no such path"),
    }
}

fn list(world: &World, resource: &str, query: &HashMap<String, String>) -> Response {
    let known = world.lock();
    let items: Vec<&Value> = known
        .objects
        .iter()
        .filter(|((kind, _), object)| kind == resource && selected(object, query))
        .map(|(_, object)| object)
        .collect();
    json_response(&json!({
        "kind": "List",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": known.version.to_string()},
        "items": items,
    }))
}

fn watch(world: &World, resource: String, query: &HashMap<String, String>) -> Response {
    let from: u64 = query["resourceVersion"].parse().unwrap();
    let (epoch, forgotten) = {
        let known = world.lock();
        (known.epoch, known.forgotten)
    };
    if from < forgotten {
        // As the API server does it: the watch begins, and its first event is the error.
        let gone = json!({"type": "ERROR", "object": failure(410, "too old resource version")});
        return Body::from(format!("{gone}\n")).into_response();
    }
    let query = query.clone();
    let seed = (world.clone(), world.subscribe(), from);
    let events = stream::unfold(seed, move |(world, mut changed, mut from)| {
        let (resource, query) = (resource.clone(), query.clone());
        async move {
            loop {
                changed.mark_unchanged();
                let next = {
                    let known = world.lock();
                    if known.epoch != epoch {
                        return None;
                    }
                    let mut history = known.history.iter();
                    history.find(|event| event.version > from).cloned()
                };
                let Some(event) = next else {
                    changed.changed().await.ok()?;
                    continue;
                };
                from = event.version;
                if event.resource == resource && selected(&event.object, &query) {
                    let line = json!({"type": event.kind, "object": event.object});
                    let line = Bytes::from(format!("{line}\n"));
                    return Some((Ok::<_, Infallible>(line), (world, changed, from)));
                }
            }
        }
    });
    Body::from_stream(events).into_response()
}

/// Equality of labels and fields, which is all that is asked for.
fn selected(object: &Value, query: &HashMap<String, String>) -> bool {
    let equal = |selector: Option<&String>, at: &dyn Fn(&str) -> Value| {
        selector.is_none_or(|selector| {
            let terms = selector.split(',').filter(|term| !term.is_empty());
            terms
                .filter_map(|term| term.split_once('='))
                .all(|(key, value)| at(key) == value)
        })
    };
    equal(query.get("labelSelector"), &|key| {
        object["metadata"]["labels"][key].clone()
    }) && equal(query.get("fieldSelector"), &|key| {
        let pointer = format!("/{}", key.replace('.', "/"));
        object.pointer(&pointer).cloned().unwrap_or_default()
    })
}

fn query(uri: &Uri) -> HashMap<String, String> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        [("%3D", "="), ("%2C", ","), ("%2F", "/"), ("%3A", ":")]
            .iter()
            .fold(text, |text, (code, sign)| text.replace(code, sign))
    };
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decode(value)))
        .collect()
}

fn json_response(value: &Value) -> Response {
    Body::from(value.to_string()).into_response()
}

pub(crate) fn status(code: u16, message: &str) -> Response {
    let code_ = StatusCode::from_u16(code).unwrap();
    (code_, failure(code, message).to_string()).into_response()
}

fn failure(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": "Made"})
}

/// A connection that breaks.
pub(crate) fn broken() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionReset)
}
