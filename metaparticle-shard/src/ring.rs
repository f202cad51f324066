//! A ring of points, on the crate `consistent_hash`: every slot goes to the node of the next point.

use std::hash::{Hash, Hasher};

use consistent_hash::{RingHash, StaticHashRing};

use crate::{Error, Members, Slots};

/// Assigns by the members alone: each node has points on a ring of hashes, in proportion to its weight; so have the slots,
/// at equal distances; and a slot goes to the node whose point comes next, unless that node has more than its part.
///
/// For processes that agree on the members and share nothing else: what one computes, the others do, too. The price, beside
/// [`MinMove`](crate::Assigner::MinMove): with the default a node may have up to 1.05 times its share, and a change of the
/// members moves more than it must, also between nodes that stay (with 16,384 slots a third more at 100 nodes, twice as much
/// at 1,000). [Without the bound](Self::with_slack) nothing moves between nodes that stay, and a node may have 1.2 times its
/// share at 100 nodes, 1.8 times at 1,000. It takes milliseconds to build at 100 nodes, and a tenth of a second at 10,000.
///
/// # Algorithms
/// Karger et al., "Consistent Hashing and Random Trees" (1997), in the crate
/// [`consistent_hash`](https://docs.rs/consistent_hash); the bound is that of Mirrokni, Thorup and Zadimoghaddam,
/// "Consistent Hashing with Bounded Loads" ([arXiv 1608.01350](https://arxiv.org/abs/1608.01350)). Names are hashed by
/// [`hash`](crate::hash), so that the ring is the same on every machine, whatever `std` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    points: u16,
    slack: Option<u8>,
}

impl Ring {
    /// The most points of all nodes of a ring.
    pub const MAX_POINTS: u32 = 1 << 23;

    /// A ring of so many points a unit of weight. More make it more even, and slower to build.
    ///
    /// # Errors
    /// [`Error::Points`] for none.
    pub const fn try_new(points: u16) -> Result<Self, Error> {
        if points == 0 {
            return Err(Error::Points(0));
        }
        let slack = Some(5);
        Ok(Self { points, slack })
    }

    /// Lets a node have up to this percentage above its share (one slot at least); what is more goes to those that follow on
    /// the ring. `None` is the ring as it falls. The default is 5.
    #[must_use]
    pub const fn with_slack(self, percent: Option<u8>) -> Self {
        Self {
            points: self.points,
            slack: percent,
        }
    }
}

impl Default for Ring {
    /// 160 points a unit of weight, as nginx and ketama have, and 5 % slack.
    fn default() -> Self {
        Self {
            points: 160,
            slack: Some(5),
        }
    }
}

/// The owner of each slot. There are at least as many slots as nodes with a weight.
///
/// # Errors
/// [`Error::Points`] if the ring gets too large.
pub(crate) fn assign(ring: Ring, slots: Slots, members: &Members) -> Result<Box<[u16]>, Error> {
    let points = members.sum() * u64::from(ring.points);
    if points > u64::from(Ring::MAX_POINTS) {
        return Err(Error::Points(points));
    }
    let mut room: Vec<u32> = members
        .iter()
        .map(|node| match ring.slack {
            None => u32::MAX,
            Some(percent) => most(slots, node.weight(), members.sum(), percent),
        })
        .collect();
    let nodes = members.iter().enumerate().map(|(id, node)| {
        let quantity = usize::try_from(node.weight()).expect("no more than MAX_POINTS");
        consistent_hash::Node::new(Member::new(id, node.name()))
            .quantity(quantity * usize::from(ring.points))
    });
    let circle = StaticHashRing::new(Words, nodes);
    let mut owners = vec![0; slots.len()];
    // Bit by bit reversed, so that no stretch of the ring is served before the others.
    let reversal = 32 - slots.len().trailing_zeros();
    for step in 0..slots.count() {
        let slot = step.reverse_bits().checked_shr(reversal).unwrap_or(0);
        let position = Position(u64::from(slot) << 32 << reversal);
        let owner = circle
            .calc_candidates(&position)
            .map(|node| node.key.id)
            .find(|id| room[usize::from(*id)] > 0)
            .expect("the room of all is more than the slots");
        room[usize::from(owner)] -= 1;
        owners[slot as usize] = owner;
    }
    Ok(owners.into())
}

/// How many slots a node may have: its share and the slack, rounded up.
#[expect(clippy::cast_possible_truncation, reason = "at most 3.55 times 2^20")]
fn most(slots: Slots, weight: u32, sum: u64, percent: u8) -> u32 {
    let part =
        u128::from(slots.count()) * u128::from(weight) * u128::from(100 + u32::from(percent));
    part.div_ceil(u128::from(sum) * 100) as u32
}

/// A node on the ring: hashed by its name, ordered by its number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    id: u16,
    hash: u64,
}

impl Member {
    #[expect(clippy::cast_possible_truncation, reason = "at most 10,000 nodes")]
    fn new(id: usize, name: &str) -> Self {
        Self {
            id: id as u16,
            hash: crate::hash(name.as_bytes()),
        }
    }
}

impl Hash for Member {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Where a slot begins.
struct Position(u64);

impl Hash for Position {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Hashes words, not bytes, so that no machine's order of bytes or size of `usize` matters: one word is its own hash (where a
/// slot begins), two are mixed (the name of a node, and the number of its point).
struct Words;

impl RingHash for Words {
    fn hash_item<T: Hash>(&self, item: &T) -> u64 {
        let mut state = Word(None);
        item.hash(&mut state);
        state.finish()
    }
}

struct Word(Option<u64>);

impl Hasher for Word {
    fn finish(&self) -> u64 {
        self.0.unwrap_or_default()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(crate::hash(bytes));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = Some(self.0.map_or(word, |before| mix(before, word)));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

/// The step and the finaliser of `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014), the word being the number of the step.
const fn mix(before: u64, word: u64) -> u64 {
    let mut state = before.wrapping_add(word.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
