//! From applied workloads to ready pods: [`wait`] follows a rollout, [`judge`] says how it stands, [`Diagnosis`] why it
//! failed.
//!
//! Decisions are pure ([`judge`], [`overdue`]); the driver only feeds them what it watches, keeps the time, and fetches
//! evidence (last log lines) for a diagnosis.

mod cause;
mod changes;
mod container;
mod drive;
mod evidence;
mod failure;
mod judge;
mod pods;
mod seen;
#[cfg(test)]
mod tests;
mod words;

pub use cause::{Cause, Diagnosis, Ended, Probed, Refusal};
pub use drive::{Outcome, wait};
pub use failure::Failure;
pub use judge::{Progress, State, Suspicion, Verdict, judge, overdue};
pub use seen::{Seen, Workload};
