//! What is refused, with the reason.

use metaparticle_shard::{Access, Assigner, Error, Layout, Members, Node, Ring, ShardMap, Slots};

fn layout(slots: u32) -> Layout {
    Layout::try_new(slots, 1, Assigner::MinMove, Access::Exclusive).expect("valid")
}

#[test]
fn slots_are_a_power_of_two_up_to_two_to_the_20() {
    for slots in [0, 3, 10_000, 16_383, (1 << 20) + 1, 1 << 21, u32::MAX] {
        assert_eq!(Slots::try_new(slots), Err(Error::Slots(slots)));
        let layout = Layout::try_new(slots, 1, Assigner::MinMove, Access::Exclusive);
        assert_eq!(layout, Err(Error::Slots(slots)));
    }
    for bits in 0..=20 {
        assert_eq!(Slots::try_new(1 << bits).map(Slots::count), Ok(1 << bits));
    }
    let text = Error::Slots(10_000).to_string();
    assert_eq!(
        text,
        "10000 slots: must be a power of two from 1 to 1048576"
    );
}

#[test]
fn replicas_are_1_to_16() {
    for replicas in [0, 17, 255] {
        let layout = Layout::try_new(8, replicas, Assigner::MinMove, Access::Shared);
        assert_eq!(layout, Err(Error::Replicas(replicas)));
    }
}

#[test]
fn a_ring_cannot_assign_exclusive_shards() {
    let ring = Assigner::Ring(Ring::default());
    assert_eq!(
        Layout::try_new(8, 1, ring, Access::Exclusive),
        Err(Error::ExclusiveRing)
    );
    assert!(Layout::try_new(8, 1, ring, Access::Shared).is_ok());
    assert!(Error::ExclusiveRing.to_string().contains("take MinMove"));
}

#[test]
fn names_have_1_to_253_bytes() {
    assert_eq!(Node::try_new("", 1), Err(Error::Name(0)));
    assert_eq!(Node::try_new("n".repeat(254), 1), Err(Error::Name(254)));
    assert!(Node::try_new("n".repeat(253), 1).is_ok());
}

#[test]
fn somebody_must_be_there_and_have_a_weight() {
    assert_eq!(Members::try_new([]), Err(Error::NoNodes));
    let idle = ["a", "b"].map(|name| Node::try_new(name, 0).expect("valid"));
    assert_eq!(Members::try_new(idle), Err(Error::NoWeight));
    let one = Members::named(["a"]).expect("valid");
    assert_eq!(one.without("a"), Err(Error::NoNodes));
    assert_eq!(
        one.with(Node::try_new("a", 0).expect("valid")),
        Err(Error::NoWeight)
    );
}

#[test]
fn two_nodes_of_one_name_are_refused_by_name() {
    assert_eq!(
        Members::named(["b", "a", "b"]),
        Err(Error::Duplicate("b".into()))
    );
}

#[test]
fn at_most_10_000_nodes_are_allowed() {
    let named = |count: usize| Members::named((0..count).map(|number| number.to_string()));
    assert_eq!(named(10_001), Err(Error::TooManyNodes(10_001)));
    assert_eq!(named(10_000).map(|members| members.len()), Ok(10_000));
}

#[test]
fn every_node_with_a_weight_needs_a_slot() {
    let members = Members::named(["a", "b", "c"]).expect("valid");
    let expected = Error::MoreNodesThanSlots { nodes: 3, slots: 2 };
    assert_eq!(layout(2).build(&members), Err(expected.clone()));
    let map = layout(2)
        .build(&Members::named(["a", "b"]).expect("valid"))
        .expect("valid");
    assert_eq!(layout(2).rebalance(&map, &members), Err(expected));
    let idle = members
        .with(Node::try_new("c", 0).expect("valid"))
        .expect("valid");
    assert_eq!(
        layout(2).build(&idle).map(|map| map.counts()),
        Ok(vec![1, 1, 0])
    );
}

#[test]
fn the_number_of_slots_of_a_map_is_for_ever() {
    let members = Members::named(["a"]).expect("valid");
    let [four, eight] = [4, 8].map(|slots| layout(slots).build(&members).expect("valid"));
    let expected = Error::OtherSlots { left: 4, right: 8 };
    assert_eq!(layout(8).rebalance(&four, &members), Err(expected.clone()));
    assert_eq!(eight.moves_from(&four).err(), Some(expected));
}

#[test]
fn a_ring_has_points_and_not_too_many() {
    assert_eq!(Ring::try_new(0), Err(Error::Points(0)));
    let heavy = Members::try_new([Node::try_new("a", 1_000_000).expect("valid")]).expect("valid");
    let ring = Assigner::Ring(Ring::default());
    let layout = Layout::try_new(8, 1, ring, Access::Shared).expect("valid");
    assert_eq!(layout.build(&heavy), Err(Error::Points(160_000_000)));
}

#[test]
fn a_slot_of_a_larger_map_has_no_owner_here() {
    let members = Members::named(["a"]).expect("valid");
    let map = layout(4).build(&members).expect("valid");
    let last = Slots::try_new(8).expect("valid").slot(7).expect("one of 8");
    assert_eq!(map.owner_of(last), None);
    assert!(map.replicas_of(last).is_none());
    assert_eq!(Slots::DEFAULT.slot(16_384), None);
}

fn read(text: &str) -> String {
    let read: Result<ShardMap, _> = serde_json::from_str(text);
    read.expect_err("refused").to_string()
}

#[test]
fn a_stored_map_that_breaks_a_rule_is_refused() {
    let whole = |nodes: &str, owners: &str| {
        format!(
            r#"{{"format":"slots/1 rapidhash/3","replicas":1,"nodes":[{nodes}],"owners":[{owners}]}}"#
        )
    };
    let (a, b, idle) = (
        r#"{"name":"a","weight":1}"#,
        r#"{"name":"b","weight":1}"#,
        r#"{"name":"c","weight":0}"#,
    );
    let sound = whole(&[a, b, idle].join(","), "0,1");
    assert!(serde_json::from_str::<ShardMap>(&sound).is_ok());
    for (text, reason) in [
        (sound.replace("rapidhash/3", "rapidhash/4"), "is of format"),
        (
            sound.replace(r#""replicas":1"#, r#""replicas":0"#),
            "0 replicas",
        ),
        (whole(a, "0,0,0"), "3 slots"),
        (whole(a, ""), "0 slots"),
        (whole("", "0"), "at least one node"),
        (whole(&[a, a].join(","), "0"), "twice"),
        (whole(&[a, b].join(","), "0"), "only 1 slots"),
        (whole(&[a, b].join(","), "0,2"), "slot 1 of the stored map"),
        (
            whole(&[a, b, idle].join(","), "0,2"),
            "slot 1 of the stored map",
        ),
        (whole(r#"{"name":"","weight":1}"#, "0"), "has 0 bytes"),
    ] {
        let found = read(&text);
        assert!(found.contains(reason), "{text}: {found}");
    }
}
