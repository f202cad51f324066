//! Events about objects, as `kubectl describe` shows them.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Api, resource,
    store::{self, Key, State},
};

/// Most Events of a namespace; the oldest go first. A real server has no such bound.
pub(super) const MOST: usize = 1000;

/// How long an Event is kept after it was written last.
const KEPT: Duration = Duration::from_secs(3600);

/// `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// All goes well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Api {
    /// Records an Event (core/v1) about an object; the same one again is counted.
    pub fn event(
        &self,
        about: &Value,
        component: &str,
        kind: EventKind,
        reason: &str,
        message: &str,
    ) {
        let metadata = &about["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let namespace = Some(text("namespace"))
            .filter(|it| !it.is_empty())
            .unwrap_or("default");
        let now = self.clock.seconds();
        let what = What {
            uid: text("uid"),
            reason,
            message,
            component,
        };
        if let Some(name) = self.store.with(|state| what.known(state, namespace)) {
            // It may have been deleted meanwhile; then nobody misses the count.
            let _ = self.update(&resource::EVENT, namespace, &name, component, |event| {
                event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
                event["lastTimestamp"] = now.as_str().into();
            });
            return;
        }
        let kind = match kind {
            EventKind::Normal => "Normal",
            EventKind::Warning => "Warning",
        };
        let event = json!({
            "metadata": {"name": format!("{}.{:016x}", text("name"), self.random.next()), "namespace": namespace},
            "involvedObject": {
                "kind": about["kind"], "apiVersion": about["apiVersion"], "namespace": metadata["namespace"],
                "name": metadata["name"], "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason, "message": message, "source": {"component": component}, "type": kind,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "reportingComponent": component, "reportingInstance": "",
        });
        if let Err(failure) =
            self.create(&resource::EVENT, namespace, without_nulls(event), component)
        {
            // The namespace is going; an event about that helps nobody.
            tracing::debug!(failure.message, "an event was not recorded");
        }
    }
}

/// What makes two Events the same.
#[derive(Hash, PartialEq)]
struct What<'a> {
    uid: &'a str,
    reason: &'a str,
    message: &'a str,
    component: &'a str,
}

impl<'a> What<'a> {
    fn of(event: &'a Value) -> Self {
        let text = |value: &'a Value| value.as_str().unwrap_or_default();
        Self {
            uid: text(&event["involvedObject"]["uid"]),
            reason: text(&event["reason"]),
            message: text(&event["message"]),
            component: text(&event["source"]["component"]),
        }
    }

    fn number(&self, namespace: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (namespace, self).hash(&mut hasher);
        hasher.finish()
    }

    /// The name of the Event that says this already.
    fn known(&self, state: &State, namespace: &str) -> Option<String> {
        let name = state.told.names.get(&self.number(namespace))?;
        let event = state.get(&resource::EVENT, namespace, name)?;
        (What::of(event.value()) == *self).then(|| name.clone())
    }
}

/// The Events that there are: by what they say, and by age.
#[derive(Debug, Default)]
pub(super) struct Index {
    names: HashMap<u64, String>,
    /// By revision: when it was written, and which it is.
    ages: BTreeMap<u64, (Duration, Key)>,
}

impl Index {
    /// Notes a change of an Event.
    pub(super) fn note(&mut self, change: &store::Event) {
        let (namespace, name) = &change.key;
        if let Some(previous) = &change.previous {
            self.ages.remove(&previous.revision());
            let number = What::of(previous.value()).number(namespace);
            if self.names.get(&number) == Some(name) {
                self.names.remove(&number);
            }
        }
        if change.kind != store::EventKind::Deleted {
            let number = What::of(change.object.value()).number(namespace);
            self.names.insert(number, name.clone());
            self.ages
                .insert(change.revision, (change.at, change.key.clone()));
        }
    }

    /// An Event that nobody wrote for too long.
    pub(super) fn expired(&self, now: Duration) -> Option<Key> {
        let (_, (at, key)) = self.ages.first_key_value()?;
        (*at + KEPT < now).then(|| key.clone())
    }

    /// The Event of a namespace that nobody wrote for longest.
    pub(super) fn oldest(&self, namespace: &str) -> Option<Key> {
        let mut ages = self.ages.values();
        let (_, key) = ages.find(|(_, key)| key.0 == namespace)?;
        Some(key.clone())
    }
}

fn without_nulls(mut event: Value) -> Value {
    if let Some(about) = event["involvedObject"].as_object_mut() {
        about.retain(|_, value| !value.is_null());
    }
    event
}
