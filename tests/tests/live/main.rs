//! Rollout, logs and port-forward against an API server that can be made to misbehave.
//!
//! Rollouts are followed on the embedded cluster. Logs and port-forward need a kubelet that breaks streams byte by byte,
//! and containers that end when the test says so: those have a fake, asked by a real `kube::Client` over loopback.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod fake;
mod forward;
mod kubelet;
mod logs;
mod rollout;
#[path = "../wire/mod.rs"]
mod wire;
