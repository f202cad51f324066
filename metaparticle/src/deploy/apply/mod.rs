//! From generated manifests to objects in the cluster: server-side apply, ApplySet, prune.

use kube::core::ApiResource;

pub use super::report::Change;

/// An object as it stands in the cluster after it was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Group, version, kind and plural.
    pub api: ApiResource,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity: an object of the same name that is created later has another.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Its generation; the controller has seen it when `status.observedGeneration` is at least this.
    pub generation: Option<i64>,
    /// What the write did.
    pub change: Change,
}
