//! Annotate `main`, and `cargo run` turns the program into a distributed application on Kubernetes.

#[cfg(all(feature = "deploy", not(metaparticle_container)))]
pub mod deploy;
mod enter;
mod pod;
mod shutdown;

pub use metaparticle_macros::{containerize, job, replicated, sharded};
pub use pod::{Pod, pod};
pub use shutdown::shutdown;

#[doc(hidden)]
pub use metaparticle_macros::__spec;

/// What the expansion of the attributes calls; not for users, and free to change with every release.
#[doc(hidden)]
pub mod __private {
    pub use crate::enter::*;
}
