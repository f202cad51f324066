//! The controllers: Deployment, ReplicaSet, StatefulSet, Job, EndpointSlice, Namespace, garbage collection, scheduling.
//!
//! Each decides in pure functions on typed objects, and acts through [`Api`].

use crate::api::Api;

/// Starts all controllers; they run until the returned tasks are aborted (dropped).
pub(crate) fn start(api: &Api) -> tokio::task::JoinSet<()> {
    let _ = api;
    tokio::task::JoinSet::new()
}
