//! The number of slots of a map, and one of them.

use crate::Error;

/// How many slots a map has: a power of two from 1 to 2^20.
///
/// More slots share load more evenly and cost memory and time to rebuild: two bytes each. With `n` nodes of equal weight
/// the fullest has at most `1 + n / slots` of its share: 1.006 at 100 nodes and 16,384 slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slots(u32);

impl Slots {
    /// 16,384 slots.
    pub const DEFAULT: Self = Self(1 << 14);
    /// 1,048,576 slots.
    pub const MAX: Self = Self(1 << 20);

    /// So many slots.
    ///
    /// # Errors
    /// [`Error::Slots`] unless `count` is a power of two from 1 to 2^20.
    pub const fn try_new(count: u32) -> Result<Self, Error> {
        if count.is_power_of_two() && count <= Self::MAX.0 {
            Ok(Self(count))
        } else {
            Err(Error::Slots(count))
        }
    }

    /// As a number.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0
    }

    /// The slot of this index, if there are so many.
    #[must_use]
    pub const fn slot(self, index: u32) -> Option<Slot> {
        if index < self.0 {
            Some(Slot(index))
        } else {
            None
        }
    }

    /// All slots, in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Slot> + use<> {
        (0..self.0).map(Slot)
    }

    pub(crate) const fn len(self) -> usize {
        self.0 as usize
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// One of the slots of a map.
///
/// Its index is dense, from 0: what is known of slots beside their owner (generations, tokens, counts) stands in tables of
/// one's own, at [`Slot::index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u32);

impl Slot {
    /// From 0 to the number of slots - 1.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a map has at most 2^20 slots"
    )]
    pub(crate) const fn new(index: usize) -> Self {
        Self(index as u32)
    }
}
