//! Watches: the events of a kind from a revision on, as a stream of JSON lines.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

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
        store::{Compacted, Event, EventKind, Object, Told},
        table,
    },
    Body, Call,
    answer::{self, Form},
    empty, list,
    selector::Selection,
};

/// How often a quiet watch is told where it stands.
const BOOKMARK: Duration = Duration::from_secs(60);
/// How long before its end a watch is told where it stands, as the real server does.
const FAREWELL: Duration = Duration::from_secs(2);
/// Events that are read at a time.
const BATCH: usize = 16;
/// Annotation of the bookmark after the initial events (KEP-3157).
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// What is to be told. It becomes text when the client takes it.
#[derive(Debug)]
enum Ready {
    Object(Arc<Object>),
    Event(Arc<Event>, Told),
    Bookmark { initial: bool },
    Error(Failure),
}

/// One open watch.
struct Watcher {
    api: Api,
    resource: &'static Resource,
    namespace: Option<String>,
    selection: Selection,
    form: Form,
    columns_sent: bool,
    /// Everything up to here is sent.
    cursor: u64,
    ready: VecDeque<Ready>,
    news: watch::Receiver<u64>,
    dropped: watch::Receiver<u64>,
    bookmarks: Option<Instant>,
    ends: Option<Instant>,
    /// Nothing comes behind what is ready.
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
        let ends = timeout
            .filter(|it| *it > 0)
            .and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
        let mut watcher = Watcher {
            api: self.api.clone(),
            resource,
            namespace: self.target.namespace.clone(),
            selection,
            form: self.form,
            columns_sent: false,
            cursor: 0,
            ready: VecDeque::new(),
            news: self.api.store.news(resource),
            dropped: self.api.faults.dropped(),
            bookmarks: bookmarks.then(|| {
                let farewell = ends.and_then(|ends| ends.checked_sub(FAREWELL));
                farewell.map_or(now + BOOKMARK, |it| it.max(now).min(now + BOOKMARK))
            }),
            ends,
            over: false,
        };
        watcher.begin(from, initial);
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
    fn begin(&mut self, from: Option<u64>, initial: Option<bool>) {
        if let Some(from) = from.filter(|from| *from > 0 && initial != Some(true)) {
            return self.resume(from);
        }
        let store = Arc::clone(&self.api.store);
        let (now, objects) = store.with(|state| {
            let all = state.list(self.resource, self.namespace.as_deref());
            let all = all.filter(|_| initial != Some(false));
            (state.revision(), all.cloned().collect::<Vec<_>>())
        });
        self.cursor = now;
        if let Some(asked) = from.filter(|from| *from > now) {
            self.fail(list::too_large(asked, now));
            return;
        }
        let objects = objects.into_iter();
        let selected = objects.filter(|object| self.selection.contains(object.value()));
        self.ready.extend(selected.map(Ready::Object));
        if initial == Some(true) && self.bookmarks.is_some() {
            self.ready.push_back(Ready::Bookmark { initial: true });
        }
    }

    /// Goes on behind a revision, which may be one to come.
    fn resume(&mut self, from: u64) {
        self.cursor = from;
        let store = Arc::clone(&self.api.store);
        let known = store.with(|state| {
            state.check(from)?;
            state.events(self.resource, from, 0).map(drop)
        });
        if let Err(compacted) = known {
            self.too_old(compacted);
        }
    }

    /// The next text, or the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let is_dropped = self.dropped.has_changed().unwrap_or(true);
            if is_dropped || self.ends.is_some_and(|ends| ends <= Instant::now()) {
                return None;
            }
            if let Some(ready) = self.ready.pop_front() {
                return Some(self.text(&ready));
            }
            if self.over {
                return None;
            }
            if self.read() {
                continue;
            }
            let now = Instant::now();
            if self.bookmarks.is_some_and(|at| at <= now) {
                self.bookmarks = Some(now + BOOKMARK);
                self.ready.push_back(Ready::Bookmark { initial: false });
                continue;
            }
            self.wait().await;
        }
    }

    /// Reads new events. Whether there were any.
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
                self.too_old(compacted);
                return true;
            }
        };
        let Some(last) = events.last() else {
            self.cursor = self.cursor.max(now);
            return false;
        };
        self.cursor = last.revision;
        for event in events {
            if let Some(told) = self.told(&event) {
                self.ready.push_back(Ready::Event(event, told));
            }
        }
        true
    }

    /// Waits for something to do.
    async fn wait(&mut self) {
        let far = Instant::now() + Duration::from_secs(86_400);
        let until = [self.bookmarks, self.ends].into_iter().flatten().min();
        // What this one has seen, `next` has not.
        let mut dropped = self.dropped.clone();
        tokio::select! {
            biased;
            changed = dropped.changed() => { let _ = changed; }
            changed = self.news.changed() => { let _ = changed; }
            () = tokio::time::sleep_until(until.unwrap_or(far)) => {}
        }
    }

    /// An event as the selection sees it: objects enter and leave it.
    fn told(&self, event: &Event) -> Option<Told> {
        if self
            .namespace
            .as_ref()
            .is_some_and(|namespace| *namespace != event.key.0)
        {
            return None;
        }
        let selects = |object: Option<&Arc<Object>>| {
            object.is_some_and(|it| self.selection.contains(it.value()))
        };
        let before = selects(event.previous.as_ref());
        let after = event.kind != EventKind::Deleted && selects(Some(&event.object));
        match (before, after) {
            (false, true) => Some(Told::Added),
            (true, true) => Some(Told::Modified),
            (true, false) if event.kind == EventKind::Deleted => Some(Told::Deleted),
            (true, false) => Some(Told::Left),
            (false, false) => None,
        }
    }

    fn text(&mut self, ready: &Ready) -> Bytes {
        let (kind, object) = match (ready, self.form) {
            (Ready::Object(object), Form::Object) => return object.line(Told::Added),
            (Ready::Event(event, told), Form::Object) => return event.line(*told),
            (Ready::Object(object), _) => (Told::Added.name(), self.shown(object.value())),
            (Ready::Event(event, told), _) => {
                (told.name(), self.shown(event.object(*told).value()))
            }
            (Ready::Bookmark { initial }, _) => {
                let bookmark = self.bookmark(*initial);
                let mut shown = self.shown(&bookmark);
                // It has no name, and a row says so.
                if let Some(name) = shown.pointer_mut("/rows/0/cells/0") {
                    *name = "".into();
                }
                ("BOOKMARK", shown)
            }
            (Ready::Error(failure), _) => ("ERROR", failure.to_status()),
        };
        format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into()
    }

    /// An object in the form that is asked for.
    fn shown(&mut self, object: &Value) -> Value {
        match self.form {
            Form::Object => object.clone(),
            Form::Metadata => answer::metadata(object, true),
            Form::Table(include) => {
                let columns = (!std::mem::replace(&mut self.columns_sent, true))
                    .then(|| table::columns(self.resource));
                let now = self.api.clock.now();
                let row = answer::row(self.resource, object, include, now);
                let version = &object["metadata"]["resourceVersion"];
                answer::table_of(&json!({"resourceVersion": version}), columns, &[row])
            }
        }
    }

    fn bookmark(&self, initial: bool) -> Value {
        let mut object = empty::object(self.resource);
        object["kind"] = self.resource.kind.into();
        object["apiVersion"] = self.resource.api_version().into();
        object["metadata"] = json!({"resourceVersion": self.cursor.to_string()});
        if initial {
            object["metadata"]["annotations"] = json!({INITIAL_END: "true"});
        }
        object
    }

    fn too_old(&mut self, Compacted { asked, oldest }: Compacted) {
        self.fail(Failure::expired(format!(
            "too old resource version: {asked} ({oldest})"
        )));
    }

    /// Ends with an error.
    fn fail(&mut self, failure: Failure) {
        self.ready.push_back(Ready::Error(failure));
        self.over = true;
    }
}
