//! Watches: the events of a kind from a revision on, as a stream of JSON lines.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use super::{
    super::{
        Api,
        failure::{Failure, FieldError},
        resource::Resource,
        store::{Event, EventKind, Object},
        table,
    },
    Body, Call,
    answer::{self, Form, Include},
    empty, list,
    selector::Selection,
};

/// How often a quiet watch is told where it stands.
const BOOKMARK: Duration = Duration::from_secs(60);
/// Events that are turned into text at a time.
const BATCH: usize = 64;
/// Annotation of the bookmark after the initial events (KEP-3157).
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// One open watch.
struct Watcher {
    api: Api,
    client: String,
    resource: &'static Resource,
    namespace: Option<String>,
    selection: Selection,
    form: Form,
    columns_sent: bool,
    /// Everything up to here is sent.
    cursor: u64,
    ready: VecDeque<Bytes>,
    news: watch::Receiver<u64>,
    dropped: watch::Receiver<u64>,
    partitions: watch::Receiver<BTreeSet<String>>,
    bookmarks: Option<Instant>,
    ends: Option<Instant>,
    over: bool,
}

impl Call<'_> {
    pub(super) fn watch(&self) -> Result<Response<Body>, Failure> {
        let resource = self.target.resource;
        let mut selection = Selection::of(&self.query, resource)?;
        if let Some(name) = &self.target.name {
            selection = selection.named(name);
        }
        let initial = self.initial_events()?;
        let from = list::version(&self.query)?;
        let bookmarks = self.query.flag("allowWatchBookmarks");
        let timeout = self
            .query
            .number("timeoutSeconds")?
            .and_then(|it| u64::try_from(it).ok());
        let now = Instant::now();
        let mut watcher = Watcher {
            api: self.api.clone(),
            client: self.client.to_owned(),
            resource,
            namespace: self.target.namespace.clone(),
            selection,
            form: self.form,
            columns_sent: false,
            cursor: 0,
            ready: VecDeque::new(),
            news: self.api.store.news(resource),
            dropped: self.api.faults.dropped(),
            partitions: self.api.faults.partitions(),
            bookmarks: bookmarks.then(|| now + BOOKMARK),
            ends: timeout
                .filter(|it| *it > 0)
                .map(|seconds| now + Duration::from_secs(seconds)),
            over: false,
        };
        watcher.begin(from, initial)?;
        let body = StreamBody::new(stream::unfold(watcher, |mut watcher| async move {
            let chunk = watcher.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(chunk)), watcher))
        }));
        let mut response = answer::with_type(200, "application/json", Bytes::new());
        *response.body_mut() = body.boxed_unsync();
        Ok(response)
    }

    /// `sendInitialEvents`, checked with what must stand beside it.
    fn initial_events(&self) -> Result<Option<bool>, Failure> {
        const MATCH: &str = "resourceVersionMatch";
        let matching = self.query.get(MATCH);
        let asked = self.query.get("sendInitialEvents");
        let detail = match (asked, matching) {
            (None, None) => return Ok(None),
            (Some(_), Some("NotOlderThan")) if self.query.get("continue").is_some() => {
                Some("resourceVersionMatch is forbidden when continue is provided")
            }
            (Some(_), Some("NotOlderThan")) => None,
            (None, Some(_)) => Some(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
            (Some(_), _) => {
                Some("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            }
        };
        let mut errors: Vec<FieldError> = Vec::new();
        errors.extend(detail.map(|detail| FieldError::forbidden(MATCH, detail)));
        if let Some(other) = matching.filter(|it| *it != "NotOlderThan") {
            errors.push(FieldError::not_supported(
                MATCH,
                &other.into(),
                &["NotOlderThan"],
            ));
        }
        if !errors.is_empty() {
            return Err(list::options("", &errors));
        }
        let asked = asked.unwrap_or_default();
        Ok(Some(asked == "true"))
    }
}

impl Watcher {
    /// Decides where to begin, and what to send first.
    fn begin(&mut self, from: Option<u64>, initial: Option<bool>) -> Result<(), Failure> {
        let api = self.api.clone();
        let (now, objects) = api.store.with(|state| {
            let objects: Vec<Arc<Object>> = state
                .list(self.resource, self.namespace.as_deref())
                .cloned()
                .collect();
            (state.revision(), objects)
        });
        if let Some(asked) = from.filter(|from| *from > now) {
            return Err(list::too_large(asked, now));
        }
        self.cursor = match from {
            Some(from) if from > 0 && initial != Some(true) => {
                self.resume(from);
                return Ok(());
            }
            _ => now,
        };
        if initial.unwrap_or(true) {
            for object in &objects {
                if self.selection.contains(object.value()) {
                    self.send("ADDED", object);
                }
            }
        }
        if initial == Some(true) && self.bookmarks.is_some() {
            self.bookmark(true);
        }
        Ok(())
    }

    fn resume(&mut self, from: u64) {
        self.cursor = from;
        let known = self
            .api
            .store
            .with(|state| state.events(self.resource, from, 0).map(drop));
        if let Err(compacted) = known {
            self.too_old(compacted.asked, compacted.oldest);
        }
    }

    /// The next text, or the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.partitions.borrow().contains(&self.client) {
                let client = self.client.clone();
                let _ = self
                    .partitions
                    .wait_for(|clients| !clients.contains(&client))
                    .await;
                return None;
            }
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            if self.over {
                return None;
            }
            if self.read() {
                continue;
            }
            self.wait().await;
        }
    }

    /// Turns new events into text. Whether there were any.
    fn read(&mut self) -> bool {
        self.news.mark_unchanged();
        let (now, events) = self.api.store.with(|state| {
            (
                state.revision(),
                state.events(self.resource, self.cursor, BATCH),
            )
        });
        let events = match events {
            Ok(events) => events,
            Err(compacted) => {
                self.too_old(compacted.asked, compacted.oldest);
                return true;
            }
        };
        let Some(last) = events.last() else {
            self.cursor = self.cursor.max(now);
            return false;
        };
        self.cursor = last.revision;
        for event in &events {
            self.tell(event);
        }
        true
    }

    /// Waits for something to do.
    async fn wait(&mut self) {
        let far = Instant::now() + Duration::from_secs(86_400);
        let bookmark = self.bookmarks.unwrap_or(far);
        let ends = self.ends.unwrap_or(far);
        tokio::select! {
            biased;
            changed = self.dropped.changed() => { let _ = changed; self.over = true; }
            changed = self.partitions.changed() => { let _ = changed; }
            changed = self.news.changed() => { let _ = changed; }
            () = tokio::time::sleep_until(ends) => self.over = self.ends.is_some(),
            () = tokio::time::sleep_until(bookmark) => {
                if self.bookmarks.is_some() {
                    self.bookmarks = Some(Instant::now() + BOOKMARK);
                    self.bookmark(false);
                }
            }
        }
    }

    /// An event as the selection sees it: objects enter and leave it.
    fn tell(&mut self, event: &Event) {
        if self
            .namespace
            .as_ref()
            .is_some_and(|namespace| *namespace != event.key.0)
        {
            return;
        }
        let selects = |object: Option<&Arc<Object>>| {
            object.is_some_and(|it| self.selection.contains(it.value()))
        };
        let before = selects(event.previous.as_ref());
        let after = event.kind != EventKind::Deleted && selects(Some(&event.object));
        match (before, after) {
            (false, true) => self.send("ADDED", &event.object),
            (true, true) => self.send("MODIFIED", &event.object),
            (true, false) if event.kind == EventKind::Deleted => {
                self.send("DELETED", &event.object);
            }
            (true, false) => {
                // As it was when it was last selected, at the revision of its leaving.
                if let Some(previous) = &event.previous {
                    let left =
                        Object::new(self.resource, (**previous.value()).clone(), event.revision);
                    self.send("DELETED", &Arc::new(left));
                }
            }
            (false, false) => {}
        }
    }

    fn send(&mut self, kind: &str, object: &Arc<Object>) {
        let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
        match self.form {
            Form::Object => object.write(&mut line),
            Form::Metadata => line.extend_from_slice(
                answer::metadata(object.value(), true)
                    .to_string()
                    .as_bytes(),
            ),
            Form::Table(include) => {
                line.extend_from_slice(self.table(object, include).to_string().as_bytes());
            }
        }
        line.extend_from_slice(b"}\n");
        self.ready.push_back(line.into());
    }

    fn table(&mut self, object: &Object, include: Include) -> Value {
        let columns = (!std::mem::replace(&mut self.columns_sent, true))
            .then(|| table::columns(self.resource));
        let row = answer::row(self.resource, object.value(), include, self.api.clock.now());
        answer::table_of(
            &json!({"resourceVersion": object.revision().to_string()}),
            columns,
            &[row],
        )
    }

    fn bookmark(&mut self, initial: bool) {
        let mut object = empty::object(self.resource);
        object["kind"] = self.resource.kind.into();
        object["apiVersion"] = self.resource.api_version().into();
        object["metadata"] = json!({"resourceVersion": self.cursor.to_string()});
        if initial {
            object["metadata"]["annotations"] = json!({INITIAL_END: "true"});
        }
        let line = format!("{}\n", json!({"type": "BOOKMARK", "object": object}));
        self.ready.push_back(line.into());
    }

    fn too_old(&mut self, asked: u64, oldest: u64) {
        let status =
            Failure::expired(format!("too old resource version: {asked} ({oldest})")).to_status();
        self.ready
            .push_back(format!("{}\n", json!({"type": "ERROR", "object": status})).into());
        self.over = true;
    }
}
