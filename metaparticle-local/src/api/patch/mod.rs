//! JSON patch, merge patch and strategic merge patch: pure functions on values.

use serde_json::Value;

use super::{failure::Failure, resource::Resource};

/// RFC 6902. Errors as the real server words them (422 where an operation cannot be applied, 400 for bad patches).
pub fn json(
    resource: &'static Resource,
    name: &str,
    current: &Value,
    patch: &Value,
) -> Result<Value, Failure> {
    let _ = (resource, name, current, patch);
    unimplemented!()
}

/// RFC 7386.
pub fn merge(current: &Value, patch: &Value) -> Value {
    let _ = (current, patch);
    unimplemented!()
}

/// Kubernetes' strategic merge patch, by patch-merge-key: `$patch`, `$retainKeys`, `$setElementOrder`, `$deleteFromPrimitiveList`.
pub fn strategic(
    resource: &'static Resource,
    current: &Value,
    patch: &Value,
) -> Result<Value, Failure> {
    let _ = (resource, current, patch);
    unimplemented!()
}
