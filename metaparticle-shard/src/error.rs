//! Why a map cannot be made.

use crate::{Layout, Members, Ring, Slots};

/// Why a map, or a part of its configuration, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number of slots that is no power of two from 1 to 2^20.
    #[error("{0} slots: must be a power of two from 1 to {max}", max = Slots::MAX.count())]
    Slots(u32),
    /// A number of replicas outside of 1 to 16.
    #[error("{0} replicas a slot: must be from 1 to {max}", max = Layout::MAX_REPLICAS)]
    Replicas(u8),
    /// An empty or overlong name.
    #[error("the name of a node has {0} bytes: must be from 1 to {max}", max = Members::MAX_NAME)]
    Name(usize),
    /// No node at all.
    #[error("a map needs at least one node")]
    NoNodes,
    /// More nodes than a map can have.
    #[error("{0} nodes: at most {max} are allowed", max = Members::MAX)]
    TooManyNodes(usize),
    /// The same name twice.
    #[error("node {0:?} is there twice: names must differ")]
    Duplicate(String),
    /// Nobody may have a slot.
    #[error("the weight of every node is zero: at least one must be above")]
    NoWeight,
    /// Some node with a weight would be left without a slot.
    #[error(
        "{nodes} nodes with a weight above zero, but only {slots} slots: at most one node a slot"
    )]
    MoreNodesThanSlots {
        /// Nodes with a weight above zero.
        nodes: usize,
        /// Slots of the layout.
        slots: u32,
    },
    /// A ring decides nothing exclusively: two processes that see different members give a slot to two nodes.
    #[error(
        "a ring cannot assign exclusive shards: processes that see different members would give a slot two owners; \
         take MinMove"
    )]
    ExclusiveRing,
    /// A number of points outside of 1 to 65,535 a unit of weight, or too many of them altogether.
    #[error("a ring of {0} points: must have 1 to {max}", max = Ring::MAX_POINTS)]
    Points(u64),
    /// Two maps, or a map and a layout, that do not fit together.
    #[error("one has {left} slots, the other {right}: the number of slots of a map is for ever")]
    OtherSlots {
        /// Of the first.
        left: u32,
        /// Of the second.
        right: u32,
    },
    /// A stored map of a format or hash that this version does not know.
    #[error("the stored map is of format {0:?}: this version reads {known:?}", known = crate::map::FORMAT)]
    Format(String),
    /// A stored map gives a slot to a node that is not there, or that has no weight.
    #[error(
        "slot {slot} of the stored map belongs to node number {node}, which is not there or has no weight"
    )]
    Owner {
        /// Index of the slot.
        slot: usize,
        /// What stands there.
        node: u16,
    },
}
