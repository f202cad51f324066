//! [`Workload`]: what kind of program it is, and how many copies run.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::Sharding;

/// What kind of program it is, and how many copies run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Workload {
    /// A service of equal copies: a Deployment.
    Replicated {
        /// Number of pods.
        replicas: NonZeroU32,
    },
    /// A service whose requests are divided by key: a StatefulSet with a headless Service.
    Sharded(Sharding),
    /// A program that ends: a Job.
    Job {
        /// Number of successful runs that make the job complete.
        completions: NonZeroU32,
        /// Number of pods that run at the same time, at most.
        parallelism: NonZeroU32,
    },
}
