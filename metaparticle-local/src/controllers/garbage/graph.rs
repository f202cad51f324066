//! [`Graph`]: which objects have which owners, kept up to date by changes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::api::{Change, resource::Resource};

/// An object, by kind, namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers) struct Item {
    pub(super) resource: &'static Resource,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl std::hash::Hash for Item {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.resource.plural, &self.namespace, &self.name).hash(state);
    }
}

/// Objects by the uid of their owners.
#[derive(Debug, Default)]
pub(super) struct Graph {
    dependents: HashMap<String, HashSet<Item>>,
    owners: HashMap<Item, Vec<String>>,
}

/// A reference to an owner.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a>(&'a Value);

impl<'a> Owner<'a> {
    /// Those of an object.
    pub(super) fn all(object: &'a Value) -> impl Iterator<Item = Self> {
        let owners = object["metadata"]["ownerReferences"].as_array();
        owners.into_iter().flatten().map(Owner)
    }

    pub(super) fn uid(self) -> &'a str {
        self.0["uid"].as_str().unwrap_or_default()
    }

    pub(super) fn blocks(self) -> bool {
        self.0["blockOwnerDeletion"] == true
    }

    /// Where it is, seen from an object in a namespace; nothing if its kind is unknown, or it is in some namespace and the
    /// object in none.
    pub(super) fn item(self, namespace: &str) -> Option<Item> {
        let text = |field: &str| self.0[field].as_str().unwrap_or_default();
        let resource = Resource::of_kind(text("apiVersion"), text("kind"))?;
        if resource.namespaced && namespace.is_empty() {
            return None;
        }
        let namespace = if resource.namespaced { namespace } else { "" };
        Some(Item {
            resource,
            namespace: namespace.to_owned(),
            name: text("name").to_owned(),
        })
    }
}

impl Graph {
    /// Takes a change in.
    pub(super) fn learn(&mut self, item: &Item, change: &Change) {
        for uid in self.owners.remove(item).into_iter().flatten() {
            if let Some(all) = self.dependents.get_mut(&uid) {
                all.remove(item);
                if all.is_empty() {
                    self.dependents.remove(&uid);
                }
            }
        }
        let owners: Vec<String> = Owner::all(&change.object)
            .map(|it| it.uid().to_owned())
            .collect();
        if change.deleted || owners.is_empty() {
            return;
        }
        for uid in &owners {
            self.dependents
                .entry(uid.clone())
                .or_default()
                .insert(item.clone());
        }
        self.owners.insert(item.clone(), owners);
    }

    /// The objects that an object owns.
    pub(super) fn dependents(&self, uid: &str) -> Vec<Item> {
        self.dependents
            .get(uid)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use crate::api::resource::POD;

    use super::*;

    fn item(name: &str) -> Item {
        Item {
            resource: &POD,
            namespace: "default".to_owned(),
            name: name.to_owned(),
        }
    }

    fn learn(graph: &mut Graph, name: &str, owners: &[&str], deleted: bool) {
        let owners: Vec<_> = owners.iter().map(|uid| json!({"uid": uid})).collect();
        let object = Arc::new(json!({"metadata": {"ownerReferences": owners}}));
        let (namespace, name) = ("default".to_owned(), name.to_owned());
        let change = Change {
            resource: &POD,
            namespace,
            name,
            object,
            previous: None,
            deleted,
        };
        graph.learn(&item(&change.name), &change);
    }

    #[test]
    fn dependents_are_those_of_the_last_change() {
        let mut graph = Graph::default();
        learn(&mut graph, "a", &["x", "y"], false);
        learn(&mut graph, "b", &["x"], false);
        assert_eq!(graph.dependents("x").len(), 2);
        learn(&mut graph, "a", &["y"], false);
        assert_eq!(graph.dependents("x"), [item("b")]);
        learn(&mut graph, "b", &["x"], true);
        learn(&mut graph, "a", &[], false);
        assert!(graph.dependents.is_empty() && graph.owners.is_empty());
    }

    #[test]
    fn an_owner_is_looked_for_in_the_namespace_of_its_dependent() {
        let owner = |kind: &str, api: &str| json!({"apiVersion": api, "kind": kind, "name": "o", "uid": "u"});
        let found =
            |owner: &Value, namespace: &str| Owner(owner).item(namespace).map(|it| it.namespace);
        assert_eq!(found(&owner("Pod", "v1"), "here").as_deref(), Some("here"));
        assert_eq!(found(&owner("Node", "v1"), "here").as_deref(), Some(""));
        assert_eq!(found(&owner("Pod", "v1"), ""), None);
        assert_eq!(found(&owner("Pod", "v2"), "here"), None);
    }
}
