//! The fewest moves: what a node has above its share goes to those that lack, and nothing else moves.
//!
//! A node's share is `slots x weight / sum of weights`. Everybody gets it rounded down; the slots that are left over go one
//! each to nodes whose share was rounded: first to those that have one more already, which saves a move each. That no
//! even table is nearer follows: a node keeps at most what it has and at most what it may have, and the sum of these is
//! as large as it can be.

use crate::{Members, ShardMap, Slots};

/// Stands for no node; numbers of nodes end at 10,000.
const NOBODY: u16 = u16::MAX;

/// The owner of each slot. There are at least as many slots as nodes with a weight.
#[expect(clippy::cast_possible_truncation, reason = "at most 10,000 nodes")]
pub(crate) fn assign(slots: Slots, before: Option<&ShardMap>, members: &Members) -> Box<[u16]> {
    let mut owners = before.map_or_else(
        || vec![NOBODY; slots.len()].into_boxed_slice(),
        |map| map.owners().into(),
    );
    let nodes = before.map_or_else(
        || Census::empty(members.len()),
        |map| Census::take(&mut owners, map.members(), members),
    );
    let targets = targets(slots, members, &nodes);

    // What is free, that of nodes that stay as they are apart.
    let mut kept = vec![0; members.len()];
    let mut of_unchanged = Vec::new();
    let mut of_others = Vec::new();
    for (slot, owner) in owners.iter_mut().enumerate() {
        let id = usize::from(*owner);
        if *owner == NOBODY {
            of_others.push(slot);
        } else if kept[id] < targets[id] {
            kept[id] += 1;
        } else if nodes.unchanged[id] {
            of_unchanged.push(slot);
        } else {
            of_others.push(slot);
        }
    }

    // Nodes that changed take from the back, first what unchanged nodes gave; unchanged ones from the front, what others
    // gave. So unchanged nodes exchange nothing among themselves unless nothing else is left.
    let mut free = of_others.into_iter().chain(of_unchanged);
    for changed in [true, false] {
        for id in (0..members.len()).filter(|id| nodes.unchanged[*id] != changed) {
            for _ in kept[id]..targets[id] {
                let slot = if changed {
                    free.next_back()
                } else {
                    free.next()
                };
                owners[slot.expect("the targets add up to the slots")] = id as u16;
            }
        }
    }
    debug_assert!(free.next().is_none(), "the targets add up to the slots");
    owners
}

/// What is known of each node of the next map.
struct Census {
    /// Slots that it has now.
    counts: Vec<u32>,
    /// It was there before, with the same weight.
    unchanged: Vec<bool>,
}

impl Census {
    fn empty(nodes: usize) -> Self {
        Self {
            counts: vec![0; nodes],
            unchanged: vec![false; nodes],
        }
    }

    /// Renumbers the owners, from the nodes before to the nodes after, and counts.
    fn take(owners: &mut [u16], before: &Members, after: &Members) -> Self {
        let mut census = Self::empty(after.len());
        let renumbered: Vec<u16> = before
            .renumbered(after)
            .into_iter()
            .map(|id| id.unwrap_or(NOBODY))
            .collect();
        for (node, id) in before.iter().zip(&renumbered) {
            if let Some(same) = after.nodes().get(usize::from(*id)) {
                census.unchanged[usize::from(*id)] = same.weight() == node.weight();
            }
        }
        for owner in owners {
            *owner = renumbered[usize::from(*owner)];
            if let Some(count) = census.counts.get_mut(usize::from(*owner)) {
                *count += 1;
            }
        }
        census
    }
}

/// How many slots each node is to have: its share, rounded down or up.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 2^20 slots and 10,000 nodes"
)]
fn targets(slots: Slots, members: &Members, nodes: &Census) -> Vec<u32> {
    let mut targets = Vec::with_capacity(members.len());
    let mut rounded = Vec::with_capacity(members.len());
    let mut over = slots.count();
    for (id, node) in members.iter().enumerate() {
        // 20 bits of slots by 32 of weight.
        let share = u64::from(slots.count()) * u64::from(node.weight());
        let (down, rest) = ((share / members.sum()) as u32, share % members.sum());
        targets.push(down);
        over -= down;
        if rest > 0 {
            let rank = match (nodes.counts[id] > down, nodes.unchanged[id]) {
                (true, true) => 0,
                (true, false) => 1,
                (false, false) => 2,
                (false, true) => 3,
            };
            // The larger fraction first; of equals the first by name.
            rounded.push((rank, u64::MAX - rest, id));
        }
    }
    // Each fraction is below one and they add up to `over`, so there are more of them than that.
    if let Some(last) = over.checked_sub(1) {
        rounded.select_nth_unstable(last as usize);
        for (_, _, id) in &rounded[..=last as usize] {
            targets[*id] += 1;
        }
    }
    targets
}
