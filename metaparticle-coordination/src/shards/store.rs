//! [`Maps`]: requests about the map as HTTP requests on its ConfigMap, and what a watch of it shows.
//!
//! Beside the packed map the ConfigMap bears a random key, drawn by whoever creates it: gates tell each other apart from
//! other clients by it. Who may read the map may act as a gate; one namespace is one trust domain.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _, future};
use http::Method;
use k8s_openapi::ByteString;
use metaparticle_protocol::{
    Name, Token, Uid, Version,
    lease::key,
    shard::api::{Reply, Request, Sight, Stored},
};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    metrics::{Outcome, Verb},
    object, random,
    refusal::Refusal,
    store::{JSON, Sent, Store},
    watch::{Patience, Seen, by_name, objects},
};

const RESOURCE: &str = "configmaps";
/// Metadata is all that a proof needs (M5).
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Where the packed map is, in `binaryData`.
const MAP: &str = "map";
/// Where the key of the gates is.
const KEY: &str = "key";

/// The map of one name. Clones share everything.
#[derive(Clone)]
pub(super) struct Maps {
    store: Store,
    name: Name,
    /// Bears the token of the term that wrote it (F1).
    annotation: Arc<str>,
    seen: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// As last read, of which an update may be asked.
    object: Option<Value>,
    key: Option<Arc<[u8]>>,
}

impl fmt::Debug for Maps {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maps")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Maps {
    pub(super) fn new(store: Store, name: Name, annotation: String) -> Self {
        Self {
            store,
            name,
            annotation: annotation.into(),
            seen: Arc::default(),
        }
    }

    /// What gates authenticate each other with; none before the map was seen.
    pub(super) fn key(&self) -> Option<Arc<[u8]>> {
        self.seen().key.clone()
    }

    /// Sends it and waits at most `within`.
    ///
    /// # Cancel safety
    /// Dropped, it may have been done or not, as with [`Reply::Unknown`].
    pub(super) async fn call(&self, request: Request, within: Duration) -> Reply {
        match request {
            Request::Head => {
                let sent = self.ask(Method::GET, METADATA, None, within).await;
                self.answer(Verb::Get, None, sent, false)
            }
            Request::Get => self.get(within).await,
            Request::Create { data, term } => {
                let object = self.fresh(&data, term);
                let uri = self.collection();
                let sent = self
                    .store
                    .ask(Method::POST, &uri, JSON, Some(&object), within)
                    .await;
                self.answer(Verb::Create, None, sent, true)
            }
            Request::Update {
                uid,
                version,
                data,
                term,
            } => {
                let base = match self.base(&uid, version, within).await {
                    Ok(base) => base,
                    Err(reply) => return reply,
                };
                let object = self.over(base, &data, term);
                let sent = self.ask(Method::PUT, JSON, Some(&object), within).await;
                self.answer(Verb::Update, Some(&uid), sent, true)
            }
            Request::Delete { uid, version } => {
                let options = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "preconditions": { "uid": uid.as_str(), "resourceVersion": version.to_string() },
                });
                let sent = self.ask(Method::DELETE, JSON, Some(&options), within).await;
                self.answer(Verb::Delete, None, sent, false)
            }
        }
    }

    /// What a watch of it tells; `Err` each time the server says no.
    pub(super) fn watch(
        &self,
        clock: Clock,
    ) -> impl Stream<Item = Result<Sight, Refusal>> + Send + 'static {
        let maps = self.clone();
        let seen = objects(
            &self.store,
            RESOURCE,
            self.collection(),
            by_name(&self.name),
            clock,
            Patience::default(),
        );
        seen.filter_map(move |seen| future::ready(seen.map(|seen| maps.sight(seen)).transpose()))
    }

    fn sight(&self, seen: Seen) -> Option<Sight> {
        Some(match seen {
            Seen::Listed(objects, version) => {
                let object = objects.into_iter().next();
                Sight::Listed(object.and_then(|object| self.keep(object)), version)
            }
            Seen::Added(object) | Seen::Modified(object) => Sight::Is(self.keep(object)?),
            Seen::Deleted(object) => {
                self.seen().object = None;
                let stored = stored(&object)?;
                Sight::Deleted(stored.uid, stored.version)
            }
            Seen::Lost => Sight::Lost,
        })
    }

    /// W1: uid and version are those that the assigner decided upon. The rest of the object is what was read with them.
    async fn base(&self, uid: &Uid, version: Version, within: Duration) -> Result<Value, Reply> {
        let is_it = |object: &Value| {
            stored(object).is_some_and(|it| it.uid == *uid && it.version == version)
        };
        let kept = |it: &Self| it.seen().object.clone().filter(is_it);
        if let Some(base) = kept(self) {
            return Ok(base);
        }
        match self.get(within).await {
            Reply::Is(_) => kept(self).ok_or(Reply::Conflict),
            other => Err(other),
        }
    }

    async fn get(&self, within: Duration) -> Reply {
        let sent = self.ask(Method::GET, JSON, None, within).await;
        self.answer(Verb::Get, None, sent, true)
    }

    async fn ask(
        &self,
        method: Method,
        accept: &'static str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Sent, String> {
        let uri = format!("{}/{}", self.collection(), self.name);
        self.store.ask(method, &uri, accept, body, within).await
    }

    fn collection(&self) -> String {
        format!("/api/v1/namespaces/{}/{RESOURCE}", self.store.namespace())
    }

    fn answer(
        &self,
        verb: Verb,
        uid: Option<&Uid>,
        sent: Result<Sent, String>,
        is_whole: bool,
    ) -> Reply {
        let (reply, outcome, trouble) = self.read(verb, uid, sent, is_whole);
        self.store.note(verb, outcome, trouble);
        reply
    }

    fn read(
        &self,
        verb: Verb,
        uid: Option<&Uid>,
        sent: Result<Sent, String>,
        is_whole: bool,
    ) -> (Reply, Outcome, Option<Arc<str>>) {
        let sent = match sent {
            Ok(sent) => sent,
            Err(trouble) => return (Reply::Unknown, Outcome::Unknown, Some(trouble.into())),
        };
        if !(200..=299).contains(&sent.code) {
            let (reply, outcome, trouble) = self.store.failed(verb, RESOURCE, sent);
            return (of(reply), outcome, trouble);
        }
        if verb == Verb::Delete {
            self.seen().object = None;
            return (Reply::Deleted, Outcome::Done, None);
        }
        let body = sent.body.unwrap_or_default();
        match stored(&body) {
            // W1: a PUT never creates. Should a server do so all the same, it is not the object that was meant.
            Some(it) if uid.is_some_and(|uid| it.uid != *uid) => {
                (Reply::Conflict, Outcome::Conflict, None)
            }
            Some(it) if !is_whole => (Reply::Head(it.uid, it.version), Outcome::Done, None),
            Some(it) => {
                self.keep(body);
                (Reply::Is(it), Outcome::Done, None)
            }
            None => {
                let trouble = format!("its answer to {} is no ConfigMap", verb.as_str());
                (Reply::Unknown, Outcome::Unknown, Some(trouble.into()))
            }
        }
    }

    fn keep(&self, object: Value) -> Option<Stored> {
        let it = stored(&object)?;
        let mut seen = self.seen();
        if let Some(key) = bytes(&object, KEY).filter(|key| !key.is_empty())
            && seen.key.as_deref() != Some(&*key)
        {
            seen.key = Some(key.into());
        }
        seen.object = Some(object::slim(object));
        Some(it)
    }

    fn seen(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics halfway through a change.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self, data: &[u8], term: Token) -> Value {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name.as_str(),
                "labels": { object::qualified(key::ROLE): "map" },
            },
        });
        self.over(object, data, term)
    }

    fn over(&self, mut object: Value, data: &[u8], term: Token) -> Value {
        object["metadata"]["annotations"][&*self.annotation] = json!(term.to_string());
        object["binaryData"][MAP] = json!(ByteString(data.to_vec()));
        if bytes(&object, KEY).is_none_or(|key| key.is_empty()) {
            let key = (0..4).flat_map(|_| random::bits().to_be_bytes());
            object["binaryData"][KEY] = json!(ByteString(key.collect()));
        }
        object
    }
}

fn stored(object: &Value) -> Option<Stored> {
    let metadata = object.get("metadata")?;
    let uid = metadata.get("uid")?.as_str()?;
    Some(Stored {
        uid: Uid::from(uid),
        version: object::version(metadata)?,
        data: bytes(object, MAP).unwrap_or_default().into(),
    })
}

fn bytes(object: &Value, field: &str) -> Option<Vec<u8>> {
    let text = object.get("binaryData")?.get(field)?;
    let bytes: ByteString = serde_json::from_value(text.clone()).ok()?;
    Some(bytes.0)
}

/// What was not done, of Leases, as it is of maps.
fn of(reply: metaparticle_protocol::Reply) -> Reply {
    use metaparticle_protocol::Reply as Theirs;
    match reply {
        Theirs::Absent => Reply::Absent,
        Theirs::Conflict | Theirs::Exists => Reply::Conflict,
        Theirs::Busy { after } => Reply::Busy { after },
        Theirs::Refused(why) => Reply::Refused(why),
        _ => Reply::Unknown,
    }
}
