//! How long a lease may be. What follows from it, an election's [budget](crate::election::Election::budget) tells.

#[doc(inline)]
pub use metaparticle_protocol::budget::{InvalidLease, LONGEST, SHORTEST};
