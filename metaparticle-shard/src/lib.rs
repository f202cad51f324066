//! Which node a key belongs to.
//!
//! A key is hashed to one of a power of two of **slots** (16,384 unless said otherwise), and a table says which **node**
//! has the slot: one hash, one load, no search and no allocation, whatever the number of nodes. A node is a stable name,
//! such as that of a pod of a StatefulSet, with a weight; never an address.
//!
//! When nodes come, go, or change their weight, an [`Assigner`] fills the table anew:
//! - [`Assigner::MinMove`] (the default) starts from the table before, and moves the fewest slots that bring every node
//!   within one slot of its share. It needs that table: keep it with serde, or let one process decide for all.
//! - [`Assigner::Ring`] is a function of the members alone, for processes that agree on these and share nothing else. It
//!   is less even, moves more, and is slower to build; see there.
//!
//! This crate is pure: it reads no clock, no environment, no file and no network, and every machine computes the same map
//! from the same input, in whatever order the members are given.
//!
//! # Examples
//! ```
//! use metaparticle_shard::{Layout, Members};
//!
//! let layout = Layout::default();
//! let three = Members::named(["users-0", "users-1", "users-2"])?;
//! let map = layout.build(&three)?;
//! assert!(map.owner("alice").name().starts_with("users-"));
//!
//! let four = Members::named(["users-0", "users-1", "users-2", "users-3"])?;
//! let next = layout.rebalance(&map, &four)?;
//! let moves: Vec<_> = next.moves_from(&map)?.collect();
//! assert_eq!(moves.len(), 16_384 / 4); // a quarter, and all of it to the new node
//! assert!(moves.iter().all(|it| it.to.name() == "users-3"));
//! # Ok::<(), metaparticle_shard::Error>(())
//! ```
//!
//! # Assumptions
//! Keys are not chosen by an adversary: the hash is frozen and public, so that somebody who chooses keys can choose those
//! of one slot. That slot's node gets their load; no lookup gets slower by it.

mod error;
mod hash;
mod layout;
mod map;
mod member;
mod min_move;
mod ring;
mod shared;
mod slot;

pub use error::Error;
pub use hash::hash;
pub use layout::{Access, Assigner, Layout};
pub use map::{Move, Replicas, ShardMap};
pub use member::{Members, Node, NodeId};
pub use ring::Ring;
pub use shared::{Reader, Shared};
pub use slot::{Slot, Slots};
