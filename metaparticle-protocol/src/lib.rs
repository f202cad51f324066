//! What sessions, elections, locks and maps of shards may write to the Kubernetes API, when, and what it proves: state
//! machines without I/O, clock or randomness of their own. The driver (`metaparticle-coordination`), the simulator and the
//! model checker run the same ones.
//!
//! Time is an argument ([`Moment`]), names and random parts are given, writes leave as a [`Request`] and come back as a
//! [`Reply`]; what a watch tells comes in as a [`Sight`]. Numbers such as `W1` in comments are the rules of the
//! protocol, listed in [`rules`].

pub mod api;
pub mod budget;
pub mod death;
pub mod election;
pub mod fence;
pub mod lease;
pub mod lock;
pub mod machine;
pub mod member;
pub mod moment;
pub mod mutant;
pub mod rollback;
pub mod rules;
pub mod session;
pub mod shard;
pub mod validity;

pub use api::{Call, Reply, Request, Selector, Sight, Watch};
pub use budget::Budget;
pub use lease::{Identity, Lease, Name, Spec, Stamp, Token, Uid, Version};
pub use machine::Machine;
pub use member::Member;
pub use moment::Moment;
pub use mutant::Mutants;
pub use rollback::Rollback;
pub use validity::Validity;
