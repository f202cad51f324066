//! The map: who has which slot.

mod moves;
mod replicas;
mod stored;

pub use moves::Move;
pub use replicas::Replicas;
pub(crate) use stored::FORMAT;

use std::num::NonZeroU8;

use serde::{Deserialize, Serialize};

use crate::{Error, Members, Node, NodeId, Slot, Slots, hash};

/// Which node has each slot, and with [replicas](Self::replicas), which nodes come next.
///
/// Every slot has an owner with a weight above zero. A map never changes: the next one comes from
/// [`Layout::rebalance`](crate::Layout::rebalance), and [`Shared`](crate::Shared) hands it to the readers.
///
/// # Memory
/// Two bytes a slot; with more than one replica, two more a slot and replica; and the nodes, of which clones share one copy.
///
/// # Stored
/// With serde as the nodes (name, weight), the number of replicas, and the owner of each slot as its number in that list.
/// A stored map that breaks a rule is refused when it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "stored::Stored", into = "stored::Stored")]
pub struct ShardMap {
    /// `hash >> 1 >> shift` is the slot: in two steps, because one slot would shift by 64.
    shift: u32,
    /// The owner of each slot.
    owners: Box<[u16]>,
    /// How many nodes of each slot stand in `table`.
    replicas: usize,
    /// For each slot its owner and those that come next; empty if there are owners only.
    table: Box<[u16]>,
    members: Members,
}

impl ShardMap {
    /// A map of these owners, each of which is the number of a node with a weight above zero.
    pub(crate) fn new(owners: Box<[u16]>, members: Members, replicas: NonZeroU8) -> Self {
        debug_assert!(owners.len().is_power_of_two());
        let replicas = members.weighty().min(usize::from(replicas.get()));
        let table = replicas::table(&owners, &members, replicas);
        Self {
            shift: 63 - owners.len().trailing_zeros(),
            owners,
            replicas,
            table,
            members,
        }
    }

    /// The slot of a key: the first bits of its [`hash`].
    #[inline]
    #[must_use]
    pub fn slot(&self, key: impl AsRef<[u8]>) -> Slot {
        Slot::new((hash(key.as_ref()) >> 1 >> self.shift) as usize)
    }

    /// Who has the key: the owner of its slot. Takes some 5 ns for a key of 20 bytes, and allocates nothing.
    #[inline]
    #[must_use]
    pub fn owner(&self, key: impl AsRef<[u8]>) -> &Node {
        self.node(self.owner_id(key))
    }

    /// The number of the node that has the key, for tables of one's own.
    #[inline]
    #[must_use]
    pub fn owner_id(&self, key: impl AsRef<[u8]>) -> NodeId {
        NodeId(self.owners[self.slot(key).index()])
    }

    /// Who has the slot; none if it is of a map with more slots.
    #[inline]
    #[must_use]
    pub fn owner_of(&self, slot: Slot) -> Option<&Node> {
        let id = self.owners.get(slot.index())?;
        Some(self.node(NodeId(*id)))
    }

    /// The nodes for a key, all different: its owner first, then those that stand in for it, in that order.
    ///
    /// As many as the [layout](crate::Layout) says, or all nodes with a weight above zero, if there are fewer. A function
    /// of the owners of all slots: where no owner changes, no replica does. Takes some 5 ns, and allocates nothing.
    #[inline]
    #[must_use]
    pub fn replicas(&self, key: impl AsRef<[u8]>) -> Replicas<'_> {
        Replicas::new(self.members.nodes(), self.row(self.slot(key).index()))
    }

    /// The nodes for a slot, as for [a key](Self::replicas); none if it is of a map with more slots.
    #[must_use]
    pub fn replicas_of(&self, slot: Slot) -> Option<Replicas<'_>> {
        let known = slot.index() < self.owners.len();
        known.then(|| Replicas::new(self.members.nodes(), self.row(slot.index())))
    }

    #[inline]
    fn row(&self, slot: usize) -> &[u16] {
        if self.table.is_empty() {
            &self.owners[slot..=slot]
        } else {
            let begin = slot * self.replicas;
            &self.table[begin..begin + self.replicas]
        }
    }

    /// The node of a number of this map.
    ///
    /// # Panics
    /// When the number is of a map with more nodes.
    #[inline]
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.members.nodes()[id.index()]
    }

    /// The nodes, also those of weight zero.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// How many slots.
    ///
    /// # Panics
    /// Never: a map has a power of two of them.
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^20 slots")]
    #[must_use]
    pub fn slots(&self) -> Slots {
        Slots::try_new(self.owners.len() as u32).expect("a map has a power of two of slots")
    }

    /// The slots of a node, in order; none for a name that is not there.
    pub fn slots_of(&self, name: &str) -> impl Iterator<Item = Slot> + use<'_> {
        let id = self.members.id(name).map(|id| id.0);
        let owned =
            move |(slot, owner): (usize, &u16)| (Some(*owner) == id).then(|| Slot::new(slot));
        self.owners.iter().enumerate().filter_map(owned)
    }

    /// How many slots each node has, by [`NodeId`].
    #[must_use]
    pub fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.members.len()];
        for owner in &self.owners {
            counts[usize::from(*owner)] += 1;
        }
        counts
    }

    /// What changed hands between `before` and this, in the order of slots.
    ///
    /// # Errors
    /// [`Error::OtherSlots`] when the two have different numbers of slots.
    pub fn moves_from<'a>(
        &'a self,
        before: &'a Self,
    ) -> Result<impl Iterator<Item = Move<'a>>, Error> {
        moves::between(before, self)
    }

    #[inline]
    pub(crate) fn owners(&self) -> &[u16] {
        &self.owners
    }
}
