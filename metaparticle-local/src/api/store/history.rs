//! [`History`]: what happened to the objects of one kind, as far back as it is kept.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;

use super::{Key, Object};

/// How many events of a kind are kept at most.
const KEPT: usize = 4096;
/// How many are kept however large their objects are: who listens has to get them.
const KEPT_ANYHOW: usize = 8;
/// Bytes of objects that only the events of a kind keep, about.
const BYTES: usize = 4 << 20;
/// How long events are kept. The real server does about the same.
const AGE: Duration = Duration::from_secs(300);
/// How many of the newest events keep their text: who listens is hardly ever further behind.
const WITH_TEXT: usize = 64;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// The object is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// What a watch is told of an event, by what it selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The object is new, or new to who watches.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It changed, and is not selected any more: as it was before, at the revision of the change.
    Left,
}

/// One change.
#[derive(Debug)]
pub(crate) struct Event {
    /// The revision that it made.
    pub(crate) revision: u64,
    /// When, since the start of the cluster.
    pub(crate) at: Duration,
    /// What happened.
    pub(crate) kind: EventKind,
    /// To which object.
    pub(crate) key: Key,
    /// The object afterwards; a deleted one as it was, at the deletion's revision.
    pub(crate) object: Arc<Object>,
    /// The object before.
    pub(crate) previous: Option<Arc<Object>>,
    /// By what is told: the line of a watch. Who watches the same shares it.
    pub(crate) lines: Mutex<[Option<Bytes>; 4]>,
}

impl Told {
    /// `type` of the line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted | Self::Left => "DELETED",
        }
    }
}

impl Event {
    /// The object to tell.
    pub(crate) fn object(&self, told: Told) -> Arc<Object> {
        match (&self.previous, told) {
            (Some(previous), Told::Left) => Arc::new(previous.at(self.revision)),
            _ => Arc::clone(&self.object),
        }
    }

    /// The line of a watch of whole objects.
    pub(crate) fn line(&self, told: Told) -> Bytes {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = &mut lines[told as usize];
        line.get_or_insert_with(|| self.object(told).line(told))
            .clone()
    }

    fn forget_lines(&self) {
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = Default::default();
    }

    /// Bytes that would be free without this event, about.
    fn weight(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |it| it.weight());
        let shared = self.kind != EventKind::Deleted;
        256 + previous + if shared { 0 } else { self.object.weight() }
    }
}

/// Events that are asked for were forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// What was asked for.
    pub(crate) asked: u64,
    /// The oldest revision that is known.
    pub(crate) oldest: u64,
}

/// The events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// The newest event that was forgotten.
    forgotten: u64,
}

impl History {
    pub(crate) fn push(&mut self, event: Event) {
        if let Some(previous) = &event.previous {
            previous.forget_text();
        }
        self.bytes += event.weight();
        self.events.push_back(Arc::new(event));
        while self.events.len() > KEPT || (self.bytes > BYTES && self.events.len() > KEPT_ANYHOW) {
            self.pop();
        }
        let old = self.events.len().checked_sub(WITH_TEXT + 1);
        if let Some(old) = old.and_then(|old| self.events.get(old)) {
            old.forget_lines();
        }
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now: Duration) {
        while self.events.front().is_some_and(|it| it.at + AGE < now) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.events.pop_front() {
            self.bytes -= oldest.weight();
            self.forgotten = oldest.revision;
        }
    }

    pub(crate) fn after(&self, revision: u64, most: usize) -> Result<Vec<Arc<Event>>, Compacted> {
        self.check(revision)?;
        let start = self
            .events
            .partition_point(|event| event.revision <= revision);
        Ok(self.events.range(start..).take(most).cloned().collect())
    }

    /// The objects that were different at `revision`, as they were then.
    pub(crate) fn undone(
        &self,
        revision: u64,
    ) -> Result<BTreeMap<&Key, Option<&Arc<Object>>>, Compacted> {
        self.check(revision)?;
        let after = self.events.iter().rev();
        Ok(after
            .take_while(|event| event.revision > revision)
            .map(|event| (&event.key, event.previous.as_ref()))
            .collect())
    }

    pub(crate) fn compact(&mut self) {
        while !self.events.is_empty() {
            self.pop();
        }
    }

    fn check(&self, revision: u64) -> Result<(), Compacted> {
        if revision < self.forgotten {
            return Err(Compacted {
                asked: revision,
                oldest: self.forgotten,
            });
        }
        Ok(())
    }
}
