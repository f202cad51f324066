//! [`watch`]: list and watch as one stream of [`Sight`]s that never ends; [`objects`]: the same of any kind.
//!
//! It begins with a consistent list. A watch that ends in order goes on from where it was; everything else (refused,
//! broken, forgotten versions, silence, a pause of this process) is [`Sight::Lost`], and then a new list (T2).

#[cfg(test)]
mod tests;

use std::{pin::pin, time::Duration};

use futures::{
    Stream, StreamExt as _,
    future::{Either, select},
    stream::{self, BoxStream},
};
use http::{Request, header::USER_AGENT};
use kube::{Error, api::WatchEvent};
use metaparticle_protocol::{Lease, Moment, Name, Selector, Sight, Version};
use serde_json::Value;

use crate::{
    clock::Clock,
    metrics::{Outcome, Verb},
    object,
    refusal::Refusal,
    store::{AGENT, Store, chain, list_query},
};

/// What is waited for, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The server ends a watch after this long.
    pub(crate) watch: Duration,
    /// For an answer to a list, or to the request for a watch.
    pub(crate) answer: Duration,
    /// Without an event or a bookmark. API servers send a bookmark each minute.
    pub(crate) silence: Duration,
    /// How long this process may stand still without anyone's notice.
    pub(crate) pause: Duration,
    /// Before the first repetition; doubles with each.
    pub(crate) first_retry: Duration,
    /// Before any.
    pub(crate) longest_retry: Duration,
    /// Before asking again what the server said no to: a permission may come.
    pub(crate) refused: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            watch: Duration::from_secs(590),
            answer: Duration::from_secs(5),
            silence: Duration::from_secs(90),
            pause: Duration::from_secs(1),
            first_retry: Duration::from_millis(50),
            longest_retry: Duration::from_secs(2),
            refused: Duration::from_secs(10),
        }
    }
}

/// From time to time the clock is looked at, to notice that this process stood still.
const LOOK: Duration = Duration::from_secs(1);

type Events = BoxStream<'static, Result<WatchEvent<Value>, Error>>;

/// Follows the Leases that `selector` chooses. `Err` comes each time the server says no, and the stream goes on.
///
/// # Cancel safety
/// `next()` is cancel safe. Dropping the stream ends its request.
pub(crate) fn watch(
    store: &Store,
    selector: &Selector,
    clock: Clock,
    patience: Patience,
) -> impl Stream<Item = Result<Sight, Refusal>> + Send + 'static {
    let query = match selector {
        Selector::Name(name) => by_name(name),
        Selector::Labels(labels) => list_query(labels, None),
    };
    // One Lease by its name is followed to be updated, or deleted.
    let keeps = matches!(selector, Selector::Name(_)).then(|| store.clone());
    let seen = objects(
        store,
        "leases",
        store.path().to_owned(),
        query,
        clock,
        patience,
    );
    seen.filter_map(move |seen| {
        let sight = seen.map(|seen| sight(seen, keeps.as_ref())).transpose();
        futures::future::ready(sight)
    })
}

/// The query that chooses one object.
pub(crate) fn by_name(name: &Name) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("fieldSelector", &format!("metadata.name={name}"));
    query.finish()
}

fn sight(seen: Seen, keeps: Option<&Store>) -> Option<Sight> {
    let (object, sight): (Value, fn(Lease) -> Sight) = match seen {
        Seen::Listed(objects, version) => {
            let leases = objects.iter().filter_map(object::read).collect();
            return Some(Sight::Listed(leases, version));
        }
        Seen::Lost => return Some(Sight::Lost),
        Seen::Added(object) => (object, Sight::Added),
        Seen::Modified(object) => (object, Sight::Modified),
        Seen::Deleted(object) => (object, Sight::Deleted),
    };
    let lease = object::read(&object)?;
    let sight = sight(lease.clone());
    if let Some(store) = keeps {
        match sight {
            Sight::Deleted(_) => store.forget(&lease.name),
            _ => store.saw(&lease.name, object),
        }
    }
    Some(sight)
}

/// What a watch tells of objects of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// A consistent list, with which it began anew, and its version.
    Listed(Vec<Value>, Version),
    Added(Value),
    Modified(Value),
    Deleted(Value),
    /// Nothing is seen from now on.
    Lost,
}

/// Follows the objects of `resource` at `path` that `query` chooses. `Err` comes each time the server says no, and the
/// stream goes on.
///
/// # Cancel safety
/// `next()` is cancel safe. Dropping the stream ends its request.
pub(crate) fn objects(
    store: &Store,
    resource: &'static str,
    path: String,
    query: String,
    clock: Clock,
    patience: Patience,
) -> impl Stream<Item = Result<Seen, Refusal>> + Send + 'static {
    let watch = Watch {
        store: store.clone(),
        resource,
        path,
        query,
        clock,
        patience,
        phase: Phase::List,
        failures: 0,
        refusal: None,
        refused: false,
    };
    stream::unfold(watch, async |mut watch| {
        let item = watch.next().await;
        Some((item, watch))
    })
}

struct Watch {
    store: Store,
    resource: &'static str,
    path: String,
    query: String,
    clock: Clock,
    patience: Patience,
    phase: Phase,
    /// Failures without an event in between.
    failures: u32,
    /// To be said next.
    refusal: Option<Refusal>,
    /// Whether the last thing asked was refused.
    refused: bool,
}

enum Phase {
    List,
    Open(Version),
    Read(Reading),
}

struct Reading {
    events: Events,
    version: Version,
    begun: Moment,
    /// When something came last.
    heard: Moment,
}

enum Next {
    Say(Seen),
    Again,
    Lost(&'static str),
}

impl Watch {
    async fn next(&mut self) -> Result<Seen, Refusal> {
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        loop {
            match &mut self.phase {
                Phase::List => {
                    self.back_off().await;
                    let uri = format!("{}?{}", self.path, self.query);
                    let patience = self.patience.answer;
                    let listed = self.store.list(self.resource, &uri, patience).await;
                    self.refused = listed.is_err();
                    if let Some((objects, version)) = listed? {
                        self.phase = Phase::Open(version);
                        return Ok(Seen::Listed(objects, version));
                    }
                    self.failures += 1;
                }
                Phase::Open(version) => {
                    let version = *version;
                    self.back_off().await;
                    match self.open(version).await {
                        Ok(Some(events)) => {
                            let now = self.clock.now();
                            self.phase = Phase::Read(Reading {
                                events,
                                version,
                                begun: now,
                                heard: now,
                            });
                        }
                        Ok(None) => return Ok(self.lost("it cannot be opened")),
                        Err(refusal) => {
                            self.refused = true;
                            self.refusal = Some(refusal);
                            return Ok(self.lost("it is refused"));
                        }
                    }
                }
                Phase::Read(reading) => {
                    let Some(event) = reading.next(self.clock, self.patience).await else {
                        return Ok(self.lost("it is silent, or this process stood still"));
                    };
                    match self.heard(event) {
                        Next::Say(sight) => return Ok(sight),
                        Next::Again => {}
                        Next::Lost(why) => return Ok(self.lost(why)),
                    }
                }
            }
        }
    }

    fn heard(&mut self, event: Option<Result<WatchEvent<Value>, Error>>) -> Next {
        let Phase::Read(reading) = &mut self.phase else {
            return Next::Again;
        };
        let seen = match event {
            Some(Ok(WatchEvent::Added(object))) => Seen::Added(object),
            Some(Ok(WatchEvent::Modified(object))) => Seen::Modified(object),
            Some(Ok(WatchEvent::Deleted(object))) => Seen::Deleted(object),
            Some(Ok(WatchEvent::Bookmark(bookmark))) => {
                self.failures = 0;
                return match bookmark.metadata.resource_version.parse() {
                    // A server that went back would keep its events from us until it has caught up (W3).
                    Ok(version) if version < reading.version.0 => Next::Lost("it went back"),
                    Ok(version) => {
                        reading.version = Version(version);
                        Next::Again
                    }
                    Err(_) => Next::Again,
                };
            }
            // Mostly 410: the version is too old to go on from.
            Some(Ok(WatchEvent::Error(_))) => return Next::Lost("the server ended it"),
            Some(Err(_)) => return Next::Lost("it broke"),
            None => {
                // Ended in order, as the server does from time to time; but not in a tight loop.
                let brief = self.clock.now().since(reading.begun) < Duration::from_secs(1);
                self.failures = if brief { self.failures + 1 } else { 0 };
                self.phase = Phase::Open(reading.version);
                return Next::Again;
            }
        };
        let (Seen::Added(object) | Seen::Modified(object) | Seen::Deleted(object)) = &seen else {
            return Next::Again;
        };
        let Some(version) = object.get("metadata").and_then(object::version) else {
            tracing::warn!(
                resource = self.resource,
                "an object without a version in a watch"
            );
            return Next::Again;
        };
        self.failures = 0;
        reading.version = reading.version.max(version);
        Next::Say(seen)
    }

    fn lost(&mut self, why: &'static str) -> Seen {
        tracing::debug!(rule = "T2", query = self.query, why, "watch lost");
        self.phase = Phase::List;
        self.failures += 1;
        Seen::Lost
    }

    async fn open(&mut self, version: Version) -> Result<Option<Events>, Refusal> {
        let and = if self.query.is_empty() { "" } else { "&" };
        let uri = format!(
            "{}?{}{and}watch=true&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={version}",
            self.path,
            self.query,
            self.patience.watch.as_secs(),
        );
        let request = Request::get(uri)
            .header(USER_AGENT, AGENT)
            .body(Vec::new())
            .expect("a path, a query and numbers make a request");
        let client = self.store.client().clone();
        let opened = tokio::time::timeout(
            self.patience.answer,
            client.request_events::<Value>(request),
        );
        let (outcome, trouble, result) = match opened.await {
            Ok(Ok(events)) => {
                let events = events.boxed();
                (Outcome::Done, None, Ok(Some(events)))
            }
            Ok(Err(Error::Api(status))) if (400..=409).contains(&status.code) => {
                let body = serde_json::to_value(&status).unwrap_or_default();
                let namespace = self.store.namespace();
                let refusal =
                    Refusal::new(Verb::Watch, self.resource, namespace, status.code, &body);
                (Outcome::Refused, Some(refusal.to_string()), Err(refusal))
            }
            Ok(Err(error)) => (Outcome::Unknown, Some(chain(&error)), Ok(None)),
            Err(_) => (
                Outcome::Unknown,
                Some("no answer to a watch in time".to_owned()),
                Ok(None),
            ),
        };
        self.store
            .note(Verb::Watch, outcome, trouble.map(Into::into));
        result
    }

    async fn back_off(&mut self) {
        if self.refused {
            tokio::time::sleep(self.patience.refused).await;
            return;
        }
        let Some(doublings) = self.failures.checked_sub(1) else {
            return;
        };
        let wait = self.patience.first_retry * (1 << doublings.min(10));
        // Some of it by chance, so that not all of a Deployment come back at once.
        let wait = wait
            .min(self.patience.longest_retry)
            .mul_f64(crate::random::share(0.5, 1.0));
        tokio::time::sleep(wait).await;
    }
}

impl Reading {
    /// What comes next; `None` if it cannot be relied on any more.
    async fn next(
        &mut self,
        clock: Clock,
        patience: Patience,
    ) -> Option<Option<Result<WatchEvent<Value>, Error>>> {
        loop {
            let before = clock.now();
            let look = pin!(tokio::time::sleep(LOOK));
            let next = match select(self.events.next(), look).await {
                Either::Left((event, _)) => Some(event),
                Either::Right(_) => None,
            };
            let now = clock.now();
            if now.since(before) > LOOK + patience.pause {
                return None;
            }
            if let Some(event) = next {
                self.heard = now;
                return Some(event);
            }
            if now.since(self.heard) > patience.silence {
                return None;
            }
        }
    }
}
