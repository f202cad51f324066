//! The state machines of `metaparticle-protocol` under every fault that a cluster has, in virtual time.
//!
//! A [`store`] that behaves as the API server does; a [`world`] of processes, clocks and a network around it, driven by a
//! seed; a [`monitor`] that sees all of it at once and says when a promise is broken.

pub mod ask;
pub mod candidate;
pub mod clock;
pub mod foreign;
pub mod member;
pub mod model;
pub mod monitor;
pub mod mutants;
pub mod node;
pub mod random;
pub mod report;
pub mod run;
pub mod shards;
pub mod store;
pub mod world;
