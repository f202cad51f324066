//! Elections and locks over the Kubernetes API: the driver of `metaparticle-protocol`.

#![allow(dead_code, reason = "what elections and locks use comes with them")]

pub mod coordinator;
pub mod election;
pub mod fence;
pub mod guide;
pub mod lease;
pub mod lock;
pub mod session;

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
mod proof;
mod random;
mod refusal;
mod store;
mod sugar;
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
    use crate::Coordinator;

    pub use crate::sugar::{exclusive, lead};

    /// Has each coordinator of this process told of its start. The first one who asks is heard.
    pub fn on_start(told: fn(&Coordinator)) {
        crate::coordinator::on_start(told);
    }

    /// Shuts them down from a thread of no runtime, in bounded time.
    pub fn shutdown_blocking(coordinators: &[Coordinator]) {
        Coordinator::shutdown_blocking(coordinators);
    }
}
