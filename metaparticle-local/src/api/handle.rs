//! [`Api`]: what controllers and the node do with objects. The same checks as for clients, without HTTP.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{failure::Failure, resource::Resource};

/// The API server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner;

/// An object that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub resource: &'static Resource,
    /// Its namespace; empty for cluster-wide ones.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The object after the change, or the last one if it was deleted.
    pub object: Arc<Value>,
    /// Whether it is gone.
    pub deleted: bool,
}

/// The changes of some kinds, in order, none left out.
#[derive(Debug)]
pub struct Changes;

impl Changes {
    /// The next change.
    pub async fn next(&mut self) -> Change {
        unimplemented!()
    }
}

/// What a deletion may depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// The object's uid.
    pub uid: Option<String>,
    /// Its resourceVersion.
    pub resource_version: Option<String>,
}

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay, without their owner.
    Orphan,
    /// They are collected later.
    Background,
    /// They go first.
    Foreground,
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Conditions.
    pub preconditions: Preconditions,
    /// Instead of the object's own.
    pub grace_period_seconds: Option<i64>,
    /// Instead of the kind's default.
    pub propagation: Option<Propagation>,
}

impl Api {
    /// One object.
    #[must_use]
    pub fn get(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Value>> {
        let _ = (resource, namespace, name);
        unimplemented!()
    }

    /// One object as a type of `k8s_openapi`.
    #[must_use]
    pub fn get_as<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<T> {
        T::deserialize(&*self.get(resource, namespace, name)?).ok()
    }

    /// All objects of a kind, in one namespace or in all, by name.
    #[must_use]
    pub fn list(&self, resource: &'static Resource, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let _ = (resource, namespace);
        unimplemented!()
    }

    /// All objects of a kind as a type of `k8s_openapi`.
    #[must_use]
    pub fn list_as<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
    ) -> Vec<T> {
        self.list(resource, namespace)
            .iter()
            .filter_map(|object| T::deserialize(&**object).ok())
            .collect()
    }

    /// Creates an object, in the name of `manager`; `generateName` works. Defaulted and checked as a client's.
    pub fn create(
        &self,
        resource: &'static Resource,
        namespace: &str,
        object: Value,
        manager: &str,
    ) -> Result<Arc<Value>, Failure> {
        let _ = (resource, namespace, object, manager);
        unimplemented!()
    }

    /// Reads, changes and writes an object, atomically; everything but its status.
    pub fn update(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        let _ = (resource, namespace, name, manager, change);
        unimplemented!()
    }

    /// Reads, changes and writes the status of an object, atomically. No change, no write.
    pub fn update_status(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        manager: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        let _ = (resource, namespace, name, manager, change);
        unimplemented!()
    }

    /// Binds a pod to a node (`spec.nodeName`), as the scheduler does.
    pub fn bind(&self, namespace: &str, pod: &str, node: &str) -> Result<Arc<Value>, Failure> {
        let _ = (namespace, pod, node);
        unimplemented!()
    }

    /// Deletes an object, as a client would.
    pub fn delete(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Failure> {
        let _ = (resource, namespace, name, options);
        unimplemented!()
    }

    /// The changes of these kinds from now on. Everything that is there now comes first, as changes.
    #[must_use]
    pub fn changes(&self, resources: &[&'static Resource]) -> Changes {
        let _ = resources;
        unimplemented!()
    }

    /// Records an Event (core/v1) about an object; repeated ones are counted.
    pub fn event(
        &self,
        about: &Value,
        component: &str,
        kind: EventKind,
        reason: &str,
        message: &str,
    ) {
        let _ = (about, component, kind, reason, message);
        unimplemented!()
    }

    /// Now, as Kubernetes writes `Time`.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        unimplemented!()
    }
}

/// `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// All goes well.
    Normal,
    /// Somebody should look.
    Warning,
}
