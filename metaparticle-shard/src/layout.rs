//! What a map is to be like, and who fills it.

use std::num::NonZeroU8;

use crate::{Error, Members, Ring, ShardMap, Slots, min_move, ring};

/// How the slots are given to the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assigner {
    /// From the map before, by the fewest moves.
    ///
    /// # Guarantees
    /// After [`Layout::rebalance`], and whatever the map before was like:
    /// - **Even**: each node has its share of the slots (slots x weight / sum of weights), rounded down or up.
    /// - **Minimal**: no table that is even in this sense differs in fewer slots from the one before.
    /// - **No collateral**: among these tables, no other moves fewer slots between nodes that were there before with the
    ///   same weight. If all weights are equal, none is moved; with different weights, rounding can force one.
    /// - **The same everywhere**: the map before and the members decide, not their order nor the machine.
    ///
    /// The map before must be kept: who starts without it gets a map that is even, but another one.
    #[default]
    MinMove,
    /// By the members alone; see [`Ring`].
    Ring(Ring),
}

/// Whether a slot may have two owners for a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// One at a time: somebody decides for all, and others follow.
    #[default]
    Exclusive,
    /// Whoever is asked can answer, such as a cache: processes may decide for themselves, and disagree for a moment.
    Shared,
}

/// What a map is to be like: its slots, its replicas, who assigns. [`Layout::default`] has 16,384 slots, their owners and no
/// further replicas, assigned by [`Assigner::MinMove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    slots: Slots,
    replicas: NonZeroU8,
    assigner: Assigner,
}

impl Layout {
    /// The most nodes that a slot can have.
    pub const MAX_REPLICAS: u8 = 16;

    /// A layout of so many slots (never to change as long as keys have a place), with so many nodes a slot, its owner
    /// included.
    ///
    /// # Errors
    /// - [`Error::Slots`] unless they are a power of two from 1 to 2^20.
    /// - [`Error::Replicas`] unless they are 1 to 16.
    /// - [`Error::ExclusiveRing`] for [`Assigner::Ring`] with [`Access::Exclusive`].
    pub fn try_new(
        slots: u32,
        replicas: u8,
        assigner: Assigner,
        access: Access,
    ) -> Result<Self, Error> {
        if matches!(assigner, Assigner::Ring(_)) && access == Access::Exclusive {
            return Err(Error::ExclusiveRing);
        }
        Ok(Self {
            slots: Slots::try_new(slots)?,
            replicas: Self::replicas_within(replicas)?,
            assigner,
        })
    }

    /// A map where there was none.
    ///
    /// # Errors
    /// [`Error::MoreNodesThanSlots`]; [`Error::Points`] if a ring gets too large.
    pub fn build(&self, members: &Members) -> Result<ShardMap, Error> {
        self.fill(None, members)
    }

    /// The map for `members` after the map `before`.
    ///
    /// # Errors
    /// [`Error::OtherSlots`] unless the map before has the slots of this layout; and those of [`Layout::build`].
    pub fn rebalance(&self, before: &ShardMap, members: &Members) -> Result<ShardMap, Error> {
        let (left, right) = (before.slots(), self.slots);
        if left != right {
            let (left, right) = (left.count(), right.count());
            return Err(Error::OtherSlots { left, right });
        }
        self.fill(Some(before), members)
    }

    fn fill(&self, before: Option<&ShardMap>, members: &Members) -> Result<ShardMap, Error> {
        Self::fits(self.slots, members)?;
        let owners = match self.assigner {
            Assigner::MinMove => min_move::assign(self.slots, before, members),
            Assigner::Ring(ring) => ring::assign(ring, self.slots, members)?,
        };
        Ok(ShardMap::new(owners, members.clone(), self.replicas))
    }

    /// How many slots.
    #[must_use]
    pub const fn slots(&self) -> Slots {
        self.slots
    }

    /// How many nodes a slot has, its owner included.
    #[must_use]
    pub const fn replicas(&self) -> NonZeroU8 {
        self.replicas
    }

    /// Who assigns.
    #[must_use]
    pub const fn assigner(&self) -> Assigner {
        self.assigner
    }

    pub(crate) fn replicas_within(replicas: u8) -> Result<NonZeroU8, Error> {
        NonZeroU8::new(replicas)
            .filter(|it| it.get() <= Self::MAX_REPLICAS)
            .ok_or(Error::Replicas(replicas))
    }

    pub(crate) const fn fits(slots: Slots, members: &Members) -> Result<(), Error> {
        if members.weighty() > slots.len() {
            return Err(Error::MoreNodesThanSlots {
                nodes: members.weighty(),
                slots: slots.count(),
            });
        }
        Ok(())
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            slots: Slots::DEFAULT,
            replicas: NonZeroU8::MIN,
            assigner: Assigner::MinMove,
        }
    }
}
