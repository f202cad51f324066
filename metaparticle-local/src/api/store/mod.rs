//! The store: objects under one increasing revision, and the events since the last compaction, as etcd keeps them.
//!
//! All of it lives behind one lock, which is held for one decision at a time and never across an await.

mod history;
mod object;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{mpsc, watch};

pub(crate) use history::{Compacted, Event, EventKind};
pub(crate) use object::{Object, text};

use super::{
    allocation::Taken,
    changes::Change,
    resource::{self, Resource},
};
use history::History;
use std::sync::Arc;

/// Name of an object among those of its kind: namespace (empty for cluster-wide kinds) and name.
pub(crate) type Key = (String, String);

/// Every object, and who waits for changes.
#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    /// By the index of the resource: the revision of its newest event.
    news: Vec<watch::Sender<u64>>,
}

#[derive(Debug)]
pub(crate) struct State {
    revision: u64,
    kinds: Vec<Kind>,
    /// Kinds that changed since the lock was taken.
    changed: Vec<usize>,
    subscriptions: Vec<Subscription>,
    /// By Services.
    taken: Taken,
}

/// Somebody inside who must hear of every change.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// Of these kinds.
    pub(crate) resources: Vec<&'static Resource>,
    /// Here.
    pub(crate) sender: mpsc::UnboundedSender<Change>,
}

#[derive(Debug, Default)]
struct Kind {
    objects: BTreeMap<Key, Arc<Object>>,
    history: History,
}

impl Store {
    /// An empty store at revision 1.
    pub(crate) fn new() -> Self {
        let kinds = resource::ALL.len();
        Self {
            state: Mutex::new(State {
                revision: 1,
                kinds: std::iter::repeat_with(Kind::default).take(kinds).collect(),
                changed: Vec::new(),
                subscriptions: Vec::new(),
                taken: Taken::default(),
            }),
            news: (0..kinds).map(|_| watch::Sender::new(1)).collect(),
        }
    }

    /// Runs one decision on the state, alone. Those who wait for changes are told afterwards.
    pub(crate) fn with<T>(&self, decide: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = decide(&mut state);
        let revision = state.revision;
        for kind in std::mem::take(&mut state.changed) {
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
        self.kinds[resource.index()]
            .objects
            .get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All objects of a kind, in one namespace or in all, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        resource: &'static Resource,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let from = (namespace.unwrap_or_default().to_owned(), String::new());
        let objects = self.kinds[resource.index()].objects.range(from..);
        objects
            .take_while(move |(key, _)| namespace.is_none_or(|namespace| key.0 == namespace))
            .map(|(_, object)| object)
    }

    /// How many objects of a kind there are in a namespace.
    pub(crate) fn count(&self, resource: &'static Resource, namespace: &str) -> usize {
        self.list(resource, Some(namespace)).count()
    }

    /// All objects of a kind as they were at `revision`, by key.
    ///
    /// # Errors
    /// [`Compacted`] if that is not known any more.
    pub(crate) fn list_at(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Object>>, Compacted> {
        let kind = &self.kinds[resource.index()];
        let mut objects = kind.objects.clone();
        kind.history.undo(&mut objects, revision)?;
        let objects = objects.into_iter();
        Ok(objects
            .filter(|(key, _)| namespace.is_none_or(|namespace| key.0 == namespace))
            .map(|(_, object)| object)
            .collect())
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
        let previous = kind.objects.insert(key.clone(), Arc::clone(&object));
        let event = match &previous {
            None => EventKind::Added,
            Some(_) => EventKind::Modified,
        };
        self.record(
            resource,
            Event {
                revision: self.revision,
                kind: event,
                key,
                object: Arc::clone(&object),
                previous,
            },
        );
        object
    }

    /// Removes an object; what is returned is its last state at the revision of the removal.
    pub(crate) fn remove(&mut self, resource: &'static Resource, key: &Key) -> Option<Arc<Object>> {
        let kind = &mut self.kinds[resource.index()];
        let previous = kind.objects.remove(key)?;
        self.revision += 1;
        let object = Arc::new(Object::new(
            resource,
            (**previous.value()).clone(),
            self.revision,
        ));
        let event = Event {
            revision: self.revision,
            kind: EventKind::Deleted,
            key: key.clone(),
            object: Arc::clone(&object),
            previous: Some(previous),
        };
        self.record(resource, event);
        Some(object)
    }

    /// Addresses and ports that Services have.
    pub(crate) fn taken(&self) -> &Taken {
        &self.taken
    }

    fn record(&mut self, resource: &'static Resource, event: Event) {
        if resource.index() == resource::SERVICE.index() {
            let now = (event.kind != EventKind::Deleted).then(|| &**event.object.value());
            let before = event.previous.as_ref().map(|it| &**it.value());
            self.taken.change(before, now);
        }
        self.subscriptions.retain(|it| !it.sender.is_closed());
        for subscription in &self.subscriptions {
            if subscription.resources.contains(&resource) {
                let (namespace, name) = event.key.clone();
                let change = Change {
                    resource,
                    namespace,
                    name,
                    object: Arc::clone(event.object.value()),
                    previous: event.previous.as_ref().map(|it| Arc::clone(it.value())),
                    deleted: event.kind == EventKind::Deleted,
                };
                // One that stopped listening is dropped at the next change.
                let _ = subscription.sender.send(change);
            }
        }
        let index = resource.index();
        self.kinds[index].history.push(event);
        self.changed.push(index);
    }

    /// Tells `subscription` of every change from now on.
    pub(crate) fn subscribe(&mut self, subscription: Subscription) {
        self.subscriptions.push(subscription);
    }

    /// Forgets all events up to now, and raises the revision, so that every older one is too old.
    pub(crate) fn compact(&mut self) {
        self.revision += 1;
        for kind in &mut self.kinds {
            kind.history.compact(self.revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::resource::CONFIG_MAP, *};

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
        let store = Store::new();
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
        let store = Store::new();
        put(&store, "a", "1");
        let then = put(&store, "b", "1");
        put(&store, "a", "2");
        store.with(|state| state.remove(&CONFIG_MAP, &key("b")));
        put(&store, "c", "1");
        let list =
            |revision| store.with(|state| state.list_at(&CONFIG_MAP, Some("default"), revision));
        assert_eq!(names(&list(then).unwrap()), ["a=1", "b=1"]);
        assert_eq!(names(&list(then + 1).unwrap()), ["a=2", "b=1"]);
        assert_eq!(names(&list(then + 2).unwrap()), ["a=2"]);
        store.with(State::compact);
        assert!(list(then).is_err());
    }

    #[test]
    fn events_come_in_order_and_a_deletion_carries_its_own_revision() {
        let store = Store::new();
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
        let store = Store::new();
        let mut maps = store.news(&CONFIG_MAP);
        let mut pods = store.news(&resource::POD);
        maps.mark_unchanged();
        pods.mark_unchanged();
        put(&store, "a", "1");
        assert!(maps.has_changed().unwrap());
        assert!(!pods.has_changed().unwrap());
    }
}
