//! [`History`]: what happened to the objects of one kind, from the last compaction on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{Key, Object};

/// How many events of a kind are kept. The real server keeps about five minutes of them.
const KEPT: usize = 4096;

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

/// One change.
#[derive(Debug)]
pub(crate) struct Event {
    /// The revision that it made.
    pub(crate) revision: u64,
    /// What happened.
    pub(crate) kind: EventKind,
    /// To which object.
    pub(crate) key: Key,
    /// The object afterwards; a deleted one as it was, at the deletion's revision.
    pub(crate) object: Arc<Object>,
    /// The object before.
    pub(crate) previous: Option<Arc<Object>>,
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
    /// Everything up to here may be forgotten.
    compacted: u64,
}

impl History {
    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() == KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.compacted = oldest.revision;
        }
        self.events.push_back(Arc::new(event));
    }

    pub(crate) fn after(&self, revision: u64, most: usize) -> Result<Vec<Arc<Event>>, Compacted> {
        self.check(revision)?;
        let start = self
            .events
            .partition_point(|event| event.revision <= revision);
        Ok(self.events.range(start..).take(most).cloned().collect())
    }

    /// Takes the objects back to `revision`.
    pub(crate) fn undo(
        &self,
        objects: &mut BTreeMap<Key, Arc<Object>>,
        revision: u64,
    ) -> Result<(), Compacted> {
        self.check(revision)?;
        for event in self
            .events
            .iter()
            .rev()
            .take_while(|event| event.revision > revision)
        {
            match &event.previous {
                Some(previous) => objects.insert(event.key.clone(), Arc::clone(previous)),
                None => objects.remove(&event.key),
            };
        }
        Ok(())
    }

    pub(crate) fn compact(&mut self, revision: u64) {
        self.events.clear();
        self.compacted = revision;
    }

    fn check(&self, revision: u64) -> Result<(), Compacted> {
        if revision < self.compacted {
            return Err(Compacted {
                asked: revision,
                oldest: self.compacted,
            });
        }
        Ok(())
    }
}
