//! The map of shards beside other crates, all in one process, one after the other (`cargo xtask peers hash`).
//!
//! Prints a table a number of nodes. Times are of this thread's processor time:
//! - **lookup**, **three**: nanoseconds a key of 20 bytes, hashing included; of batches of 4,096 out of 65,536 keys,
//!   taken at three moments, the median and the tenth of a hundred;
//! - **build**, **join**: microseconds, the median; a join is what a crate needs to know one node more;
//! - **KiB**: allocated and kept;
//! - **max/mean**: keys of the fullest node over the mean, of 4,000,000 (a perfect hash has 1.002 at 10 nodes, 1.01 at 100,
//!   1.05 at 1,000, 1.2 at 10,000, by chance);
//! - **moved**: keys of 1,000,000 that changed their node when one joined, and when one in the middle left (where a crate
//!   cannot do that, the last), over the ideal; of these those between two nodes that stayed (**collateral**).

mod memory;
mod peers;
mod timing;

use std::{collections::HashMap, fmt::Write};

use metaparticle_shard::Members;
use peers::{Anchor, ConsistentHash, HashRing, Jump, Ketama, Maglev, Ours, Peer};
use timing::{Lookups, micros, repeat, repeat_on};

/// As long-lived as the program, because a crate wants that.
pub(crate) type Keys = &'static [&'static str];

const BALANCE: usize = 4_000_000;
const MOVES: usize = 1_000_000;

fn main() {
    let keys = keys();
    // One less than the most, so that one can join.
    for nodes in [10, 100, 1_000, 9_999] {
        say(&format!("\n{nodes} nodes"));
        say(
            "| crate | lookup ns, median (p10) | three ns | build µs | join µs | KiB | max/mean | moved: join, leave | collateral |",
        );
        say("|---|---|---|---|---|---|---|---|---|");
        row(
            "MinMove, 16,384 slots",
            &Ours::min_move(1 << 14, 1),
            nodes,
            keys,
        );
        row(
            "MinMove, 16,384 slots, 3 replicas",
            &Ours::min_move(1 << 14, 3),
            nodes,
            keys,
        );
        row(
            "MinMove, 65,536 slots",
            &Ours::min_move(1 << 16, 1),
            nodes,
            keys,
        );
        row("Ring, 16,384 slots", &Ours::ring(Some(5)), nodes, keys);
        row("Ring without a bound", &Ours::ring(None), nodes, keys);
        row("consistent_hash, 160 points", &ConsistentHash, nodes, keys);
        row("hashring, 160 points", &HashRing, nodes, keys);
        row("pingora-ketama", &Ketama, nodes, keys);
        row("maglev-hash", &Maglev(None), nodes, keys);
        row("maglev-hash, 65,537", &Maglev(Some(65_537)), nodes, keys);
        row("anchorhash, room for twice", &Anchor, nodes, keys);
        row("jumphash", &Jump, nodes, keys);
    }
    exact();
}

#[allow(clippy::print_stdout, reason = "the result of the program")]
fn say(line: &str) {
    println!("{line}");
}

fn keys() -> Keys {
    let mut text = String::new();
    let mut ends = Vec::with_capacity(BALANCE);
    for number in 0..BALANCE {
        // Numbers of some digits in an order of no meaning: an odd factor modulo a power of two.
        let user = number.wrapping_mul(0x9e37_79b1) & 0x3ff_ffff;
        write!(text, "/users/{user:08}/cart").expect("a string takes everything");
        ends.push(text.len());
    }
    let text: &'static str = text.leak();
    let mut begin = 0;
    let slice = |end: usize| {
        let key = &text[begin..end];
        begin = end;
        key
    };
    ends.into_iter().map(slice).collect::<Vec<_>>().leak()
}

fn node_of<P: Peer>(map: &P::Map, key: &'static str) -> u32 {
    P::node(map, P::owner(map, key))
}

fn row<P: Peer>(name: &str, peer: &P, count: u32, keys: Keys) {
    let nodes: Vec<u32> = (0..count).collect();
    let (build, _) = repeat(|| peer.build(&nodes));
    let before = memory::live();
    let map = peer.build(&nodes);
    let kept = (memory::live() - before) / 1024;
    let mut lookup = Lookups::default();
    let mut three = Lookups::default();
    let mut measure = |map: &P::Map| {
        lookup.take(keys, |key| P::owner(map, key));
        if P::three(map, keys[0]).is_some() {
            three.take(keys, |key| {
                let found = P::three(map, key).unwrap_or_default();
                found[0] ^ found[1] ^ found[2]
            });
        }
    };
    measure(&map);
    let balance = balance(&nodes, keys.iter().map(|key| node_of::<P>(&map, key)));
    measure(&map);

    let owners: Vec<u32> = keys[..MOVES]
        .iter()
        .map(|key| P::owner(&map, key))
        .collect();
    let more: Vec<u32> = (0..=count).collect();
    let (join, after) = repeat_on(
        || peer.build(&nodes),
        |map| peer.update(map, &more, Some(count), None),
    );
    let (joined, aside) = moved(&owners, keys, |key| node_of::<P>(&after, key), count);
    let joined = ratio(joined, MOVES) * f64::from(count + 1);
    drop(after);
    measure(&map);

    let gone = if P::LAST_ONLY { count - 1 } else { count / 2 };
    let fewer: Vec<u32> = nodes.iter().copied().filter(|node| *node != gone).collect();
    let after = peer.update(map, &fewer, None, Some(gone));
    let had = owners.iter().filter(|owner| **owner == gone).count();
    let (left, also_aside) = moved(&owners, keys, |key| node_of::<P>(&after, key), gone);
    let left = ratio(left, had.max(1));
    say(&format!(
        "| {name} | {} | {} | {} | {} | {kept} | {balance:.3} | {joined:.2}, {left:.2} | {:.2} %, {:.2} % |",
        lookup.text(),
        three.text(),
        micros(build),
        micros(join),
        ratio(aside, MOVES) * 100.0,
        ratio(also_aside, MOVES) * 100.0,
    ));
}

/// The slots themselves, without keys: what sampling cannot show.
fn exact() {
    say("\nMinMove by its slots, no sampling");
    say(
        "| slots | nodes | max/mean | moved: join, leave, over the ideal | between nodes that stayed | rebalance alone µs |",
    );
    say("|---|---|---|---|---|---|");
    for (slots, count) in [
        (14, 10),
        (14, 100),
        (16, 100),
        (14, 1_000),
        (16, 1_000),
        (14, 9_999),
        (16, 9_999),
    ] {
        let Ours(layout) = Ours::min_move(1 << slots, 1);
        let named = |count: u32| Members::named((0..count).map(|node| format!("users-{node:05}")));
        let [members, more] =
            [named(count), named(count + 1)].map(|members| members.expect("valid"));
        let map = layout.build(&members).expect("valid");
        let gone = format!("users-{:05}", count / 2);
        let fewer = members.without(&gone).expect("valid");
        let (time, joined) = repeat(|| layout.rebalance(&map, &more).expect("valid"));
        let left = layout.rebalance(&map, &fewer).expect("valid");
        let new = format!("users-{count:05}");
        let moves = joined
            .moves_from(&map)
            .expect("one layout")
            .collect::<Vec<_>>();
        let back = left
            .moves_from(&map)
            .expect("one layout")
            .collect::<Vec<_>>();
        let aside = moves.iter().filter(|it| it.to.name() != new).count()
            + back.iter().filter(|it| it.from.name() != gone).count();
        let all = f64::from(layout.slots().count());
        let fullest = map.counts().into_iter().max().map_or(0.0, f64::from);
        say(&format!(
            "| {all} | {count} | {:.4} | {:.3}, {:.3} | {aside} | {} |",
            fullest * f64::from(count) / all,
            ratio(moves.len(), 1) * f64::from(count + 1) / all,
            ratio(back.len(), map.slots_of(&gone).count()),
            micros(time),
        ));
    }
}

fn balance(nodes: &[u32], owners: impl Iterator<Item = u32>) -> f64 {
    let mut counts: HashMap<u32, usize> = nodes.iter().map(|node| (*node, 0)).collect();
    let mut all = 0;
    for owner in owners {
        *counts.entry(owner).or_default() += 1;
        all += 1;
    }
    let fullest = counts.values().copied().max().unwrap_or_default();
    ratio(fullest * nodes.len(), all)
}

/// Keys that have another owner, and those of them that neither come from nor go to the node that came or went.
fn moved(
    owners: &[u32],
    keys: Keys,
    owner: impl Fn(&'static str) -> u32,
    node: u32,
) -> (usize, usize) {
    let (mut moved, mut aside) = (0, 0);
    for (old, key) in owners.iter().zip(keys) {
        let new = owner(key);
        moved += usize::from(*old != new);
        aside += usize::from(*old != new && *old != node && new != node);
    }
    (moved, aside)
}

#[expect(clippy::cast_precision_loss, reason = "counts of some millions")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
