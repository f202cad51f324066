//! Elections and locks over the Kubernetes API: the driver of `metaparticle-protocol`.

#![allow(dead_code, reason = "what elections and locks use comes with them")]

mod clock;
mod drive;
mod lost;
mod metrics;
mod object;
mod random;
mod refusal;
mod store;
mod watch;
mod word;

pub use lost::Lost;
pub use metrics::{Outcome, Verb};
pub use refusal::Refusal;
pub use word::Permit;
