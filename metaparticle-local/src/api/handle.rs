//! [`Api`]: what controllers and the node do with objects. The same checks as for clients, without HTTP.

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::kubelet::Kubelet;
use super::{
    binding,
    changes::Changes,
    failure::Failure,
    fault::Faults,
    remove,
    resource::{self, Resource},
    store::Store,
    write::{self, Write},
};
use crate::{clock::Clock, random::Random};
use std::sync::OnceLock;

/// The API server. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) random: Arc<Random>,
    pub(super) faults: Arc<Faults>,
    pub(super) kubelet: Arc<OnceLock<Arc<dyn Kubelet>>>,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
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
    /// An API server with nothing but the namespaces that every cluster has. `seed` fixes uids, generated names and the
    /// time at the start.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        // Any fixed time will do: 2030-01-01.
        let base = seed.map(|_| jiff::Timestamp::constant(1_893_456_000, 0));
        let clock = Clock::new(base);
        let api = Self {
            store: Arc::new(Store::new(clock.clone())),
            clock,
            random: Arc::new(Random::new(seed)),
            faults: Arc::new(Faults::new(seed)),
            kubelet: Arc::default(),
        };
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let namespace = serde_json::json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
            });
            api.create(&resource::NAMESPACE, "", namespace, "kube-apiserver")
                .expect("the namespaces of every cluster are valid");
        }
        api
    }

    /// Who answers for logs and connections to pods. Set once, by the node.
    pub(crate) fn set_kubelet(&self, kubelet: Arc<dyn Kubelet>) {
        // A second node is never started.
        let _ = self.kubelet.set(kubelet);
    }

    /// Who answers for logs and connections to pods, if there is a node.
    pub(crate) fn kubelet(&self) -> Option<Arc<dyn Kubelet>> {
        self.kubelet.get().cloned()
    }

    /// One object.
    #[must_use]
    pub fn get(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Value>> {
        self.store
            .with(|state| Some(Arc::clone(state.get(resource, namespace, name)?.value())))
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
        let objects = |state: &mut super::store::State| {
            let objects = state.list(resource, namespace);
            objects.map(|object| Arc::clone(object.value())).collect()
        };
        self.store.with(objects)
    }

    /// All objects of a kind as a type of `k8s_openapi`.
    #[must_use]
    pub fn list_as<T: DeserializeOwned>(
        &self,
        resource: &'static Resource,
        namespace: Option<&str>,
    ) -> Vec<T> {
        let objects = self.list(resource, namespace);
        objects
            .iter()
            .filter_map(|object| T::deserialize(&**object).ok())
            .collect()
    }

    /// Creates an object, in the name of `manager`; `generateName` works. Defaulted and checked as a client's.
    ///
    /// # Errors
    /// What a client would be answered.
    pub fn create(
        &self,
        resource: &'static Resource,
        namespace: &str,
        object: Value,
        manager: &str,
    ) -> Result<Arc<Value>, Failure> {
        let write = Write::new(resource, namespace, manager);
        Ok(Arc::clone(write::create(self, &write, object)?.value()))
    }

    /// Reads, changes and writes an object, atomically; everything but its status. No change, no write.
    /// `change` is called again if somebody else was faster.
    ///
    /// # Errors
    /// What a client would be answered.
    pub fn update(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        manager: &str,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        self.change(&Write::new(resource, namespace, manager), name, change)
    }

    /// Reads, changes and writes the status of an object, atomically. No change, no write. `change` is called again if
    /// somebody else was faster.
    ///
    /// # Errors
    /// What a client would be answered.
    pub fn update_status(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        manager: &str,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        let write = Write::new(resource, namespace, manager).to(write::Part::Status);
        self.change(&write, name, change)
    }

    fn change(
        &self,
        write: &Write<'_>,
        name: &str,
        change: impl Fn(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        let object = write::update(self, write, name, |current| {
            let mut new = current.clone();
            change(&mut new);
            Ok(write::Changed::Tracked(new))
        })?;
        Ok(Arc::clone(object.value()))
    }

    /// Binds a pod to a node (`spec.nodeName`), as the scheduler does.
    ///
    /// # Errors
    /// What a client would be answered; 409 if the pod is bound already.
    pub fn bind(&self, namespace: &str, pod: &str, node: &str) -> Result<Arc<Value>, Failure> {
        let write =
            Write::new(&resource::POD, namespace, "kube-scheduler").to(write::Part::Binding);
        let binding = json!({"target": {"kind": "Node", "name": node}});
        let bound = binding::bind(self, &write, pod, &binding)?;
        Ok(Arc::clone(bound.value()))
    }

    /// Takes the finalizer off a namespace that is empty, through `/finalize`.
    ///
    /// # Errors
    /// What a client would be answered.
    pub fn finalize(&self, namespace: &str, manager: &str) -> Result<Arc<Value>, Failure> {
        let write = Write::new(&resource::NAMESPACE, "", manager).to(write::Part::Finalize);
        self.change(&write, namespace, |object| {
            let finalizers = object.pointer_mut("/spec/finalizers");
            if let Some(all) = finalizers.and_then(Value::as_array_mut) {
                all.retain(|it| it != "kubernetes");
            }
        })
    }

    /// Deletes an object, as a client would.
    ///
    /// # Errors
    /// What a client would be answered.
    pub fn delete(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Failure> {
        let removed = remove::delete(self, resource, namespace, name, options, false)?;
        Ok(Arc::clone(removed.object.value()))
    }

    /// The changes of these kinds from now on, none left out. Everything that is there now comes first, as changes.
    #[must_use]
    pub fn changes(&self, resources: &[&'static Resource]) -> Changes {
        Changes::new(&self.store, resources)
    }

    /// The faults of this server.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Forgets all past revisions. A watch that has told everything goes on.
    pub fn compact(&self) {
        self.store.with(super::store::State::compact);
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }
}
