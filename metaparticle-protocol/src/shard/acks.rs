//! [`Acks`]: what an owner says on its own session's Lease: this slot, which was prepared to move in that generation, is
//! drained (rule M4). The session's uid, the third of the triple, is that of the Lease that bears it.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use super::map::{MOST_SLOTS, Slot};
use crate::{Mutants, Version, mutant::Mutant};

/// Slots that are drained, and for which generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Acks(BTreeMap<Slot, Version>);

impl Acks {
    /// This slot is drained, for that generation.
    pub fn insert(&mut self, slot: Slot, generation: Version) {
        self.0.insert(slot, generation);
    }

    /// The generation for which this slot is drained.
    #[must_use]
    pub fn generation(&self, slot: Slot) -> Option<Version> {
        self.0.get(&slot).copied()
    }

    /// Whether they say that this slot is drained for just that generation.
    #[must_use]
    pub fn say(&self, slot: Slot, generation: Version, mutants: Mutants) -> bool {
        self.generation(slot).is_some_and(|said| {
            said == generation || mutants.has(Mutant::UnnumberedAcknowledgement)
        })
    }

    /// Keeps those of which `still` is true. Answers whether any went.
    pub fn retain(&mut self, mut still: impl FnMut(Slot, Version) -> bool) -> bool {
        let before = self.0.len();
        self.0.retain(|slot, generation| still(*slot, *generation));
        self.0.len() < before
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// As an annotation bears it: `1267:0-15,17;1300:4`, generations rising, slots rising.
    #[must_use]
    pub fn to_text(&self) -> Arc<str> {
        let mut by_generation: BTreeMap<Version, Vec<(u32, u32)>> = BTreeMap::new();
        for (slot, generation) in &self.0 {
            let ranges = by_generation.entry(*generation).or_default();
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot.0 => *last = slot.0,
                _ => ranges.push((slot.0, slot.0)),
            }
        }
        let mut text = String::new();
        for (generation, ranges) in by_generation {
            let mut before = if text.is_empty() { "" } else { ";" };
            let _ = write!(text, "{before}{generation}:");
            before = "";
            for (first, last) in ranges {
                let _ = match last - first {
                    0 => write!(text, "{before}{first}"),
                    _ => write!(text, "{before}{first}-{last}"),
                };
                before = ",";
            }
        }
        text.into()
    }

    /// What such an annotation says; `None` if it says nothing that is understood: then nothing is acknowledged.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut acks = Self::default();
        if text.is_empty() {
            return Some(acks);
        }
        for part in text.split(';') {
            let (generation, ranges) = part.split_once(':')?;
            let generation = Version(generation.parse().ok()?);
            for range in ranges.split(',') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
                if first > last || last >= MOST_SLOTS {
                    return None;
                }
                for slot in first..=last {
                    acks.insert(Slot(slot), generation);
                }
            }
        }
        Some(acks)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(said in prop::collection::btree_map(0..MOST_SLOTS, 0u64..9, 0..300)) {
            let said = said.into_iter().map(|(slot, generation)| (Slot(slot), Version(generation)));
            let acks = Acks(said.collect());
            prop_assert_eq!(Acks::parse(&acks.to_text()), Some(acks));
        }

        #[test]
        fn any_text_is_read_or_not(text in "[0-9:;,-]{0,40}") {
            if let Some(acks) = Acks::parse(&text) {
                prop_assert_eq!(Acks::parse(&acks.to_text()), Some(acks));
            }
        }
    }

    #[test]
    fn ranges_are_written_short() {
        let mut acks = Acks::default();
        for slot in [0, 1, 2, 3, 5, 6, 9] {
            acks.insert(Slot(slot), Version(if slot == 9 { 20 } else { 1267 }));
        }
        assert_eq!(&*acks.to_text(), "20:9;1267:0-3,5-6");
    }

    #[test]
    fn nonsense_acknowledges_nothing() {
        for text in [
            "1", "1:", "x:1", "1:2-", "1:3-2", "1:16384", "1:1;", "1:-1", "1:1;;2:2",
        ] {
            assert_eq!(Acks::parse(text), None, "{text}");
        }
        assert_eq!(Acks::parse(""), Some(Acks::default()));
    }

    #[test]
    fn another_generation_does_not_count() {
        let mut acks = Acks::default();
        acks.insert(Slot(4), Version(20));
        assert!(acks.say(Slot(4), Version(20), Mutants::NONE));
        assert!(!acks.say(Slot(4), Version(21), Mutants::NONE));
        assert!(!acks.say(Slot(5), Version(20), Mutants::NONE));
    }
}
