//! Writes that all controllers make: taking an object, letting it go, noting a status.

use std::sync::Arc;

use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::{Api, DeleteOptions, failure::Failure, resource::Resource};

use super::object::{Object, owner_reference};

/// The manager of what controllers write.
pub(super) const MANAGER: &str = "kube-controller-manager";

/// Makes `owner` the controller of an object that has none.
pub(super) fn adopt<T: ResourceExt, O: ResourceExt>(
    api: &Api,
    resource: &'static Resource,
    object: &Object<T>,
    kind: &'static Resource,
    owner: &Object<O>,
) -> Result<Arc<Value>, Failure> {
    let reference = owner_reference(kind, owner.name(), owner.uid());
    api.update(
        resource,
        object.namespace(),
        object.name(),
        MANAGER,
        |stored| {
            let owners = &mut stored["metadata"]["ownerReferences"];
            match owners.as_array_mut() {
                Some(owners) => {
                    let has_controller = owners.iter().any(|it| it["controller"] == true);
                    owners.extend((!has_controller).then(|| reference.clone()));
                }
                None => *owners = json!([reference]),
            }
        },
    )
}

/// Lets an object go.
pub(super) fn release<T: ResourceExt>(
    api: &Api,
    resource: &'static Resource,
    object: &Object<T>,
    owner: &str,
) -> Result<Arc<Value>, Failure> {
    api.update(
        resource,
        object.namespace(),
        object.name(),
        MANAGER,
        |stored| {
            disown(stored, |uid| uid == owner);
        },
    )
}

/// Takes the owners with these uids off an object.
pub(super) fn disown(object: &mut Value, gone: impl Fn(&str) -> bool) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    let Some(owners) = metadata
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    owners.retain(|owner| !owner["uid"].as_str().is_some_and(&gone));
    if owners.is_empty() {
        metadata.remove("ownerReferences");
    }
}

/// Takes a finalizer off an object.
pub(super) fn drop_finalizer(object: &mut Value, finalizer: &str) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    let Some(all) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else {
        return;
    };
    all.retain(|it| it != finalizer);
    if all.is_empty() {
        metadata.remove("finalizers");
    }
}

/// Writes a status, if the object is still the one with this uid.
pub(super) fn write(
    api: &Api,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    uid: &str,
    change: impl Fn(&mut Value),
) -> Result<(), Failure> {
    let result = api.update_status(resource, namespace, name, MANAGER, |object| {
        if object["metadata"]["uid"] == uid {
            change(object);
        }
    });
    unless_gone(result)
}

/// Whatever was to be done to an object that is gone is done.
pub(super) fn unless_gone(result: Result<Arc<Value>, Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.code != 404 => Err(failure),
        _ => Ok(()),
    }
}

/// Deletes an object, unless it is gone.
pub(super) fn delete(
    api: &Api,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
) -> Result<(), Failure> {
    unless_gone(api.delete(resource, namespace, name, &DeleteOptions::default()))
}
