//! [`Failure`]: how [`wait`](super::wait) fails, with what to do about it.

use std::fmt::Display;

use miette::Diagnostic;
use thiserror::Error;

use super::cause::Diagnosis;

/// A rollout that failed, or that cannot be judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// It failed, and this is why.
    #[error(transparent)]
    Diagnosed(Box<Diagnosis>),
    /// The API server does not let us see it.
    #[error("cannot see how {workload} is rolled out")]
    Api {
        /// The workload: `Deployment/web`.
        workload: String,
        /// Its answer.
        source: kube::Error,
    },
}

impl Diagnostic for Failure {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(match self {
            Self::Diagnosed(diagnosis) => Box::new(diagnosis.help()),
            Self::Api { .. } => Box::new(
                "get, list and watch of the workload, its ReplicaSets and its pods are needed",
            ),
        })
    }
}
