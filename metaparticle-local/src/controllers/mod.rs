//! The controllers: Deployment, ReplicaSet, StatefulSet, Job, EndpointSlice, Namespace, garbage collection, scheduling.
//!
//! Each decides in pure functions on typed objects, and acts through [`Api`].

mod adoption;
mod amount;
mod claims;
mod deployment;
mod endpoint_slice;
mod garbage;
mod hash;
mod job;
mod making;
mod namespace;
mod object;
mod pods;
mod queue;
mod replica_set;
mod run;
mod scheduler;
mod selector;
mod stateful_set;

use crate::api::Api;

pub(crate) use job::backoff::FIRST as JOB_BACKOFF;

/// Starts all controllers; they run until the returned tasks are aborted (dropped). `job_backoff` is waited after a Job's
/// first failure.
pub(crate) fn start(api: &Api, job_backoff: std::time::Duration) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(run::run(api.clone(), deployment::Deployments));
    tasks.spawn(run::run(api.clone(), replica_set::ReplicaSets));
    tasks.spawn(run::run(api.clone(), stateful_set::StatefulSets::default()));
    tasks.spawn(run::run(api.clone(), job::Jobs::new(job_backoff)));
    tasks.spawn(run::run(api.clone(), endpoint_slice::EndpointSlices));
    tasks.spawn(run::run(api.clone(), garbage::Garbage::default()));
    tasks.spawn(run::run(api.clone(), namespace::Namespaces));
    tasks.spawn(run::run(api.clone(), scheduler::Scheduler));
    tasks
}
