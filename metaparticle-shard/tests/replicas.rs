//! How even the replicas are, whom the load of a lost node falls to, and how many of them a change replaces.

use std::collections::{BTreeMap, BTreeSet};

use metaparticle_shard::{Access, Assigner, Layout, Members, Node, ShardMap};

const SLOTS: usize = 1 << 14;

fn layout() -> Layout {
    Layout::try_new(1 << 14, 3, Assigner::MinMove, Access::Shared).expect("valid")
}

fn named(count: usize) -> Members {
    Members::named((0..count).map(|number| format!("node-{number}"))).expect("valid")
}

/// A map after some history, so that the nodes no longer have their slots in one piece.
fn worn(count: usize) -> ShardMap {
    let layout = layout();
    let mut map = layout.build(&named(count / 2)).expect("valid");
    for size in [count + 7, count - 3, count] {
        map = layout.rebalance(&map, &named(size)).expect("valid");
    }
    map
}

fn rows(map: &ShardMap) -> Vec<Vec<&str>> {
    let row = |slot| {
        map.replicas_of(slot)
            .expect("a slot of the map")
            .map(Node::name)
    };
    map.slots().iter().map(|slot| row(slot).collect()).collect()
}

fn most<'a>(names: impl Iterator<Item = &'a str>) -> (usize, usize) {
    let mut counts = BTreeMap::<&str, usize>::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    (
        counts.len(),
        counts.values().copied().max().unwrap_or_default(),
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts of some thousands")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn every_place_among_the_replicas_is_even() {
    for (count, bound) in [(4, 1.05), (10, 1.05), (100, 1.10)] {
        for map in [layout().build(&named(count)).expect("valid"), worn(count)] {
            let rows = rows(&map);
            for place in 0..3 {
                let (_, most) = most(rows.iter().map(|row| row[place]));
                let ratio = ratio(most * count, SLOTS);
                println!("{count} nodes, place {place}: {ratio:.3}");
                assert!(ratio < bound, "{count} nodes, place {place}: {ratio}");
            }
        }
    }
}

#[test]
fn the_load_of_a_lost_node_falls_to_all_others() {
    for map in [layout().build(&named(100)).expect("valid"), worn(100)] {
        let rows = rows(&map);
        for lost in map.members() {
            let next = rows
                .iter()
                .filter(|row| row[0] == lost.name())
                .map(|row| row[1]);
            let (nodes, most) = most(next);
            // 164 slots: chance alone would leave 80 of the 99 with something, and give seven or so to one.
            assert!(
                nodes >= 60 && most <= 12,
                "{nodes} nodes, {most} slots to one of them"
            );
        }
    }
}

/// Replicas that are new to their slot, over those that the change is about.
fn replaced(before: &ShardMap, after: &ShardMap, count: usize) -> f64 {
    let (before, after) = (rows(before), rows(after));
    let new = |(old, new): (&Vec<&str>, &Vec<&str>)| {
        let old: BTreeSet<_> = old.iter().collect();
        new.iter().filter(|node| !old.contains(node)).count()
    };
    let replaced: usize = before.iter().zip(&after).map(new).sum();
    ratio(replaced * count, 3 * SLOTS)
}

#[test]
fn a_change_replaces_few_replicas_beyond_its_own() {
    for count in [4, 10, 100] {
        let map = worn(count);
        let joined = layout().rebalance(&map, &named(count + 1)).expect("valid");
        let fewer = map.members().without("node-2").expect("valid");
        let left = layout().rebalance(&map, &fewer).expect("valid");
        let ratios = [
            replaced(&map, &joined, count + 1),
            replaced(&map, &left, count),
        ];
        println!("{count} nodes: {ratios:.2?} of the ideal");
        assert!(
            ratios.iter().all(|ratio| (0.9..1.4).contains(ratio)),
            "{count} nodes: {ratios:?}"
        );
    }
}
