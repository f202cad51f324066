//! The data plane of sharded programs: a request goes to the process that owns the slot of its key, and nowhere else.
//!
//! It knows nothing of Kubernetes: who owns what is asked of an [`Ownership`].

mod ownership;

pub use ownership::{Admission, Ownership, Peer, Place};
