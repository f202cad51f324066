//! The data plane of sharded programs: a request goes to the process that owns the slot of its key, and nowhere else.
//!
//! It knows nothing of Kubernetes: who owns what is asked of an [`Ownership`].

mod budget;
mod client;
mod config;
mod flight;
mod forward;
mod gate;
pub mod head;
mod hold;
mod key;
mod metrics;
mod ownership;
mod pool;
mod race;
mod refusal;
mod replay;
mod stream;
mod upgrade;
pub mod wire;

pub use client::{Client, ClientBody};
pub use config::{Config, ConfigError, Unmatched, Upstream};
pub use gate::{Builder, Gate, GateError};
pub use key::{KeyError, KeySource};
pub use metrics::Metrics;
pub use ownership::{Admission, Ownership, Peer, Place};
pub use refusal::{Reason, Refusal};

/// A gate that listens answers a `GET` of this path itself, with 200, for the kubelet: whatever the key of a request is, the
/// application never sees it.
pub const READY_PATH: &str = "/.metaparticle/ready";
