//! The store: objects under one increasing revision, and the events since the last compaction, as etcd keeps them.
//!
//! All of it lives behind one lock, which is held for one decision at a time and never across an await.

mod history;
mod object;

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, watch};

pub(crate) use history::{Compacted, Event, EventKind, Told};
pub(crate) use object::{Object, text};

use super::{
    allocation::Taken,
    changes::Change,
    event,
    resource::{self, Resource},
};
use crate::clock::Clock;
use history::History;

/// Name of an object among those of its kind: namespace (empty for cluster-wide kinds) and name.
pub(crate) type Key = (String, String);

/// How often what is too old is looked for.
const TIDIED: Duration = Duration::from_secs(1);

/// Every object, and who waits for changes.
#[derive(Debug)]
pub(crate) struct Store {
    clock: Clock,
    state: Mutex<State>,
    /// By the index of the resource: the revision of its newest event.
    news: Vec<watch::Sender<u64>>,
}

#[derive(Debug)]
pub(crate) struct State {
    revision: u64,
    /// Older revisions are too old for whoever asks for them now.
    compacted: u64,
    kinds: Vec<Kind>,
    /// Kinds that changed since the lock was taken.
    changed: Vec<usize>,
    /// By Services.
    taken: Taken,
    /// Since the start of the cluster, when the lock was taken.
    now: Duration,
    tidied: Duration,
    /// The Events that there are.
    pub(crate) told: event::Index,
}

#[derive(Debug, Default)]
struct Kind {
    /// By namespace and name.
    objects: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
    history: History,
    /// Those inside who must hear of every change.
    subscribers: Vec<mpsc::UnboundedSender<Change>>,
}

impl Store {
    /// An empty store at revision 1.
    pub(crate) fn new(clock: Clock) -> Self {
        let kinds = resource::ALL.len();
        Self {
            clock,
            state: Mutex::new(State {
                revision: 1,
                compacted: 0,
                kinds: std::iter::repeat_with(Kind::default).take(kinds).collect(),
                changed: Vec::new(),
                taken: Taken::default(),
                now: Duration::ZERO,
                tidied: Duration::ZERO,
                told: event::Index::default(),
            }),
            news: (0..kinds).map(|_| watch::Sender::new(1)).collect(),
        }
    }

    /// Runs one decision on the state, alone. Those who wait for changes are told afterwards.
    pub(crate) fn with<T>(&self, decide: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        state.now = self.clock.elapsed();
        state.tidy();
        let result = decide(&mut state);
        let revision = state.revision;
        let mut changed = std::mem::take(&mut state.changed);
        drop(state);
        changed.sort_unstable();
        changed.dedup();
        for kind in changed {
            self.news[kind].send_replace(revision);
        }
        result
    }

    /// Tells when there are new events of a kind.
    pub(crate) fn news(&self, resource: &'static Resource) -> watch::Receiver<u64> {
        self.news[resource.index()].subscribe()
    }

    /// A panic in a decision cannot have left a half-written state: writes are single calls at its end.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The newest revision.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// One object.
    pub(crate) fn get(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<&Arc<Object>> {
        let kind = &self.kinds[resource.index()];
        kind.objects.get(namespace)?.get(name)
    }

    /// All objects of a kind, in one namespace or in all, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        resource: &'static Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let after = self.after(resource, namespace, None);
        after.map(|(_, object)| object)
    }

    /// The objects of a kind behind a key, with their keys.
    fn after<'a>(
        &'a self,
        resource: &'static Resource,
        namespace: Option<&'a str>,
        after: Option<&'a Key>,
    ) -> impl Iterator<Item = ((&'a str, &'a str), &'a Arc<Object>)> {
        let from = match (namespace, after) {
            (Some(namespace), _) => namespace,
            (None, Some(after)) => &after.0,
            (None, None) => "",
        };
        let from = (Bound::Included(from), Bound::Unbounded);
        let namespaces = self.kinds[resource.index()].objects.range::<str, _>(from);
        namespaces
            .take_while(move |(name, _)| namespace.is_none_or(|it| it == *name))
            .flat_map(move |(namespace, objects)| {
                let from = after.filter(|after| after.0 == *namespace);
                let from = from.map_or(Bound::Unbounded, |after| Bound::Excluded(&*after.1));
                let objects = objects.range::<str, _>((from, Bound::Unbounded));
                objects.map(move |(name, object)| ((&**namespace, &**name), object))
            })
            .filter(move |(key, _)| after.is_none_or(|after| *key > (&*after.0, &*after.1)))
    }

    /// How many objects of a kind there are in a namespace.
    pub(crate) fn count(&self, resource: &'static Resource, namespace: &str) -> usize {
        let objects = self.kinds[resource.index()].objects.get(namespace);
        objects.map_or(0, BTreeMap::len)
    }

    /// A page of the objects of a kind behind a key, as they are or as they were at a revision: the first `most`, and
    /// how many more there are.
    ///
    /// # Errors
    /// [`Compacted`] if that is not known any more.
    pub(crate) fn page(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        after: Option<&Key>,
        revision: Option<u64>,
        most: usize,
    ) -> Result<(Vec<Arc<Object>>, usize), Compacted> {
        let undone = match revision {
            Some(revision) => {
                self.check(revision)?;
                self.kinds[resource.index()].history.undone(revision)?
            }
            None => BTreeMap::new(),
        };
        let mut now = self.after(resource, namespace, after);
        if undone.is_empty() {
            let page = now.by_ref().take(most).map(|(_, it)| Arc::clone(it));
            return Ok((page.collect(), now.count()));
        }
        let undone: BTreeMap<(&str, &str), _> = undone
            .into_iter()
            .map(|(key, object)| ((&*key.0, &*key.1), object))
            .filter(|(key, _)| namespace.is_none_or(|it| it == key.0))
            .filter(|(key, _)| after.is_none_or(|after| *key > (&*after.0, &*after.1)))
            .collect();
        let same = now.filter(|(key, _)| !undone.contains_key(key));
        let others = undone
            .iter()
            .filter_map(|(key, object)| Some((*key, (*object)?)));
        let mut all: Vec<_> = same.chain(others).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        let rest = all.len().saturating_sub(most);
        let page = all.into_iter().take(most).map(|(_, it)| Arc::clone(it));
        Ok((page.collect(), rest))
    }

    /// Whether somebody may ask for `revision`.
    ///
    /// # Errors
    /// [`Compacted`] if it was compacted.
    pub(crate) fn check(&self, revision: u64) -> Result<(), Compacted> {
        if revision < self.compacted {
            return Err(Compacted {
                asked: revision,
                oldest: self.compacted,
            });
        }
        Ok(())
    }

    /// Events of a kind after `revision`, oldest first, at most `most`.
    ///
    /// # Errors
    /// [`Compacted`] if some of them are not known any more.
    pub(crate) fn events(
        &self,
        resource: &'static Resource,
        revision: u64,
        most: usize,
    ) -> Result<Vec<Arc<Event>>, Compacted> {
        self.kinds[resource.index()].history.after(revision, most)
    }

    /// Stores `value` under a new revision, which is written into it.
    pub(crate) fn put(
        &mut self,
        resource: &'static Resource,
        key: Key,
        value: serde_json::Value,
    ) -> Arc<Object> {
        self.revision += 1;
        let object = Arc::new(Object::new(resource, value, self.revision));
        let kind = &mut self.kinds[resource.index()];
        let objects = kind.objects.entry(key.0.clone()).or_default();
        let previous = objects.insert(key.1.clone(), Arc::clone(&object));
        let event = match &previous {
            None => EventKind::Added,
            Some(_) => EventKind::Modified,
        };
        let namespace = (resource.index() == resource::EVENT.index()).then(|| key.0.clone());
        self.record(resource, event, key, Arc::clone(&object), previous);
        if let Some(namespace) = namespace
            && self.count(resource, &namespace) > event::MOST
            && let Some(oldest) = self.told.oldest(&namespace)
        {
            self.remove(resource, &oldest);
        }
        object
    }

    /// Removes an object; what is returned is its last state at the revision of the removal.
    pub(crate) fn remove(&mut self, resource: &'static Resource, key: &Key) -> Option<Arc<Object>> {
        let kind = &mut self.kinds[resource.index()];
        let objects = kind.objects.get_mut(&key.0)?;
        let previous = objects.remove(&key.1)?;
        if objects.is_empty() {
            kind.objects.remove(&key.0);
        }
        self.revision += 1;
        let object = Arc::new(previous.at(self.revision));
        let last = Arc::clone(&object);
        self.record(
            resource,
            EventKind::Deleted,
            key.clone(),
            last,
            Some(previous),
        );
        Some(object)
    }

    /// Addresses and ports that Services have.
    pub(crate) fn taken(&self) -> &Taken {
        &self.taken
    }

    fn record(
        &mut self,
        resource: &'static Resource,
        event: EventKind,
        key: Key,
        object: Arc<Object>,
        previous: Option<Arc<Object>>,
    ) {
        if resource.index() == resource::SERVICE.index() {
            let now = (event != EventKind::Deleted).then(|| &**object.value());
            let before = previous.as_ref().map(|it| &**it.value());
            self.taken.change(before, now);
        }
        let kind = &mut self.kinds[resource.index()];
        kind.subscribers.retain(|subscriber| {
            let change = Change {
                resource,
                namespace: key.0.clone(),
                name: key.1.clone(),
                object: Arc::clone(object.value()),
                previous: previous.as_ref().map(|it| Arc::clone(it.value())),
                deleted: event == EventKind::Deleted,
            };
            subscriber.send(change).is_ok()
        });
        let event = Event {
            revision: self.revision,
            at: self.now,
            kind: event,
            key,
            object,
            previous,
            lines: Mutex::default(),
        };
        if resource.index() == resource::EVENT.index() {
            self.told.note(&event);
        }
        kind.history.push(event);
        self.changed.push(resource.index());
    }

    /// Tells `subscriber` of every change of these kinds from now on.
    pub(crate) fn subscribe(
        &mut self,
        resources: &[&'static Resource],
        subscriber: &mpsc::UnboundedSender<Change>,
    ) {
        for resource in resources {
            let kind = &mut self.kinds[resource.index()];
            kind.subscribers.push(subscriber.clone());
        }
    }

    /// Forgets all events up to now, and raises the revision. Who has seen everything misses nothing.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.revision;
        self.revision += 1;
        for kind in &mut self.kinds {
            kind.history.compact();
        }
    }

    /// Lets go what time has made worthless.
    fn tidy(&mut self) {
        if self.now < self.tidied + TIDIED {
            return;
        }
        self.tidied = self.now;
        for kind in &mut self.kinds {
            kind.history.expire(self.now);
        }
        while let Some(key) = self.told.expired(self.now) {
            self.remove(&resource::EVENT, &key);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::resource::CONFIG_MAP, *};

    fn store() -> Store {
        Store::new(Clock::new(None))
    }

    fn key(name: &str) -> Key {
        ("default".into(), name.into())
    }

    fn put(store: &Store, name: &str, value: &str) -> u64 {
        let object = json!({"metadata": {"name": name}, "data": {"value": value}});
        store.with(|state| state.put(&CONFIG_MAP, key(name), object).revision())
    }

    fn names(objects: &[Arc<Object>]) -> Vec<String> {
        let text = |object: &Arc<Object>| {
            let value = object.value();
            format!(
                "{}={}",
                value["metadata"]["name"].as_str().unwrap(),
                value["data"]["value"].as_str().unwrap()
            )
        };
        objects.iter().map(text).collect()
    }

    #[test]
    fn each_write_has_a_higher_revision_which_the_object_carries() {
        let store = store();
        let first = put(&store, "a", "1");
        let second = put(&store, "a", "2");
        assert!(first < second);
        let version = store.with(|state| {
            state.get(&CONFIG_MAP, "default", "a").unwrap().value()["metadata"]["resourceVersion"].clone()
        });
        assert_eq!(version, second.to_string());
    }

    #[test]
    fn the_past_is_readable_until_it_is_compacted() {
        let store = store();
        put(&store, "a", "1");
        let then = put(&store, "b", "1");
        put(&store, "a", "2");
        store.with(|state| state.remove(&CONFIG_MAP, &key("b")));
        put(&store, "c", "1");
        let list = |revision| {
            store.with(|state| state.page(&CONFIG_MAP, Some("default"), None, Some(revision), 9))
        };
        let listed = |revision| names(&list(revision).unwrap().0);
        assert_eq!(listed(then), ["a=1", "b=1"]);
        assert_eq!(listed(then + 1), ["a=2", "b=1"]);
        assert_eq!(listed(then + 2), ["a=2"]);
        store.with(State::compact);
        assert!(list(then).is_err());
        assert_eq!(listed(then + 3), ["a=2", "c=1"]);
    }

    #[test]
    fn events_come_in_order_and_a_deletion_carries_its_own_revision() {
        let store = store();
        put(&store, "a", "1");
        let from = put(&store, "a", "2");
        let last = put(&store, "b", "1");
        store.with(|state| state.remove(&CONFIG_MAP, &key("a")));
        let events = store
            .with(|state| state.events(&CONFIG_MAP, from, 10))
            .unwrap();
        let seen: Vec<(EventKind, u64)> = events
            .iter()
            .map(|event| (event.kind, event.revision))
            .collect();
        assert_eq!(
            seen,
            [(EventKind::Added, last), (EventKind::Deleted, last + 1)]
        );
        assert_eq!(
            events[1].object.value()["metadata"]["resourceVersion"],
            (last + 1).to_string()
        );
    }

    #[test]
    fn waiting_ends_with_a_change_of_that_kind_only() {
        let store = store();
        let mut maps = store.news(&CONFIG_MAP);
        let mut pods = store.news(&resource::POD);
        maps.mark_unchanged();
        pods.mark_unchanged();
        put(&store, "a", "1");
        assert!(maps.has_changed().unwrap());
        assert!(!pods.has_changed().unwrap());
    }
}
