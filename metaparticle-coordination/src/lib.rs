//! Elections and locks over the Kubernetes API: the driver of `metaparticle-protocol`.

#![allow(dead_code, reason = "what elections and locks use comes with them")]

pub mod coordinator;
pub mod election;
pub mod fence;

mod clock;
mod connect;
mod drive;
mod error;
mod events;
mod identity;
mod lost;
mod metrics;
mod object;
mod part;
mod random;
mod refusal;
mod store;
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
