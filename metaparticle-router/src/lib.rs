//! The data plane of sharded programs: a request goes to the process that owns the slot of its key, and nowhere else.
//!
//! It knows nothing of Kubernetes: who owns what is asked of an [`Ownership`].

mod config;
pub mod head;
mod key;
#[allow(
    dead_code,
    reason = "what moves bytes counts with it, and is not there yet"
)]
mod metrics;
mod ownership;
mod refusal;
pub mod wire;

pub use config::{Config, ConfigError, Unmatched, Upstream};
pub use key::{KeyError, KeySource};
pub use metrics::Metrics;
pub use ownership::{Admission, Ownership, Peer, Place};
pub use refusal::{Reason, Refusal};
