//! [`Map`]: who owns which slot, and what moves (rules M1 to M4). Pure data; how it is packed is in `pack`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{Mutants, Name, Token, Uid, Version, mutant::Mutant};

/// Slots of a map that was not told otherwise (M1): the fullest of ten members has half a percent more than the mean.
pub const SLOTS: u32 = 4096;
/// More slots than this are for at most [`FEW_PEERS`] members.
pub const MANY_SLOTS: u32 = 4096;
/// The most slots.
pub const MOST_SLOTS: u32 = 16_384;
/// How many members a map with more than [`MANY_SLOTS`] slots may have.
pub const FEW_PEERS: usize = 100;
/// How many members any map may have.
pub const MOST_PEERS: usize = 1000;

/// One slot of a map, numbered from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many slots a map has: a power of two, from 1 to [`MOST_SLOTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotCount(u32);

impl SlotCount {
    /// That many.
    ///
    /// # Errors
    /// If it is no power of two, or above [`MOST_SLOTS`].
    pub const fn try_new(slots: u32) -> Result<Self, InvalidSlots> {
        if slots.is_power_of_two() && slots <= MOST_SLOTS {
            Ok(Self(slots))
        } else {
            Err(InvalidSlots(slots))
        }
    }

    /// As a number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// How many members a map of so many slots may have (M1).
    #[must_use]
    pub const fn peers(self) -> usize {
        if self.0 > MANY_SLOTS {
            FEW_PEERS
        } else {
            MOST_PEERS
        }
    }

    /// How many slots may begin to move in one write (M1).
    #[must_use]
    pub const fn wave(self) -> u32 {
        if self.0 < 16 { 1 } else { self.0 / 16 }
    }
}

impl Default for SlotCount {
    fn default() -> Self {
        Self(SLOTS)
    }
}

/// A number of slots that no map can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSlots(u32);

impl fmt::Display for InvalidSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a map has a power of two of slots, from 1 to {MOST_SLOTS}, not {}",
            self.0
        )
    }
}

impl std::error::Error for InvalidSlots {}

/// A process that owns slots, or is to own some. The session's uid alone says who it is (M2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// The stable name of its pod: where slots are placed.
    pub pod: Arc<str>,
    /// The name of its session's Lease: where its death is written (S2).
    pub session: Name,
    /// The uid of its session: what owns.
    pub uid: Uid,
    /// Where its gate listens; empty if it has none.
    pub address: Arc<str>,
}

/// What a map says of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Index of a peer.
    pub(super) owner: Option<u16>,
    /// Prepared to move there.
    pub(super) to: Option<u16>,
    pub(super) generation: Version,
    pub(super) token: Token,
}

/// Who owns which slot, as one object of the API has it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Map {
    pub(super) term: Token,
    pub(super) peers: Vec<Peer>,
    pub(super) places: Vec<Place>,
}

/// One slot of a map, with what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who owns it; while it moves, from whom.
    pub owner: Option<&'a Peer>,
    /// Who is to own it: it is prepared to move, and the owner is to drain it and to acknowledge (M4).
    pub to: Option<&'a Peer>,
    /// The map's version that the write overwrote which prepared, cancelled, committed or assigned (M3).
    pub generation: Version,
    /// The generation of the commit or the assignment with which its owner came: fences what the owner writes (M3).
    pub token: Token,
}

impl Map {
    /// A map in which nobody owns anything.
    #[must_use]
    pub fn empty(slots: SlotCount, term: Token) -> Self {
        Self {
            term,
            peers: Vec::new(),
            places: vec![Place::default(); slots.0 as usize],
        }
    }

    /// The token of the term that wrote it.
    #[must_use]
    pub const fn term(&self) -> Token {
        self.term
    }

    /// How many slots it has.
    ///
    /// # Panics
    /// Never: a map has at most [`MOST_SLOTS`].
    #[must_use]
    pub fn slots(&self) -> SlotCount {
        SlotCount(u32::try_from(self.places.len()).expect("a map has few slots"))
    }

    /// All that own slots, or are to.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// One slot; `None` if there is none of that number.
    #[must_use]
    pub fn entry(&self, slot: Slot) -> Option<Entry<'_>> {
        let place = self.places.get(slot.0 as usize)?;
        let peer = |index: Option<u16>| index.map(|index| &self.peers[usize::from(index)]);
        Some(Entry {
            owner: peer(place.owner),
            to: peer(place.to),
            generation: place.generation,
            token: place.token,
        })
    }

    /// All slots, in order.
    ///
    /// # Panics
    /// Never: what is numbered is there.
    pub fn entries(&self) -> impl Iterator<Item = (Slot, Entry<'_>)> {
        (0..self.slots().0).map(|slot| {
            let slot = Slot(slot);
            (slot, self.entry(slot).expect("there are so many"))
        })
    }

    /// Begins the write that makes the next map of this one, which is stored in `version`.
    #[must_use]
    pub fn edit(&self, version: Version, term: Token, mutants: Mutants) -> Edit {
        let mut map = self.clone();
        map.term = term;
        let known = map.peers.iter().enumerate();
        let known = known.map(|(index, peer)| (peer.uid.clone(), index));
        Edit {
            known: known.collect(),
            map,
            version,
            counts: mutants.has(Mutant::CounterAsGeneration),
            changed: 0,
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Map(term {}", self.term)?;
        let mut last = None;
        for (slot, entry) in self.entries() {
            let name = |peer: Option<&Peer>| peer.map(|peer| peer.uid.to_string());
            let told = (
                name(entry.owner),
                name(entry.to),
                entry.generation,
                entry.token,
            );
            if last.as_ref() != Some(&told) {
                let (owner, to, generation, token) = &told;
                let owner = owner.as_deref().unwrap_or("-");
                write!(f, ", {slot}: {owner}@{token}")?;
                if let Some(to) = to {
                    write!(f, " to {to}")?;
                }
                write!(f, " g{generation}")?;
                last = Some(told);
            }
        }
        f.write_str(")")
    }
}

/// The changes of one write. Each gives its slot the generation of the version that the write overwrites (M3).
#[derive(Clone, Debug)]
pub struct Edit {
    map: Map,
    known: BTreeMap<Uid, usize>,
    version: Version,
    /// For the mutant `CounterAsGeneration`.
    counts: bool,
    changed: u32,
}

impl Edit {
    /// Gives a slot that nobody owns, or whose owner is dead, to `peer`.
    pub fn assign(&mut self, slot: Slot, peer: &Peer) {
        let owner = Some(self.index(peer));
        let generation = self.generation(slot);
        if let Some(place) = self.place(slot) {
            *place = Place {
                owner,
                to: None,
                generation,
                token: Token(generation.0),
            };
        }
    }

    /// Begins to move a slot: its owner is to drain it and to acknowledge.
    pub fn prepare(&mut self, slot: Slot, to: &Peer) {
        let to = Some(self.index(to));
        let generation = self.generation(slot);
        if let Some(place) = self.place(slot) {
            (place.to, place.generation) = (to, generation);
        }
    }

    /// Gives it to whom it moves.
    pub fn commit(&mut self, slot: Slot) {
        let generation = self.generation(slot);
        if let Some(place) = self.place(slot)
            && let Some(to) = place.to.take()
        {
            (place.owner, place.generation) = (Some(to), generation);
            place.token = Token(generation.0);
        }
    }

    /// It does not move: its owner goes on, with its token.
    pub fn cancel(&mut self, slot: Slot) {
        let generation = self.generation(slot);
        if let Some(place) = self.place(slot) {
            (place.to, place.generation) = (None, generation);
        }
    }

    /// How many slots were changed.
    #[must_use]
    pub const fn changed(&self) -> u32 {
        self.changed
    }

    /// The map as it is so far.
    #[must_use]
    pub const fn map(&self) -> &Map {
        &self.map
    }

    /// The next map, without those who own nothing.
    ///
    /// # Panics
    /// Never: a map has at most [`MOST_PEERS`] peers.
    #[must_use]
    pub fn finish(self) -> Map {
        let mut map = self.map;
        let used = map.places.iter();
        let used = used.flat_map(|place| [place.owner, place.to]).flatten();
        let used: std::collections::BTreeSet<_> = used.collect();
        let mut places = BTreeMap::new();
        let mut peers = Vec::with_capacity(used.len());
        for old in used {
            let new = u16::try_from(peers.len()).expect("a map has few peers");
            peers.push(map.peers[usize::from(old)].clone());
            places.insert(old, new);
        }
        for place in &mut map.places {
            for index in [&mut place.owner, &mut place.to] {
                *index = index.map(|index| places[&index]);
            }
        }
        map.peers = peers;
        map
    }

    fn place(&mut self, slot: Slot) -> Option<&mut Place> {
        self.changed += 1;
        self.map.places.get_mut(slot.0 as usize)
    }

    fn index(&mut self, peer: &Peer) -> u16 {
        let peers = &mut self.map.peers;
        let index = *self.known.entry(peer.uid.clone()).or_insert_with(|| {
            peers.push(peer.clone());
            peers.len() - 1
        });
        u16::try_from(index).expect("an edit names few peers")
    }

    fn generation(&self, slot: Slot) -> Version {
        if self.counts {
            let last = self.map.places.get(slot.0 as usize);
            return Version(last.map_or(0, |place| place.generation.0) + 1);
        }
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str) -> Peer {
        Peer {
            pod: name.into(),
            session: format!("{name}-x").into(),
            uid: format!("u-{name}").into(),
            address: "".into(),
        }
    }

    fn assigned() -> Map {
        let slots = SlotCount::try_new(4).expect("a power of two");
        let empty = Map::empty(slots, Token(3));
        let mut edit = empty.edit(Version(10), Token(3), Mutants::NONE);
        for slot in 0..4 {
            edit.assign(Slot(slot), &peer(if slot < 2 { "a" } else { "b" }));
        }
        edit.finish()
    }

    #[test]
    fn commit_gives_the_overwritten_version_as_token_and_cancel_keeps_the_token() {
        let map = assigned();
        let mut edit = map.edit(Version(20), Token(3), Mutants::NONE);
        edit.prepare(Slot(0), &peer("b"));
        edit.prepare(Slot(1), &peer("b"));
        let map = edit.finish();
        let entry = map.entry(Slot(0)).expect("there are four");
        assert_eq!((entry.generation, entry.token), (Version(20), Token(10)));
        let mut edit = map.edit(Version(30), Token(3), Mutants::NONE);
        edit.commit(Slot(0));
        edit.cancel(Slot(1));
        assert_eq!(edit.changed(), 2);
        let map = edit.finish();
        let entry = map.entry(Slot(0)).expect("there are four");
        assert_eq!((entry.generation, entry.token), (Version(30), Token(30)));
        assert_eq!(entry.owner, Some(&peer("b")));
        let entry = map.entry(Slot(1)).expect("there are four");
        assert_eq!((entry.generation, entry.token), (Version(30), Token(10)));
        assert_eq!((entry.owner, entry.to), (Some(&peer("a")), None));
    }

    #[test]
    fn who_owns_nothing_is_not_in_the_map() {
        let mut edit = assigned().edit(Version(20), Token(3), Mutants::NONE);
        edit.assign(Slot(0), &peer("c"));
        edit.assign(Slot(1), &peer("c"));
        let map = edit.finish();
        assert_eq!(map.peers(), [peer("b"), peer("c")]);
        assert_eq!(map.entry(Slot(3)).expect("four").owner, Some(&peer("b")));
    }

    #[test]
    fn slots_are_a_power_of_two() {
        for (slots, valid) in [
            (0, false),
            (1, true),
            (12, false),
            (16_384, true),
            (32_768, false),
        ] {
            assert_eq!(SlotCount::try_new(slots).is_ok(), valid, "{slots}");
        }
        assert_eq!(SlotCount::default().peers(), MOST_PEERS);
        assert_eq!(SlotCount(8192).peers(), FEW_PEERS);
        assert_eq!((SlotCount(4).wave(), SlotCount(4096).wave()), (1, 256));
    }
}
