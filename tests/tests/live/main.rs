//! Rollout, logs and port-forward against an API server that can be made to misbehave.
//!
//! Everything goes through a real `kube::Client` over loopback, so that what is tested is what runs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fake;
mod forward;
mod kubelet;
mod logs;
mod rollout;
