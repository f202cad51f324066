//! The rules of the kinds: defaults, what a client may set, what is valid. Pure; one kind a file.

use serde_json::Value;

use super::{failure::FieldError, resource::Resource};

/// Fills in what the real server fills in when the field is absent. On every write.
pub fn default(resource: &'static Resource, object: &mut Value) {
    let _ = (resource, object);
}

/// Before a create: takes away what a client may not set (`status`), sets `generation` where the kind has one, hashes and
/// labels that the API server itself adds (a Job's selector and `controller-uid` labels, Namespace's
/// `kubernetes.io/metadata.name` and finalizer, `Secret.stringData`). `metadata.uid` is set already.
pub fn prepare_create(resource: &'static Resource, object: &mut Value) {
    let _ = (resource, object);
}

/// Before an update of the object itself: keeps `status`, raises `generation` when `spec` changed, keeps what cannot be
/// changed silently.
pub fn prepare_update(resource: &'static Resource, old: &Value, new: &mut Value) {
    let _ = (resource, old, new);
}

/// Before an update of `/status`: keeps everything but the status (and what the real server lets through).
pub fn prepare_status(resource: &'static Resource, old: &Value, new: &mut Value) {
    let _ = (resource, old, new);
}

/// What is wrong with a new object, metadata included; empty if nothing is.
pub fn validate_create(resource: &'static Resource, object: &Value) -> Vec<FieldError> {
    let _ = (resource, object);
    Vec::new()
}

/// What is wrong with a changed object: the rules for new ones, and what must not change.
pub fn validate_update(resource: &'static Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    let _ = (resource, old, new);
    Vec::new()
}

/// What is wrong with a changed status.
pub fn validate_status(resource: &'static Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    let _ = (resource, old, new);
    Vec::new()
}
