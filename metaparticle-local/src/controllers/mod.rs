//! The controllers: Deployment, ReplicaSet, StatefulSet, Job, EndpointSlice, Namespace, garbage collection, scheduling.
//!
//! Each decides in pure functions on typed objects, and acts through [`Api`].

mod adoption;
mod amount;
mod claims;
mod deployment;
mod hash;
mod object;
mod pods;
mod queue;
mod replica_set;
mod run;
mod selector;

use crate::api::Api;

/// Starts all controllers; they run until the returned tasks are aborted (dropped).
pub(crate) fn start(api: &Api) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(run::run(api.clone(), deployment::Deployments));
    tasks.spawn(run::run(api.clone(), replica_set::ReplicaSets));
    tasks
}
