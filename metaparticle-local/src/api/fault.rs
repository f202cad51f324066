//! [`Faults`]: what a test makes the API server do wrong, and the log of what clients asked for.
//!
//! Faults hit clients only, never the cluster's own controllers. Everything random comes from the cluster's seed.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::failure::Failure;
use crate::random::Random;

/// Requests that are kept in the log.
const LOGGED: usize = 10_000;

/// Which requests a fault hits. By default all of every client.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Requests {
    client: Option<String>,
    verb: Option<String>,
    resource: Option<String>,
    name: Option<String>,
    /// Of a thousand.
    share: Option<u16>,
}

impl Requests {
    /// All of every client.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of one client, by the name that `Cluster::client_named` was given.
    pub fn client(self, name: impl Into<String>) -> Self {
        Self {
            client: Some(name.into()),
            ..self
        }
    }

    /// Only those with one verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub fn verb(self, verb: impl Into<String>) -> Self {
        Self {
            verb: Some(verb.into()),
            ..self
        }
    }

    /// Only those for one resource, by its plural: `leases`.
    pub fn resource(self, plural: impl Into<String>) -> Self {
        Self {
            resource: Some(plural.into()),
            ..self
        }
    }

    /// Only those for objects of this name.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..self
        }
    }

    /// Only some, chosen by the cluster's seed: `per_mille` of 1,000.
    pub fn share(self, per_mille: u16) -> Self {
        Self {
            share: Some(per_mille),
            ..self
        }
    }

    fn contains(&self, request: &Asked, random: &Random) -> bool {
        let is = |wanted: &Option<String>, given: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == given)
        };
        is(&self.client, &request.client)
            && is(&self.verb, request.verb)
            && is(&self.resource, &request.resource)
            && is(&self.name, &request.name)
            && self
                .share
                .is_none_or(|share| random.below(1000) < u64::from(share))
    }
}

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who sent it.
    pub client: String,
    /// `get`, `list`, `watch`, …
    pub verb: &'static str,
    /// The plural of the resource; empty if it is for none.
    pub resource: String,
    /// The object's name; empty if it is for none.
    pub name: String,
    /// Path and query, the first 1,024 bytes.
    pub path: String,
    /// Since the start of the cluster.
    pub at: Duration,
    /// Status code of the answer; 0 if there is none yet, or never will be: the request hung, its answer or the request
    /// itself was lost.
    pub status: u16,
}

/// What to do with a request instead of answering it well.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// Answer this; do nothing.
    Refuse(Failure, Option<Duration>),
    /// Never answer; do nothing.
    Hang,
    /// Do it, but never answer.
    LoseAnswer,
}

#[derive(Debug)]
struct Rule {
    requests: Requests,
    times: usize,
    effect: Effect,
}

/// The faults of one cluster.
#[derive(Debug)]
pub struct Faults {
    state: Mutex<State>,
    random: Random,
    /// Counts the calls of `drop_watches`.
    dropped: watch::Sender<u64>,
    partitions: watch::Sender<Partitions>,
}

/// By client.
type Partitions = BTreeMap<String, Partition>;

/// What happened to the network of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Partition {
    /// How often it was partitioned.
    times: u64,
    /// Whether it is now.
    now: bool,
}

/// What connects one request, or one stream of answers, with its client.
#[derive(Debug)]
pub(super) struct Link {
    client: String,
    partitions: watch::Receiver<Partitions>,
    /// How often its client had been partitioned when it began.
    times: u64,
}

impl Link {
    fn partition(&self) -> Partition {
        let partitions = self.partitions.borrow();
        partitions.get(&self.client).copied().unwrap_or_default()
    }

    /// Whether nothing comes through: a partition is on, or there was one since.
    pub(super) fn is_cut(&self) -> bool {
        let partition = self.partition();
        partition.now || partition.times != self.times
    }

    /// Waits until it is cut.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn cut(&mut self) {
        while !self.is_cut() {
            if self.partitions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Waits until there is no partition: then its client notices that the connection is gone.
    pub(super) async fn healed(&mut self) {
        while self.partition().now {
            if self.partitions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    latency: Option<Range<Duration>>,
    log: VecDeque<Asked>,
    /// How many were pushed out of the log.
    forgotten: usize,
}

impl Faults {
    pub(super) fn new(seed: Option<u64>) -> Self {
        Self {
            state: Mutex::default(),
            // Another sequence than the uids', so that a fault does not change names.
            random: Random::new(seed.map(|seed| !seed)),
            dropped: watch::Sender::new(0),
            partitions: watch::Sender::default(),
        }
    }

    /// Every request is held for a time within `range` before it is looked at. An empty range ends that.
    pub fn latency(&self, range: Range<Duration>) {
        self.lock().latency = Some(range).filter(|range| !range.is_empty());
    }

    /// The next `times` of these requests are answered with 409 `Conflict`.
    pub fn conflict(&self, requests: Requests, times: usize) {
        let message = "Operation cannot be fulfilled: the object has been modified; please apply your changes to the \
                       latest version and try again";
        self.refuse(
            requests,
            times,
            Failure::new(409, "Conflict", message),
            None,
        );
    }

    /// The next `times` of these requests are answered with 429 and `Retry-After`, in whole seconds.
    pub fn too_many_requests(&self, requests: Requests, times: usize, retry_after: Duration) {
        let message = "too many requests, please try again later";
        let failure = Failure::new(429, "TooManyRequests", message)
            .with_details(serde_json::json!({"retryAfterSeconds": retry_after.as_secs()}));
        self.refuse(requests, times, failure, Some(retry_after));
    }

    /// The next `times` of these requests are answered with `code`, which is 500 to 599.
    pub fn server_error(&self, requests: Requests, times: usize, code: u16) {
        let reason = match code {
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        };
        self.refuse(
            requests,
            times,
            Failure::new(code, reason, "an error that the test asked for"),
            None,
        );
    }

    /// The next `times` of these requests are neither done nor answered.
    pub fn hang(&self, requests: Requests, times: usize) {
        self.add(requests, times, Effect::Hang);
    }

    /// The next `times` of these requests are done but not answered: the client cannot know.
    pub fn lose_answer(&self, requests: Requests, times: usize) {
        self.add(requests, times, Effect::LoseAnswer);
    }

    /// Every watch that is open now ends.
    pub fn drop_watches(&self) {
        self.dropped.send_modify(|count| *count += 1);
    }

    /// From now on nothing of this client arrives, and nothing reaches it, until [`Faults::heal`]. What it sends
    /// meanwhile is lost, and fails when it is healed; its watches and logs are silent, and end then.
    pub fn partition(&self, client: impl Into<String>) {
        self.partitions.send_modify(|partitions| {
            let partition = partitions.entry(client.into()).or_default();
            partition.times += u64::from(!partition.now);
            partition.now = true;
        });
    }

    /// Ends the partition of a client.
    pub fn heal(&self, client: &str) {
        self.partitions.send_modify(|partitions| {
            if let Some(partition) = partitions.get_mut(client) {
                partition.now = false;
            }
        });
    }

    /// Ends all faults; partitions, too.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.latency = None;
        drop(state);
        self.partitions.send_modify(|partitions| {
            for partition in partitions.values_mut() {
                partition.now = false;
            }
        });
    }

    /// The requests of all clients so far, in the order of their arrival; the last 10,000.
    #[must_use]
    pub fn log(&self) -> Vec<Asked> {
        self.lock().log.iter().cloned().collect()
    }

    fn refuse(
        &self,
        requests: Requests,
        times: usize,
        failure: Failure,
        retry_after: Option<Duration>,
    ) {
        self.add(requests, times, Effect::Refuse(failure, retry_after));
    }

    fn add(&self, requests: Requests, times: usize, effect: Effect) {
        if times > 0 {
            self.lock().rules.push(Rule {
                requests,
                times,
                effect,
            });
        }
    }

    /// Notes a request; the number is for [`Faults::answered`].
    pub(super) fn asked(&self, request: Asked) -> usize {
        let mut state = self.lock();
        if state.log.len() == LOGGED {
            state.log.pop_front();
            state.forgotten += 1;
        }
        state.log.push_back(request);
        state.forgotten + state.log.len() - 1
    }

    /// Notes the answer of a request.
    pub(super) fn answered(&self, number: usize, status: u16) {
        let mut state = self.lock();
        let forgotten = state.forgotten;
        if let Some(asked) = number
            .checked_sub(forgotten)
            .and_then(|index| state.log.get_mut(index))
        {
            asked.status = status;
        }
    }

    /// What happens to this request.
    pub(super) fn effect(&self, request: &Asked) -> Option<Effect> {
        let mut state = self.lock();
        let index = state
            .rules
            .iter()
            .position(|rule| rule.requests.contains(request, &self.random))?;
        let rule = &mut state.rules[index];
        let effect = rule.effect.clone();
        rule.times = rule.times.saturating_sub(1);
        if rule.times == 0 {
            state.rules.remove(index);
        }
        Some(effect)
    }

    /// How long the next request is held.
    pub(super) fn delay(&self) -> Option<Duration> {
        let range = self.lock().latency.clone()?;
        let width =
            u64::try_from(range.end.saturating_sub(range.start).as_micros()).unwrap_or(u64::MAX);
        Some(range.start + Duration::from_micros(self.random.below(width.max(1))))
    }

    /// Ends when the watches that are open now are dropped.
    pub(super) fn dropped(&self) -> watch::Receiver<u64> {
        let mut receiver = self.dropped.subscribe();
        receiver.mark_unchanged();
        receiver
    }

    /// The way to a client, as it is now.
    pub(super) fn link(&self, client: &str) -> Link {
        let mut link = Link {
            client: client.to_owned(),
            partitions: self.partitions.subscribe(),
            times: 0,
        };
        link.times = link.partition().times;
        link
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
