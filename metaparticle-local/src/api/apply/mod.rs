//! Server-side apply: who owns which field, and what an applied configuration changes.

use serde_json::Value;

use super::{failure::Failure, resource::Resource};

/// Who writes, how, when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// `fieldManager`, or what stands for it.
    pub manager: &'a str,
    /// `status`, `scale`; none for the object itself.
    pub subresource: Option<&'static str>,
    /// Now, as Kubernetes writes `Time`.
    pub time: &'a str,
}

/// The object that results from applying `config` to `current` (none: it is created), with `metadata.managedFields`.
/// `config` is decoded, not defaulted. Conflicts are a 409 with one cause a field, unless `force`.
pub fn apply(
    resource: &'static Resource,
    current: Option<&Value>,
    config: &Value,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Failure> {
    let _ = (resource, current, config, writer, force);
    unimplemented!()
}

/// Writes into `new.metadata.managedFields` what this create (`old` is none), update or patch owns from now on, and
/// takes from others what it changed or removed. A `managedFields` that the client sent as an empty list clears it.
pub fn track(
    resource: &'static Resource,
    old: Option<&Value>,
    new: &mut Value,
    writer: Writer<'_>,
) {
    let _ = (resource, old, new, writer);
}
