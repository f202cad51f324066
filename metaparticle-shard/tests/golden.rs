//! What must never change: the hash of a key, the slot of a key, the map of a history, the stored form.
//!
//! The hashes were computed by the C source of the author of rapidhash (`rapidhash.h`, version 3), not by the crate that
//! is used here.

use metaparticle_shard::{Access, Assigner, Layout, Members, Node, Ring, ShardMap, hash};

const TEXTS: [(&str, u64); 12] = [
    ("", 0x0338_dc4b_e2ce_cdae),
    ("a", 0x599f_47df_33a2_e1eb),
    ("ab", 0x7b20_ba72_bb42_5975),
    ("abc", 0xcb47_5bea_fa9c_0da2),
    ("user", 0x8314_6c4d_afda_64c2),
    ("users-0", 0x80ae_9c85_0e8d_5bd7),
    ("12345678", 0x27c2_7112_953c_d293),
    ("0123456789abcdef", 0x8b24_9eb9_8f29_bff6),
    ("0123456789abcdefg", 0x62b0_4027_8b04_12a6),
    ("/users/00000042/cart", 0x62a1_c0b7_78cc_a131),
    ("0123456789abcdef0123456789abcdef0", 0x3eae_313d_2943_5afb),
    (
        "the quick brown fox jumps over the lazy dog, twice",
        0x691d_7a72_a0b7_5cc8,
    ),
];

/// Of the first so many of the bytes 3, 10, 17, … (each 7 more than the one before, modulo 256).
const LENGTHS: [(usize, u64); 30] = [
    (1, 0xc693_9e8f_b007_09ff),
    (2, 0xad80_1a47_df89_b990),
    (3, 0x5655_e9f7_64e8_fb47),
    (4, 0x4922_7fb2_f401_a8fc),
    (7, 0xf8d2_bdfe_7f38_8df8),
    (8, 0xf598_0b64_6f82_2e89),
    (9, 0xfd97_8742_0766_dd08),
    (15, 0x71bb_053c_322a_b7cb),
    (16, 0xd0e6_8844_cb24_a480),
    (17, 0x7998_c836_066e_171b),
    (32, 0x4f6a_424c_80f0_9818),
    (33, 0x50f7_08a7_27e0_a6f9),
    (47, 0x5fa1_ee59_3a9d_44e5),
    (48, 0x78e8_9226_6d50_2576),
    (49, 0x4c6d_34cc_3232_74b4),
    (64, 0xd5e0_07f0_1f19_1991),
    (65, 0xff19_0630_cc56_7eb0),
    (80, 0x7608_84c4_69b5_878a),
    (81, 0xc076_ee25_6693_4dfd),
    (96, 0x159e_3a5c_c100_d66d),
    (97, 0x223a_2bc1_1ff7_09c2),
    (111, 0xb6d3_e4e8_971b_b81a),
    (112, 0xbde2_7e65_9c07_3097),
    (113, 0xe719_8c47_a15d_f67f),
    (128, 0x2916_5d21_9dbc_a0ae),
    (224, 0xcc2f_5741_3b92_9cf1),
    (225, 0x9fe6_7880_8845_9d9f),
    (256, 0xedbd_4098_a12c_2bec),
    (500, 0xfbed_518f_843a_c485),
    (1024, 0x57bb_8233_431a_4487),
];

#[test]
fn keys_hash_as_by_the_reference() {
    for (text, expected) in TEXTS {
        assert_eq!(hash(text.as_bytes()), expected, "{text:?}");
    }
    let bytes: Vec<u8> = (0..1024_u32)
        .map(|place| (place * 7 + 3).to_le_bytes()[0])
        .collect();
    for (length, expected) in LENGTHS {
        assert_eq!(hash(&bytes[..length]), expected, "{length} bytes");
    }
}

fn layout(slots: u32, replicas: u8, assigner: Assigner) -> Layout {
    Layout::try_new(slots, replicas, assigner, Access::Shared).expect("valid")
}

fn members(nodes: &[(&str, u32)]) -> Members {
    let node = |(name, weight): &(&str, u32)| Node::try_new(*name, *weight).expect("valid");
    Members::try_new(nodes.iter().map(node)).expect("valid")
}

#[test]
fn the_slot_of_a_key_is_the_first_bits_of_its_hash() {
    let one = members(&[("a", 1)]);
    for bits in 0..=20 {
        let map = layout(1 << bits, 1, Assigner::MinMove)
            .build(&one)
            .expect("valid");
        for (text, hash) in TEXTS {
            let expected = u128::from(hash) >> (64 - bits);
            assert_eq!(
                map.slot(text).index() as u128,
                expected,
                "{text:?} of 2^{bits}"
            );
        }
    }
}

/// A hash of the names of all nodes of all slots, in order.
fn fingerprint(map: &ShardMap) -> u64 {
    let mut text = String::new();
    for slot in map.slots().iter() {
        for node in map.replicas_of(slot).expect("a slot of the map") {
            text.push_str(node.name());
            text.push(' ');
        }
        text.push('\n');
    }
    hash(text.as_bytes())
}

/// Joins, leaves, new weights, all at once, and back.
fn history() -> [Members; 6] {
    [
        members(&[("users-0", 1), ("users-1", 1), ("users-2", 1)]),
        members(&[
            ("users-0", 1),
            ("users-1", 1),
            ("users-2", 1),
            ("users-3", 1),
        ]),
        members(&[
            ("users-0", 1),
            ("users-1", 0),
            ("users-2", 3),
            ("users-3", 1),
        ]),
        members(&[("users-0", 7), ("users-10", 5), ("users-2", 3)]),
        Members::named((0..100).map(|number| format!("users-{number}"))).expect("valid"),
        members(&[("users-0", 1), ("users-1", 1), ("users-2", 1)]),
    ]
}

fn fingerprints(layout: Layout) -> Vec<u64> {
    let mut before: Option<ShardMap> = None;
    let mut found = Vec::new();
    for members in history() {
        let map = match &before {
            None => layout.build(&members),
            Some(map) => layout.rebalance(map, &members),
        };
        let map = map.expect("valid");
        found.push(fingerprint(&map));
        before = Some(map);
    }
    found
}

#[test]
fn a_history_of_members_leads_to_the_same_maps_for_ever() {
    assert_eq!(
        fingerprints(layout(1 << 14, 3, Assigner::MinMove)),
        MIN_MOVE
    );
}

#[test]
fn members_lead_to_the_same_ring_for_ever() {
    assert_eq!(
        fingerprints(layout(1 << 14, 3, Assigner::Ring(Ring::default()))),
        RING
    );
    let plain = Ring::try_new(40).expect("valid").with_slack(None);
    assert_eq!(
        fingerprints(layout(1 << 10, 1, Assigner::Ring(plain))),
        PLAIN_RING
    );
}

const MIN_MOVE: [u64; 6] = [
    0x776f_3f9d_4b9e_bad2,
    0x4152_5279_f962_922a,
    0xe2d2_cb0a_f9c7_9d5c,
    0xab18_6aa3_c8e4_1202,
    0xe17c_55c8_9f21_946d,
    0xe157_704b_74c9_017a,
];
const RING: [u64; 6] = [
    0xfc53_20a1_93ff_4ced,
    0xe4e1_0ed2_c9e1_6fa5,
    0xb412_0a69_5b0f_b650,
    0x01c0_22c2_333d_e697,
    0x57a7_331e_3bbb_0617,
    0xfc53_20a1_93ff_4ced,
];
const PLAIN_RING: [u64; 6] = [
    0xab63_b3ee_b3a6_e3fc,
    0x48ee_4c1a_226d_3534,
    0xd10a_b083_2c12_72fc,
    0xdb21_e6e7_b96d_031c,
    0x415f_5b86_1c4a_6539,
    0xab63_b3ee_b3a6_e3fc,
];

const STORED: &str = concat!(
    r#"{"format":"slots/1 rapidhash/3","replicas":2,"#,
    r#""nodes":[{"name":"a","weight":1},{"name":"b","weight":3},{"name":"c","weight":0}],"#,
    r#""owners":[1,1,1,1,1,1,0,0]}"#
);

#[test]
fn the_stored_form_stays() {
    let map = layout(8, 3, Assigner::MinMove).build(&members(&[("c", 0), ("b", 3), ("a", 1)]));
    let map = map.expect("valid");
    assert_eq!(serde_json::to_string(&map).expect("writes"), STORED);
    assert_eq!(
        serde_json::from_str::<ShardMap>(STORED).expect("reads"),
        map
    );
}

#[test]
fn a_stored_map_in_another_order_of_nodes_is_the_same() {
    let other = STORED
        .replace(
            r#"{"name":"a","weight":1},{"name":"b","weight":3}"#,
            r#"{"name":"b","weight":3},{"name":"a","weight":1}"#,
        )
        .replace("[1,1,1,1,1,1,0,0]", "[0,0,0,0,0,0,1,1]");
    assert_ne!(other, STORED);
    let read: ShardMap = serde_json::from_str(&other).expect("reads");
    assert_eq!(serde_json::to_string(&read).expect("writes"), STORED);
}
