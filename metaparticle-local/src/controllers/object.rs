//! [`Object`]: an object as its type and as it is stored. The type is for decisions; templates are copied from what is
//! stored, which has fields that the type may not know.

use std::{ops::Deref, sync::Arc};

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
    jiff::Timestamp,
};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{Api, resource::Resource};

/// An object, read.
#[derive(Clone, Debug)]
pub(super) struct Object<T> {
    /// As it is stored.
    pub(super) raw: Arc<Value>,
    typed: T,
}

impl<T> Deref for Object<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.typed
    }
}

impl<T: DeserializeOwned> Object<T> {
    /// The object as its type, if it is one.
    pub(super) fn parse(raw: Arc<Value>) -> Option<Self> {
        let typed = T::deserialize(&*raw).ok()?;
        Some(Self { raw, typed })
    }

    /// One object of the store.
    pub(super) fn read(
        api: &Api,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Self> {
        Self::parse(api.get(resource, namespace, name)?)
    }

    /// The objects of a namespace that `wanted` chooses by what is stored.
    pub(super) fn list(
        api: &Api,
        resource: &'static Resource,
        namespace: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Vec<Self> {
        let all = api.list(resource, Some(namespace)).into_iter();
        all.filter(|raw| wanted(raw))
            .filter_map(Self::parse)
            .collect()
    }

    /// For tests.
    #[cfg(test)]
    pub(super) fn of(value: Value) -> Self {
        Self::parse(Arc::new(value)).expect("an object of its type")
    }
}

impl<T> Object<T> {
    /// `spec.template`.
    pub(super) fn template(&self) -> &Value {
        &self.raw["spec"]["template"]
    }
}

impl<T: ResourceExt> Object<T> {
    /// Its name; every stored object has one.
    pub(super) fn name(&self) -> &str {
        self.typed.meta().name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        self.typed.meta().namespace.as_deref().unwrap_or_default()
    }

    /// Its uid.
    pub(super) fn uid(&self) -> &str {
        self.typed.meta().uid.as_deref().unwrap_or_default()
    }

    /// Whether its deletion has begun.
    pub(super) fn is_deleting(&self) -> bool {
        self.typed.meta().deletion_timestamp.is_some()
    }

    /// When it was created.
    pub(super) fn created(&self) -> Timestamp {
        let created = self.typed.meta().creation_timestamp.as_ref();
        created.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    }
}

/// The owner that controls an object.
pub(super) fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    let mut owners = meta.owner_references.iter().flatten();
    owners.find(|owner| owner.controller == Some(true))
}

/// The uid of the owner that controls an object, from what is stored.
pub(super) fn controller_uid(object: &Value) -> Option<&str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    owner["uid"].as_str()
}

/// A reference to the object's controller.
pub(super) fn owner_reference(owner: &'static Resource, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": owner.api_version(), "kind": owner.kind, "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A count as Go writes it: 0 is left out.
pub(super) fn count(value: i32) -> Option<i32> {
    (value != 0).then_some(value)
}
