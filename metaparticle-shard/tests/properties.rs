//! What holds for every map, whatever happened to its nodes. Each property is tried 1,000 times, or as often as
//! `METAPARTICLE_SHARD_CASES` says; CI says 10,000.

mod model;

use std::{cell::Cell, num::NonZeroU8};

use metaparticle_shard::{Access, Assigner, Layout, Members, Ring, ShardMap};
use model::{Batch, Model, batches};
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestCaseResult, TestRunner},
};

fn cases() -> u32 {
    match std::env::var("METAPARTICLE_SHARD_CASES") {
        Ok(cases) => cases.parse().expect("METAPARTICLE_SHARD_CASES is a number"),
        Err(_) => 1_000,
    }
}

/// Counts of one property, to see that it had something to judge.
#[derive(Default)]
struct Seen {
    maps: Cell<u64>,
    moves: Cell<u64>,
    forced: Cell<u64>,
}

impl Seen {
    fn add(to: &Cell<u64>, count: u64) {
        to.set(to.get() + count);
    }
}

#[allow(clippy::print_stdout, reason = "how much was judged")]
fn try_all<S: Strategy>(strategy: &S, test: impl Fn(S::Value, &Seen) -> TestCaseResult) {
    let seen = Seen::default();
    let tried = Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    });
    let done = runner.run(strategy, |input| {
        tried.set(tried.get() + 1);
        test(input, &seen)
    });
    if let Err(error) = done {
        panic!("{error}");
    }
    assert!(tried.get() >= cases());
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let [maps, moves, forced] = [&seen.maps, &seen.moves, &seen.forced].map(Cell::get);
    let cases = tried.get();
    println!(
        "{test}: {cases} cases, {maps} maps, {moves} moves, {forced} of them forced between unchanged nodes"
    );
}

fn layout(bits: u32, replicas: u8) -> Layout {
    Layout::try_new(1 << bits, replicas, Assigner::MinMove, Access::Exclusive).expect("valid")
}

/// Goes through the batches, and gives each map with the one before it. What cannot be a set of members is left out.
fn walk(
    layout: &Layout,
    batches: &[Batch],
    mut judge: impl FnMut(Option<&ShardMap>, &ShardMap) -> TestCaseResult,
) -> TestCaseResult {
    let mut model = Model::default();
    let mut before: Option<ShardMap> = None;
    for batch in batches {
        let Some(members) = model.apply(batch, layout.slots().count()) else {
            continue;
        };
        let next = match &before {
            None => layout.build(&members),
            Some(map) => layout.rebalance(map, &members),
        };
        let next = next.expect("the model allows it");
        judge(before.as_ref(), &next)?;
        before = Some(next);
    }
    Ok(())
}

#[test]
fn any_changes_leave_every_node_within_one_slot_of_its_share_by_the_fewest_moves() {
    let input = (0_u32..=11, batches(1..=24, 0..=9));
    try_all(&input, |(bits, batches), seen| {
        walk(&layout(bits, 1), &batches, |before, map| {
            Seen::add(&seen.maps, 1);
            prop_assert!(model::is_even(map), "{:?}", map.counts());
            if let Some(before) = before {
                let moves = map.moves_from(before).expect("one layout").count() as u64;
                prop_assert_eq!(moves, model::fewest_moves(before, map.members()));
                Seen::add(&seen.moves, moves);
            }
            Ok(())
        })
    });
}

#[test]
fn equal_weights_never_move_a_slot_between_nodes_that_stay() {
    let input = (0_u32..=11, batches(1..=24, 1..=1));
    try_all(&input, |(bits, batches), seen| {
        walk(&layout(bits, 1), &batches, |before, map| {
            Seen::add(&seen.maps, 1);
            if let Some(before) = before {
                let moves = map.moves_from(before).expect("one layout").count() as u64;
                prop_assert_eq!(model::collateral(before, map), 0);
                Seen::add(&seen.moves, moves);
            }
            Ok(())
        })
    });
}

#[test]
fn different_weights_move_a_slot_between_unchanged_nodes_only_where_every_even_table_does() {
    let input = (0_u32..=6, batches(1..=6, 0..=9));
    try_all(&input, |(bits, batches), seen| {
        walk(&layout(bits, 1), &batches, |before, map| {
            Seen::add(&seen.maps, 1);
            if let Some(before) = before {
                let collateral = model::collateral(before, map);
                prop_assert_eq!(collateral, model::least_collateral(before, map.members()));
                Seen::add(&seen.forced, collateral);
                Seen::add(
                    &seen.moves,
                    map.moves_from(before).expect("one layout").count() as u64,
                );
            }
            Ok(())
        })
    });
}

#[test]
fn the_order_of_members_does_not_matter() {
    let order = proptest::collection::vec(any::<Index>(), 24);
    let input = (0_u32..=9, batches(1..=24, 0..=9), order);
    try_all(&input, |(bits, batches, order), seen| {
        let layout = layout(bits, 2);
        walk(&layout, &batches, |before, map| {
            Seen::add(&seen.maps, 1);
            let mut nodes: Vec<_> = map.members().iter().cloned().collect();
            let count = nodes.len();
            for (place, index) in order.iter().enumerate().take(count) {
                nodes.swap(place, index.index(count));
            }
            let members = Members::try_new(nodes).expect("the same members");
            let other = match before {
                None => layout.build(&members),
                Some(before) => layout.rebalance(before, &members),
            };
            prop_assert_eq!(&other.expect("the same"), map);
            Ok(())
        })
    });
}

#[test]
fn a_map_that_was_stored_and_read_goes_on_as_if_it_had_not_been() {
    let input = (0_u32..=7, 1_u8..=4, batches(1..=16, 0..=9));
    try_all(&input, |(bits, replicas, batches), seen| {
        let layout = layout(bits, replicas);
        walk(&layout, &batches, |before, map| {
            Seen::add(&seen.maps, 1);
            let text = serde_json::to_string(map).expect("writes");
            let read: ShardMap = serde_json::from_str(&text).expect("reads");
            prop_assert_eq!(&read, map);
            if let Some(before) = before {
                let text = serde_json::to_string(before).expect("writes");
                let read: ShardMap = serde_json::from_str(&text).expect("reads");
                let next = layout.rebalance(&read, map.members()).expect("valid");
                prop_assert_eq!(&next, map);
            }
            Ok(())
        })
    });
}

#[test]
fn replicas_are_different_nodes_with_a_weight_and_the_owner_comes_first() {
    let input = (0_u32..=9, 1_u8..=16, batches(1..=24, 0..=9));
    try_all(&input, |(bits, replicas, batches), seen| {
        let layout = layout(bits, replicas);
        walk(&layout, &batches, |_, map| {
            Seen::add(&seen.maps, 1);
            let weighty = map
                .members()
                .iter()
                .filter(|node| node.weight() > 0)
                .count();
            let expected = weighty.min(usize::from(layout.replicas().get()));
            for slot in map.slots().iter() {
                let nodes: Vec<_> = map.replicas_of(slot).expect("a slot of the map").collect();
                prop_assert_eq!(nodes.len(), expected);
                prop_assert_eq!(Some(nodes[0]), map.owner_of(slot));
                prop_assert!(nodes.iter().all(|node| node.weight() > 0));
                let names: std::collections::BTreeSet<_> =
                    nodes.iter().map(|it| it.name()).collect();
                prop_assert_eq!(names.len(), expected, "{:?}", nodes);
            }
            Ok(())
        })
    });
}

#[test]
fn a_ring_is_a_function_of_the_members_and_keeps_its_bound() {
    let members = proptest::collection::btree_map(0_u16..200, 0_u32..=5, 1..12);
    let input = (0_u32..=8, 1_u16..=40, 0_u8..=100, members);
    try_all(&input, |(bits, points, slack, nodes), seen| {
        let ring = Ring::try_new(points)
            .expect("valid")
            .with_slack(Some(slack));
        let layout = Layout::try_new(1 << bits, 1, Assigner::Ring(ring), Access::Shared);
        let layout = layout.expect("valid");
        let Some(members) = model::members(&nodes) else {
            return Ok(());
        };
        let Ok(map) = layout.build(&members) else {
            prop_assert!(members.iter().filter(|it| it.weight() > 0).count() > 1 << bits);
            return Ok(());
        };
        Seen::add(&seen.maps, 1);
        let reversed = Members::try_new(members.iter().rev().cloned()).expect("the same");
        prop_assert_eq!(&layout.build(&reversed).expect("the same"), &map);
        let sum: u64 = members.iter().map(|node| u64::from(node.weight())).sum();
        for (node, count) in members.iter().zip(map.counts()) {
            let part = (1_u64 << bits) * u64::from(node.weight()) * (100 + u64::from(slack));
            prop_assert!(
                u64::from(count) <= part.div_ceil(sum * 100),
                "{node:?} has {count}"
            );
        }
        Ok(())
    });
}

#[test]
fn layouts_say_what_they_were_given() {
    let layout = Layout::default();
    assert_eq!(
        (layout.slots().count(), layout.replicas()),
        (16_384, NonZeroU8::MIN)
    );
    assert_eq!(layout.assigner(), Assigner::MinMove);
}
