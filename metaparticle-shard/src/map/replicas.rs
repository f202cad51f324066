//! Which nodes come after the owner of a slot.
//!
//! From its own slot, a walk over all slots by a linear congruential step (a permutation, so that each place of the walk
//! finds every owner as often as it has slots) takes each owner that it has not met yet. A node that leaves, or joins,
//! changes the replicas where it had a part, and few others.

use crate::{Members, Node, NodeId};

/// Of a full period modulo every power of two, as 1 modulo 4 with an odd increment is (Hull and Dobell 1962); the constant
/// is from Steele and Vigna, "Computationally easy, spectrally good multipliers" (2021), for 32 bits.
const MULTIPLIER: usize = 0x915f_77f5;
const INCREMENT: usize = 0x9e37_79b9;

/// Steps of the walk, a replica; who has not been met by then has very few slots, and nodes are taken in order.
const PATIENCE: usize = 32;

/// The nodes of a key or slot, its owner first.
#[derive(Clone, Debug)]
pub struct Replicas<'a> {
    nodes: &'a [Node],
    row: std::slice::Iter<'a, u16>,
}

impl<'a> Replicas<'a> {
    #[inline]
    pub(super) fn new(nodes: &'a [Node], row: &'a [u16]) -> Self {
        let row = row.iter();
        Self { nodes, row }
    }

    /// Their numbers instead, for tables of one's own.
    #[inline]
    #[must_use]
    pub fn ids(self) -> impl ExactSizeIterator<Item = NodeId> + use<'a> {
        self.row.map(|id| NodeId(*id))
    }
}

impl<'a> Iterator for Replicas<'a> {
    type Item = &'a Node;

    #[inline]
    fn next(&mut self) -> Option<&'a Node> {
        self.row.next().map(|id| &self.nodes[usize::from(*id)])
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.row.size_hint()
    }
}

impl ExactSizeIterator for Replicas<'_> {}

/// For each slot `replicas` nodes; nothing if that is the owner alone. There are as many nodes with a weight.
pub(super) fn table(owners: &[u16], members: &Members, replicas: usize) -> Box<[u16]> {
    if replicas == 1 {
        return Box::default();
    }
    let mut table = vec![0; owners.len() * replicas];
    for (slot, row) in table.chunks_exact_mut(replicas).enumerate() {
        row[0] = owners[slot];
        let mut place = slot;
        let mut found = 1;
        let mut steps = PATIENCE * replicas;
        while found < replicas && steps > 0 {
            steps -= 1;
            place = place.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & (owners.len() - 1);
            let owner = owners[place];
            if !row[..found].contains(&owner) {
                row[found] = owner;
                found += 1;
            }
        }
        if found < replicas {
            in_order(row, found, slot, members);
        }
    }
    table.into()
}

/// Fills the row from its place `found` on with nodes that have a weight, in order, from one that differs by slot.
#[expect(clippy::cast_possible_truncation, reason = "at most 10,000 nodes")]
fn in_order(row: &mut [u16], mut found: usize, slot: usize, members: &Members) {
    let nodes = members.nodes();
    for step in 0..nodes.len() {
        let id = (slot + step) % nodes.len();
        if found < row.len() && nodes[id].weight() > 0 && !row[..found].contains(&(id as u16)) {
            row[found] = id as u16;
            found += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_meets_every_slot_once() {
        for bits in 0..=20 {
            let slots = 1_usize << bits;
            let mut met = vec![false; slots];
            let mut place = 0_usize;
            for _ in 0..slots {
                place = place.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & (slots - 1);
                assert!(!met[place], "{place} twice among {slots}");
                met[place] = true;
            }
        }
    }
}
