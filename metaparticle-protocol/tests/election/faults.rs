//! What the API server, the network and others do to a leader (T1, W3 to W5, E6).

use std::time::Duration;

use metaparticle_protocol::{
    Reply, Request, Version,
    api::Call,
    election::{Ended, Input},
};

use crate::world::{LEASE, Net, World, millis, name, secs};

#[test]
fn outage_is_ridden_out_at_every_phase_of_the_renewal() {
    for (net, outage) in [
        (Net::Refused, secs(6)),
        (Net::Hung, secs(4)),
        (Net::Deaf, secs(4)),
    ] {
        for phase in 0..25 {
            let mut world = World::settled(2);
            world.run(millis(200 * phase));
            world.set_net(0, net);
            world.run(outage);
            world.set_net(0, Net::Up);
            world.run(secs(20));
            assert_eq!(world.nodes[0].ended, [], "phase {phase}");
            assert_eq!(world.leader(), Some(0));
        }
    }
}

#[test]
fn leader_without_an_acknowledgement_ends_at_four_fifths_of_the_lease_since_it_was_sent() {
    let mut world = World::settled(2);
    let renewed = world.lease().version;
    world.until(secs(6), |world| world.lease().version != renewed);
    world.set_net(0, Net::Hung);
    // Sent a millisecond before the server had it.
    let valid = world.until(secs(13), |world| world.leader().is_none());
    assert!(
        (millis(11_995)..=millis(12_000)).contains(&valid),
        "{valid:?}"
    );
    assert_eq!(world.nodes[0].ended, [Ended::Expired]);
    let gap = world.until(secs(5), |world| world.leader() == Some(1));
    assert!(
        gap >= millis(2_900),
        "the others wait the whole lease: {gap:?}"
    );
}

#[test]
fn writes_that_time_out_extend_nothing() {
    let mut world = World::settled(1);
    world.set_net(0, Net::Deaf);
    world.run(secs(12));
    assert_eq!(world.nodes[0].ended, [Ended::Expired]);
}

#[test]
fn after_a_pause_past_the_deadline_the_first_step_ends_the_term() {
    let mut world = World::settled(1);
    let sent = world.nodes[0].requests.len();
    world.until(secs(6), |world| world.nodes[0].requests.len() > sent);
    // The renewal is done; its acknowledgement is read after the pause.
    let version = world.lease().version;
    world.until(millis(2), |world| world.lease().version > version);
    world.pause_all(secs(13));
    world.run(Duration::ZERO);
    assert_eq!(world.nodes[0].ended, [Ended::Expired]);
    world.run(secs(5));
    assert_eq!(world.leader(), None);
}

#[test]
fn conflict_with_an_edit_that_leaves_the_term_alone_costs_two_requests() {
    let mut world = World::settled(1);
    world.nodes[0].net = Net::Hung;
    world.edit(|lease| {
        lease.annotations.insert("note", "by hand".into());
    });
    world.run(millis(10));
    world.nodes[0].net = Net::Up;
    let begin = world.now;
    world.run(secs(5));
    let asked = &world.nodes[0].requests;
    let kinds: Vec<_> = asked
        .iter()
        .filter(|(at, _)| *at >= begin)
        .map(|(_, request)| kind(request))
        .collect();
    assert_eq!(kinds, ["update", "get", "update"]);
    assert_eq!(world.nodes[0].ended, []);
}

#[test]
fn another_holder_ends_the_term_at_once() {
    let mut world = World::settled(2);
    world.edit(|lease| lease.spec.holder = Some("intruder".into()));
    world.run(millis(2));
    assert_eq!(world.leader(), None);
    assert_eq!(
        world.nodes[0].ended,
        [Ended::Deposed {
            by: Some("intruder".into())
        }]
    );
}

#[test]
fn own_name_with_another_token_ends_the_term() {
    let mut world = World::settled(1);
    world.edit(|lease| {
        lease.annotations.insert("token", "7".into());
    });
    world.run(millis(2));
    assert!(matches!(world.nodes[0].ended[..], [Ended::Deposed { .. }]));
}

#[test]
fn deleted_lease_ends_the_term_and_the_next_token_is_higher() {
    let mut world = World::settled(2);
    world.delete(&name());
    world.run(millis(2));
    assert_eq!(world.nodes[0].ended, [Ended::Deleted]);
    world.until(millis(500), |world| world.leader().is_some());
    assert_eq!(world.tokens.len(), 2, "they rise: the world sees to it");
}

#[test]
fn lease_deleted_unseen_is_found_out_by_the_next_renewal() {
    let mut world = World::settled(1);
    world.nodes[0].net = Net::Hung;
    world.delete(&name());
    world.run(millis(10));
    world.nodes[0].net = Net::Up;
    world.run(secs(6));
    assert_eq!(world.nodes[0].ended, [Ended::Deleted]);
    assert!(!world.leases.contains_key(&name()), "and not brought back");
}

#[test]
fn events_from_before_our_own_write_depose_nobody() {
    let mut world = World::settled(2);
    let version = world.lease().version;
    world.until(secs(6), |world| world.lease().version > version);
    world.crash(0);
    world.run(LEASE.checked_sub(millis(500)).expect("longer"));
    world.nodes[1].net = Net::Slow;
    // Another write to the dead leader's record: seen by a read, after the 409, long before its event comes.
    world.edit(|lease| {
        lease.annotations.insert("note", "by hand".into());
    });
    world.until(secs(8), |world| world.leader() == Some(1));
    world.run(secs(10));
    assert_eq!(world.nodes[1].ended, []);
}

#[test]
fn acquisition_that_was_undone_before_its_answer_came_begins_no_term() {
    let mut world = World::new(1);
    world.step(0, Input::Contend);
    world.until(millis(200), |world| world.leases.contains_key(&name()));
    world.until(millis(200), |world| {
        world.nodes[0]
            .requests
            .last()
            .is_some_and(|(_, request)| acquires(request))
    });
    world.set_net(0, Net::Deaf);
    world.until(millis(2), |world| world.lease().spec.holder.is_some());
    let acquired = world.lease().clone();
    world.edit(|lease| lease.spec.holder = Some("intruder".into()));
    world.run(millis(2));
    let call = world.nodes[0].last;
    world.step(0, Input::Reply(call, Reply::Is(acquired)));
    assert_eq!(world.tokens, []);
}

#[test]
fn after_attempts_without_an_answer_the_next_one_is_a_renewal_again() {
    let mut world = World::settled(1);
    world.set_net(0, Net::Refused);
    world.run(secs(5));
    assert!(
        world.nodes[0]
            .requests
            .iter()
            .all(|(_, request)| kind(request) != "get")
    );
}

#[test]
fn follower_believes_what_a_store_that_went_back_says_now() {
    let mut world = World::settled(2);
    let mut restored = world.lease().clone();
    restored.version = Version(5);
    restored.spec.holder = Some("from the backup".into());
    world.write(&restored);
    world.run(millis(2));
    let holder = world.nodes[1].elector.view().holder;
    assert_eq!(holder, Some("from the backup".into()));
}

#[test]
fn store_that_went_back_ends_the_term() {
    let mut world = World::settled(1);
    world.nodes[0].net = Net::Hung;
    // Restored from a backup: the same record, an hour of versions ago.
    let lease = world.lease().clone();
    world.version -= 500;
    let version = world.next();
    world
        .leases
        .insert(name(), metaparticle_protocol::Lease { version, ..lease });
    world.run(millis(10));
    world.nodes[0].net = Net::Up;
    world.run(secs(6));
    assert_eq!(world.nodes[0].ended, [Ended::RolledBack]);
}

#[test]
fn follower_outlives_a_store_that_went_back() {
    let mut world = World::settled(2);
    world.set_net(0, Net::Hung);
    world.set_net(1, Net::Hung);
    let lease = world.lease().clone();
    world.version -= 500;
    let version = world.next();
    world
        .leases
        .insert(name(), metaparticle_protocol::Lease { version, ..lease });
    world.crash(0);
    world.run(secs(20));
    world.set_net(1, Net::Up);
    world.until(LEASE + millis(200), |world| world.leader() == Some(1));
}

#[test]
fn only_the_first_answer_to_a_call_counts() {
    let mut world = World::settled(1);
    let version = world.lease().version;
    for call in 0..100 {
        world.step(0, Input::Reply(Call(call), Reply::Absent));
        world.step(0, Input::Reply(Call(call), Reply::Conflict));
    }
    world.run(secs(20));
    assert_eq!(world.nodes[0].ended, []);
    assert!(world.lease().version > version);
}

#[test]
fn offer_without_an_answer_is_repeated_until_the_deadline() {
    let mut world = World::settled(2);
    world.set_net(0, Net::Refused);
    world.stop(0, None);
    world.run(secs(5));
    world.set_net(0, Net::Up);
    world.until(secs(1), |world| world.leader() == Some(1));
    assert!(matches!(world.nodes[0].ended[..], [Ended::Offered { .. }]));
}

#[test]
fn offer_whose_answer_was_lost_is_known_by_its_event() {
    let mut world = World::settled(2);
    world.set_net(0, Net::Deaf);
    world.stop(0, None);
    world.run(millis(100));
    assert_eq!(world.leader(), Some(1));
    assert!(matches!(world.nodes[0].ended[..], [Ended::Offered { .. }]));
}

#[test]
fn conflicts_without_a_change_are_ridden_out_without_a_flood() {
    let mut world = World::settled(2);
    let begin = world.now;
    world.set_net(0, Net::Contradicted);
    world.run(secs(6));
    world.set_net(0, Net::Up);
    world.run(secs(10));
    assert_eq!(world.nodes[0].ended, []);
    assert!(world.count(0, begin) < 60, "{}", world.count(0, begin));
}

#[test]
fn candidate_that_is_contradicted_without_a_change_tries_again_after_a_look() {
    let mut world = World::settled(2);
    world.crash(0);
    world.set_net(1, Net::Contradicted);
    world.run(LEASE + secs(5));
    let begin = world.now;
    world.run(secs(5));
    assert!(world.count(1, begin) < 50, "{}", world.count(1, begin));
    let asked: Vec<_> = world.nodes[1]
        .requests
        .iter()
        .filter(|(at, _)| *at > begin)
        .map(|(_, request)| kind(request))
        .collect();
    assert!(
        asked.windows(2).all(|two| two[0] != two[1]),
        "writes without a look: {asked:?}"
    );
    world.set_net(1, Net::Up);
    world.until(secs(1), |world| world.leader() == Some(1));
}

fn acquires(request: &Request) -> bool {
    matches!(request, Request::Update { name: of, .. } if *of == name())
}

fn kind(request: &Request) -> &'static str {
    match request {
        Request::Get { .. } => "get",
        Request::Create { .. } => "create",
        Request::Update { .. } => "update",
        Request::Delete { .. } => "delete",
        Request::List { .. } => "list",
    }
}
