//! What was, and what watches tell of it: past states until they are compacted, events by selection, snapshots.

use std::collections::{BTreeMap, VecDeque};

use metaparticle_protocol::{Lease, Name, Sight, Version, api::Selector};

use super::{Object, Store};

/// Whether that Lease is shown.
#[must_use]
pub(super) fn takes(selector: &Selector, lease: &Lease) -> bool {
    match selector {
        Selector::Name(name) => *name == lease.name,
        Selector::Labels(labels) => labels
            .iter()
            .all(|(key, value)| lease.labels.get(key) == Some(value)),
    }
}

/// A backup, to be restored.
#[derive(Clone, Debug)]
pub struct Snapshot(Store);

/// All writes since the last compaction, and the state at that one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct History {
    compacted: Version,
    base: BTreeMap<Name, Object>,
    log: VecDeque<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    version: Version,
    before: Option<Object>,
    after: Option<Object>,
}

impl History {
    pub(super) const fn new(version: Version) -> Self {
        Self {
            compacted: version,
            base: BTreeMap::new(),
            log: VecDeque::new(),
        }
    }

    pub(super) fn record(
        &mut self,
        version: Version,
        before: Option<Object>,
        after: Option<Object>,
    ) {
        self.log.push_back(Entry {
            version,
            before,
            after,
        });
    }

    /// What was at that version; `None` if it is compacted.
    pub(super) fn list(&self, selector: &Selector, version: Version) -> Option<Vec<Lease>> {
        if version < self.compacted {
            return None;
        }
        let mut objects = self.base.clone();
        for entry in self.log.iter().take_while(|entry| entry.version <= version) {
            apply(&mut objects, entry);
        }
        let leases = objects.into_values().map(|object| object.lease);
        Some(leases.filter(|lease| takes(selector, lease)).collect())
    }
}

impl Store {
    /// What a watch tells that has told everything up to `after`: the next event and its version. `Err` is 410: what
    /// came next is compacted.
    ///
    /// # Errors
    /// If the history does not reach back so far.
    pub fn next_event(
        &self,
        selector: &Selector,
        after: Version,
    ) -> Result<Option<(Sight, Version)>, Compacted> {
        if after < self.history.compacted {
            return Err(Compacted);
        }
        let first = self
            .history
            .log
            .partition_point(|entry| entry.version <= after);
        let mut later = self.history.log.iter().skip(first);
        Ok(later.find_map(|entry| Some((shown(entry, selector)?, entry.version))))
    }

    /// Forgets what was before that version.
    ///
    /// # Panics
    /// Never: what is taken is there.
    pub fn compact(&mut self, version: Version) {
        let history = &mut self.history;
        while history
            .log
            .front()
            .is_some_and(|entry| entry.version <= version)
        {
            let entry = history.log.pop_front().expect("there is a front");
            apply(&mut history.base, &entry);
        }
        history.compacted = history.compacted.max(version.min(self.version));
    }

    /// A backup.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.clone())
    }

    /// Restores a backup, without `--bump-revision`: versions begin again where they were. Uids are not used again.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let uids = self.uids;
        *self = snapshot.0.clone();
        self.uids = uids;
        self.compact(self.version);
    }
}

/// 410: the history does not reach back so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted;

fn apply(objects: &mut BTreeMap<Name, Object>, entry: &Entry) {
    match (&entry.before, &entry.after) {
        (_, Some(object)) => {
            objects.insert(object.lease.name.clone(), object.clone());
        }
        (Some(object), None) => {
            objects.remove(&object.lease.name);
        }
        (None, None) => {}
    }
}

/// As a selection sees it: what comes into it is ADDED, what leaves it DELETED.
fn shown(entry: &Entry, selector: &Selector) -> Option<Sight> {
    let taken = |object: &Option<Object>| {
        let object = object.as_ref()?;
        takes(selector, &object.lease).then(|| object.lease.clone())
    };
    match (taken(&entry.before), taken(&entry.after)) {
        (None, None) => None,
        (None, Some(after)) => Some(Sight::Added(after)),
        (Some(_), Some(after)) => Some(Sight::Modified(after)),
        (Some(mut before), None) => {
            before.version = entry.version;
            Some(Sight::Deleted(before))
        }
    }
}
