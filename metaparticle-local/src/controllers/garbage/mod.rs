//! Garbage collection: objects go when their last owner is gone; `foregroundDeletion` and `orphan` are honoured.

mod decide;
mod graph;

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use crate::api::{
    Api, Change, DeleteOptions, Preconditions,
    failure::Failure,
    resource::{ALL, EVENT, Resource},
};

use super::{
    adoption::{MANAGER, disown, drop_finalizer, unless_gone},
    run::Controller,
};
use decide::{Action, FOREGROUND, ORPHAN, State, decide};
use graph::{Graph, Item, Owner};

/// The controller.
#[derive(Debug, Default)]
pub(super) struct Garbage {
    graph: Graph,
}

impl Controller for Garbage {
    type Key = Item;

    fn watches(&self) -> Vec<&'static Resource> {
        // Events are many, and have no owners.
        ALL.iter().copied().filter(|it| *it != &EVENT).collect()
    }

    fn keys(&mut self, _: &Api, change: &Change) -> Vec<Item> {
        let item = Item {
            resource: change.resource,
            namespace: change.namespace.clone(),
            name: change.name.clone(),
        };
        let relations = |it: &Value| {
            let metadata = &it["metadata"];
            ["uid", "ownerReferences", "finalizers", "deletionTimestamp"]
                .map(|it| metadata[it].clone())
        };
        let previous = change.previous.as_deref();
        if !change.deleted && previous.map(relations) == Some(relations(&change.object)) {
            return Vec::new();
        }
        self.graph.learn(&item, change);
        // Its owners may wait for it, its dependents for it to go.
        let before = previous.into_iter().flat_map(Owner::all);
        let owners = Owner::all(&change.object).chain(before);
        let mut keys: Vec<Item> = owners.filter_map(|it| it.item(&change.namespace)).collect();
        if change.deleted || !change.object["metadata"]["deletionTimestamp"].is_null() {
            let uid = change.object["metadata"]["uid"]
                .as_str()
                .unwrap_or_default();
            keys.extend(self.graph.dependents(uid));
        }
        if !change.deleted {
            keys.push(item);
        }
        keys
    }

    fn reconcile(&mut self, api: &Api, item: &Item) -> Result<Option<Duration>, Failure> {
        let Some(object) = get(api, item) else {
            return Ok(None);
        };
        let owners: Vec<_> = Owner::all(&object)
            .map(|owner| (owner.uid().to_owned(), state(api, owner, &item.namespace)))
            .collect();
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let dependents = self.graph.dependents(uid);
        let blocks = |it: &Item| {
            let dependent = get(api, it);
            dependent
                .is_some_and(|it| Owner::all(&it).any(|owner| owner.uid() == uid && owner.blocks()))
        };
        let blocked = dependents.iter().any(blocks);
        match decide(&object, &owners, !dependents.is_empty(), blocked) {
            Action::Keep => {}
            Action::Disown(gone) => {
                update(api, item, |it| {
                    disown(it, |uid| gone.iter().any(|it| it == uid));
                })?;
            }
            Action::Delete(propagation) => {
                let uid = Some(uid.to_owned());
                let options = DeleteOptions {
                    preconditions: Preconditions {
                        uid,
                        resource_version: None,
                    },
                    propagation: Some(propagation),
                    ..DeleteOptions::default()
                };
                unless_gone(api.delete(item.resource, &item.namespace, &item.name, &options))?;
            }
            Action::Orphan => {
                for dependent in &dependents {
                    update(api, dependent, |it| disown(it, |owner| owner == uid))?;
                }
                update(api, item, |it| drop_finalizer(it, ORPHAN))?;
            }
            Action::Release => update(api, item, |it| drop_finalizer(it, FOREGROUND))?,
        }
        Ok(None)
    }
}

fn get(api: &Api, item: &Item) -> Option<Arc<Value>> {
    api.get(item.resource, &item.namespace, &item.name)
}

fn update(api: &Api, item: &Item, change: impl Fn(&mut Value)) -> Result<(), Failure> {
    unless_gone(api.update(item.resource, &item.namespace, &item.name, MANAGER, change))
}

fn state(api: &Api, owner: Owner<'_>, namespace: &str) -> State {
    let Some(item) = owner.item(namespace) else {
        return State::Solid;
    };
    let Some(object) = get(api, &item).filter(|it| it["metadata"]["uid"] == owner.uid()) else {
        return State::Absent;
    };
    let metadata = &object["metadata"];
    let waits = metadata["finalizers"]
        .as_array()
        .is_some_and(|it| it.iter().any(|it| it == FOREGROUND));
    if waits && !metadata["deletionTimestamp"].is_null() {
        State::Waiting
    } else {
        State::Solid
    }
}
