//! Which process owns which slot of a map of shards, and how slots change hands (rules M1 to M8).
//!
//! One object says who owns what: the [`Map`]. An owner acknowledges on its own session's Lease what it has drained:
//! [`Acks`]. Which node a key belongs to is not known here: a slot is a number.

pub mod acks;
pub mod api;
pub mod gate;
pub mod map;
pub mod pack;

pub use acks::Acks;
pub use gate::{Claim, Verdict};
pub use map::{Map, Peer, Slot, SlotCount};
