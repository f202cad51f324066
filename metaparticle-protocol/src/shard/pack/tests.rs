//! Round trips, golden bytes, and bytes that are no map.

use proptest::prelude::*;

use super::*;
use crate::Mutants;

const UUID: &str = "0f4c1c5e-7f3a-4d52-9b1e-3c1d5a6b7c8d";

fn peer(number: usize) -> Peer {
    Peer {
        pod: format!("users-{number}").into(),
        session: format!("users-{number}-k3x9").into(),
        uid: if number.is_multiple_of(2) {
            format!("{number:08x}{}", &UUID[8..]).into()
        } else {
            format!("u{number}").into()
        },
        address: if number.is_multiple_of(3) {
            "".into()
        } else {
            format!("10.0.0.{number}:80").into()
        },
    }
}

/// What any edits may leave.
fn map() -> impl Strategy<Value = Map> {
    let edits = prop::collection::vec((0u8..4, 0u32..64, 0usize..9), 0..80);
    (0u32..7, edits, any::<u64>()).prop_map(|(log, edits, term)| {
        let slots = SlotCount::try_new(1 << log).expect("a power of two");
        let mut map = Map::empty(slots, Token(term));
        for (version, edit) in edits.chunks(5).enumerate() {
            let mut next = map.edit(Version(version as u64 * 7), Token(term), Mutants::NONE);
            for (what, slot, number) in edit {
                let slot = Slot(slot % slots.number());
                let entry = next.map().entry(slot).expect("one of them");
                let may_move = entry.owner.is_some_and(|owner| *owner != peer(*number));
                match what {
                    0 => next.assign(slot, &peer(*number)),
                    1 if may_move => next.prepare(slot, &peer(*number)),
                    2 => next.commit(slot),
                    _ => next.cancel(slot),
                }
            }
            map = next.finish();
        }
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_packed_comes_out_again(map in map()) {
        let bytes = map.pack().expect("a small map");
        prop_assert_eq!(Map::unpack(&bytes), Ok(map));
    }

    #[test]
    fn one_changed_byte_gives_an_error_or_another_map_with_just_these_bytes(
        map in map(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = map.pack().expect("a small map");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(other) = Map::unpack(&bytes) {
            prop_assert_eq!(other.pack(), Ok(bytes));
        }
    }

    #[test]
    fn any_bytes_give_an_error_or_a_map_with_just_these_bytes(
        head in any::<bool>(), rest in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let mut bytes = if head { vec![b'M', b'P', b'S', 1] } else { Vec::new() };
        bytes.extend(rest);
        if let Ok(map) = Map::unpack(&bytes) {
            prop_assert_eq!(map.pack(), Ok(bytes));
        }
    }

    #[test]
    fn map_that_was_cut_off_says_how_much_is_missing(map in map(), at in any::<prop::sample::Index>()) {
        let bytes = map.pack().expect("a small map");
        let cut = &bytes[..at.index(bytes.len())];
        match Map::unpack(cut) {
            Err(UnpackError::Short { at, missing }) => {
                prop_assert_eq!(at, cut.len());
                prop_assert!(missing > 0 && cut.len() + missing <= bytes.len());
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// Two slots, the first moves from the first peer to the second, the other is nobody's.
fn golden() -> (Map, Vec<u8>) {
    let slots = SlotCount::try_new(2).expect("a power of two");
    let [from, to] = [
        Peer {
            pod: "a".into(),
            session: "a-1".into(),
            uid: UUID.into(),
            address: "".into(),
        },
        Peer {
            pod: "b".into(),
            session: "b-2".into(),
            uid: "u2".into(),
            address: "h:1".into(),
        },
    ];
    let mut edit = Map::empty(slots, Token(5)).edit(Version(258), Token(5), Mutants::NONE);
    edit.assign(Slot(0), &from);
    let mut edit = edit.finish().edit(Version(259), Token(6), Mutants::NONE);
    edit.prepare(Slot(0), &to);
    let mut bytes = b"MPS\x01\x01\0\0\0\0\0\0\0\x06\0\x02".to_vec();
    bytes.extend(
        b"\x01a\x03a-1\0\x0f\x4c\x1c\x5e\x7f\x3a\x4d\x52\x9b\x1e\x3c\x1d\x5a\x6b\x7c\x8d\0",
    );
    bytes.extend(b"\x01b\x03b-2\x02u2\x03h:1");
    bytes.extend(b"\0\0\0\x01\0\0\0\0\0\0\x01\x03\0\0\0\0\0\0\x01\x02");
    bytes.extend(b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    (edit.finish(), bytes)
}

#[test]
fn format_is_what_other_versions_wrote() {
    let (map, bytes) = golden();
    assert_eq!(map.pack(), Ok(bytes.clone()));
    assert_eq!(Map::unpack(&bytes), Ok(map));
}

#[test]
fn each_mistake_is_named() {
    let (_, bytes) = golden();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Map::unpack(&bytes)
    };
    let first = bytes.len() - 2 * PLACE;
    assert_eq!(with(0, b'm'), Err(UnpackError::Magic));
    assert_eq!(with(3, 2), Err(UnpackError::Format(2)));
    assert_eq!(with(4, 15), Err(UnpackError::Slots(15)));
    assert_eq!(with(4, 200), Err(UnpackError::Slots(200)));
    assert_eq!(with(13, 4), Err(UnpackError::TooManyPeers(1026)));
    assert_eq!(with(15, 0), Err(UnpackError::Text { at: 16 }));
    assert_eq!(with(16, 0xff), Err(UnpackError::Text { at: 16 }));
    let (slot, peer) = (Slot(0), 2);
    assert_eq!(with(first + 1, 2), Err(UnpackError::NoPeer { slot, peer }));
    assert_eq!(with(first + 3, 0), Err(UnpackError::Move(Slot(0))));
    let nobody = [&bytes[..first], &[0xff, 0xff], &bytes[first + 2..]].concat();
    assert_eq!(Map::unpack(&nobody), Err(UnpackError::Move(Slot(0))));
    let long = [&bytes[..], &[0, 0]].concat();
    assert_eq!(Map::unpack(&long), Err(UnpackError::Long { extra: 2 }));
    assert!(UnpackError::Format(2).is_newer() && !UnpackError::Format(0).is_newer());
}

#[test]
fn session_that_is_there_twice_and_uid_in_a_longer_form_are_refused() {
    let (mut map, _) = golden();
    map.peers[1].uid = map.peers[0].uid.clone();
    let bytes = map.pack().expect("small");
    assert_eq!(Map::unpack(&bytes), Err(UnpackError::Twice(UUID.into())));
    let (_, bytes) = golden();
    let long = [&bytes[..21], &[36], UUID.as_bytes(), &bytes[38..]].concat();
    assert_eq!(Map::unpack(&long), Err(UnpackError::LongUid { at: 22 }));
    let upper = [
        &bytes[..21],
        &[36],
        UUID.to_uppercase().as_bytes(),
        &bytes[38..],
    ]
    .concat();
    let map = Map::unpack(&upper).expect("not the usual form");
    assert_eq!(map.pack(), Ok(upper));
}

#[test]
fn largest_maps_fit_and_larger_ones_are_refused() {
    for (slots, peers) in [(4096, 1000), (16_384, 100)] {
        let slots = SlotCount::try_new(slots).expect("a power of two");
        let mut map = Map::empty(slots, Token(1));
        map.peers = (0..peers)
            .map(|number| Peer {
                pod: format!("{number:0>63}").into(),
                session: format!("{number:0>75}").into(),
                ..peer(number)
            })
            .collect();
        let bytes = map.pack().expect("as large as the rule allows").len();
        let one = Map {
            places: map.places[..1].to_vec(),
            ..map.clone()
        };
        let without = one.pack().expect("smaller").len() - PLACE;
        assert_eq!((bytes - without) / map.places.len(), 20, "23 would do (M1)");
        map.peers.push(peer(5000));
        let (peers, most) = (peers + 1, peers);
        assert_eq!(map.pack(), Err(PackError::TooManyPeers { peers, most }));
    }
    let mut map = Map::empty(SlotCount::default(), Token(1));
    map.peers = (0..1000)
        .map(|number| Peer {
            pod: format!("{number:0>250}").into(),
            session: format!("{number:0>250}").into(),
            uid: format!("{number:0>250}").into(),
            address: format!("{number:0>250}").into(),
        })
        .collect();
    assert_eq!(map.pack(), Err(PackError::TooLarge { bytes: 1_085_935 }));
    map.peers = vec![Peer {
        pod: "".into(),
        ..peer(1)
    }];
    assert_eq!(map.pack(), Err(PackError::Text("".into())));
}
