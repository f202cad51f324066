//! What the suites of the contract share: a server to talk to, plain requests, and objects to send.
//!
//! The suites are `tests/behaviours` (facts), `tests/property` (random operations) and `tests/kube_runtime.rs`
//! (kube's own runtime). Each runs on the embedded API, the first two also on a real API server.

#![expect(
    clippy::missing_panics_doc,
    reason = "a check that fails panics: that is what these are for"
)]

mod answer;
mod context;
pub mod objects;
mod path;
mod server;
mod watch;

pub use answer::Answer;
pub use context::{Context, Patch};
pub use server::{KUBECONFIG, Server};
pub use watch::Watch;
