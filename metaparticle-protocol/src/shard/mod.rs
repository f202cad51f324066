//! Which process owns which slot of a map of shards, and how slots change hands (rules M1 to M8).
//!
//! One object says who owns what: the [`Map`]. Whoever leads an election writes it: the [`Assigner`]. Each process that may
//! own slots runs an [`Owner`], which says what it may serve, drains what is to move, and acknowledges it on its own
//! session's Lease; [`Acks`] is what stands there. Which node a key belongs to is not known here: a slot is a number.
//!
//! # Guarantees
//! No two processes serve a slot at the same time, as long as nobody edits the map or the sessions by hand and the store does
//! not go back; then overlaps end with the deadlines of those who serve. Tokens of a slot rise with each owner.

pub mod acks;
pub mod api;
pub mod assigner;
mod bucket;
pub mod gate;
pub mod map;
pub mod owner;
pub mod pack;
pub mod plan;
mod roster;

pub use acks::Acks;
pub use assigner::Assigner;
pub use gate::{Claim, Verdict};
pub use map::{Map, Peer, Slot, SlotCount};
pub use owner::Owner;
pub use plan::Planner;
