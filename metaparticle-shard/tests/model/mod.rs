//! What the map is judged by: sets of members as a table of weights, and the best that any assigner could do, found
//! without the code of the crate.

use std::{collections::BTreeMap, ops::RangeInclusive};

use metaparticle_shard::{Members, Node, ShardMap};
use proptest::prelude::*;

/// What happens to one node.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// It is there with this weight, whether it was or not.
    Have(u16, u32),
    /// It leaves.
    Lose(u16),
}

/// What happens at once.
pub(crate) type Batch = Vec<Change>;

pub(crate) fn batches(
    nodes: RangeInclusive<u16>,
    weights: RangeInclusive<u32>,
) -> impl Strategy<Value = Vec<Batch>> {
    let have =
        (nodes.clone(), weights.clone()).prop_map(|(node, weight)| Change::Have(node, weight));
    let lose = nodes.clone().prop_map(Change::Lose);
    let change = prop_oneof![3 => have, 2 => lose];
    let later = prop::collection::vec(prop::collection::vec(change, 1..4), 1..6);
    let first = prop::collection::btree_map(nodes, weights, 1..20).prop_map(|nodes| {
        let have = |(node, weight)| Change::Have(node, weight);
        nodes.into_iter().map(have).collect::<Batch>()
    });
    (first, later).prop_map(|(first, later)| std::iter::once(first).chain(later).collect())
}

/// The nodes of now, and their weights.
#[derive(Debug, Default)]
pub(crate) struct Model(BTreeMap<u16, u32>);

impl Model {
    /// The members after the batch; none, and nothing happens, where a map cannot have them.
    pub(crate) fn apply(&mut self, batch: &Batch, slots: u32) -> Option<Members> {
        let mut nodes = self.0.clone();
        for change in batch {
            match change {
                Change::Have(node, weight) => nodes.insert(*node, *weight),
                Change::Lose(node) => nodes.remove(node),
            };
        }
        let weighty = nodes.values().filter(|weight| **weight > 0).count();
        if weighty == 0 || weighty > slots as usize {
            return None;
        }
        self.0 = nodes;
        members(&self.0)
    }
}

/// As members; none if no weight is above zero.
pub(crate) fn members(nodes: &BTreeMap<u16, u32>) -> Option<Members> {
    let node = |(node, weight): (&u16, &u32)| Node::try_new(format!("node-{node}"), *weight);
    Members::try_new(nodes.iter().map(node).map(|node| node.expect("a name"))).ok()
}

/// For each of `members`: slots that it has in `before`, its share rounded down, whether it is rounded, whether it was
/// there with the same weight.
struct Part {
    has: u64,
    down: u64,
    rounded: bool,
    unchanged: bool,
}

fn parts(before: &ShardMap, members: &Members) -> Vec<Part> {
    let sum: u64 = members.iter().map(|node| u64::from(node.weight())).sum();
    let part = |node: &Node| {
        let share = u64::from(before.slots().count()) * u64::from(node.weight());
        Part {
            has: before.slots_of(node.name()).count() as u64,
            down: share / sum,
            rounded: share % sum > 0,
            unchanged: before.members().iter().any(|old| old == node),
        }
    };
    members.iter().map(part).collect()
}

/// Each node has its share of the slots, rounded down or up.
pub(crate) fn is_even(map: &ShardMap) -> bool {
    let slots: u64 = map.counts().iter().map(|count| u64::from(*count)).sum();
    let parts = parts(map, map.members());
    slots == u64::from(map.slots().count())
        && parts
            .iter()
            .all(|part| part.has == part.down || (part.rounded && part.has == part.down + 1))
}

/// The fewest moves that lead to an even table: each node keeps what it has up to its share rounded down, and up to as many
/// as are left over keep one more.
pub(crate) fn fewest_moves(before: &ShardMap, members: &Members) -> u64 {
    let slots = u64::from(before.slots().count());
    let parts = parts(before, members);
    let over = slots - parts.iter().map(|part| part.down).sum::<u64>();
    let keep: u64 = parts.iter().map(|part| part.has.min(part.down)).sum();
    let more = parts
        .iter()
        .filter(|part| part.rounded && part.has > part.down);
    slots - keep - over.min(more.count() as u64)
}

/// Slots that moved between nodes that were there before, and are, with the same weight.
pub(crate) fn collateral(before: &ShardMap, after: &ShardMap) -> u64 {
    let same = |node: &Node| {
        let is = |other: &Node| other == node;
        before.members().iter().any(is) && after.members().iter().any(is)
    };
    let moves = after.moves_from(before).expect("one layout");
    moves.filter(|it| same(it.from) && same(it.to)).count() as u64
}

/// The least collateral of all even tables that need the fewest moves: every way to round is tried.
pub(crate) fn least_collateral(before: &ShardMap, members: &Members) -> u64 {
    let slots = u64::from(before.slots().count());
    let parts = parts(before, members);
    let rounded: Vec<usize> = (0..parts.len()).filter(|id| parts[*id].rounded).collect();
    let mut best = (u64::MAX, u64::MAX);
    for up in 0_u32..1 << rounded.len() {
        let mut targets: Vec<u64> = parts.iter().map(|part| part.down).collect();
        for (bit, id) in rounded.iter().enumerate() {
            targets[*id] += u64::from(up >> bit & 1);
        }
        if targets.iter().sum::<u64>() != slots {
            continue;
        }
        let (mut kept, mut gives, mut takes) = (0, 0, 0);
        for (part, target) in parts.iter().zip(targets) {
            kept += part.has.min(target);
            if part.unchanged {
                gives += part.has.saturating_sub(target);
                takes += target.saturating_sub(part.has);
            }
        }
        // What unchanged nodes give goes to others as far as these take anything.
        let moves = slots - kept;
        best = best.min((moves, (gives + takes).saturating_sub(moves)));
    }
    best.1
}
