//! Elections, locks and shards over the Kubernetes API: the driver of `metaparticle-protocol`.

#![allow(dead_code, reason = "what elections and locks use comes with them")]

pub mod coordinator;
pub mod election;
pub mod fence;
pub mod guide;
pub mod lease;
pub mod lock;
pub mod session;
pub mod shards;

mod clock;
mod connect;
mod container;
mod drive;
mod error;
mod events;
mod identity;
mod lost;
mod metrics;
mod object;
mod part;
#[cfg(test)]
mod permissions;
mod proof;
mod random;
mod refusal;
#[cfg(unix)]
mod sigterm;
mod store;
mod sugar;
mod suspects;
#[cfg(test)]
mod testing;
mod watch;
mod word;

#[doc(inline)]
pub use coordinator::Coordinator;
pub use error::Error;
pub use lost::Lost;
pub use metrics::{Metrics, Outcome, Verb};
pub use part::{Health, Kind, PartMetrics};
pub use refusal::Refusal;
pub use word::Permit;

/// For the crate `metaparticle`; free to change with every release.
#[doc(hidden)]
pub mod __private {
    #[cfg(unix)]
    pub use crate::sigterm::SIGNAL;
    pub use crate::sugar::{exclusive, lead};
    pub use serde_json;
}
