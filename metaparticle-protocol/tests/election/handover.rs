//! Stopping: drain, offer, release (E1, E3, E4).

use metaparticle_protocol::{
    Request,
    election::{Ended, Input},
    lease::key,
};

use crate::world::{LEASE, Net, World, config, millis, name, secs};

#[test]
fn leader_that_stops_offers_and_the_successor_leads_after_its_own_write() {
    let mut world = World::settled(3);
    world.stop(0, None);
    assert_eq!(world.leader(), None, "invalid before anything is written");
    let took = world.until(millis(50), |world| world.leader().is_some());
    assert!(took <= millis(6), "offer, event, write: {took:?}");
    assert_eq!(world.leader(), Some(1));
    assert_eq!(
        world.nodes[0].ended,
        [Ended::Offered {
            to: "b_uid_random".into()
        }]
    );
    assert_eq!(world.lease().spec.holder, Some("b_uid_random".into()));
}

#[test]
fn offer_is_a_name_for_one_second() {
    let mut world = World::settled(2);
    world.crash(1);
    world.stop(0, None);
    world.run(millis(3));
    let spec = &world.lease().spec;
    assert_eq!(spec.holder, Some("b_uid_random".into()));
    assert_eq!(spec.duration, Some(secs(1)));
    assert_eq!(world.leader(), None, "a name grants nothing");
}

#[test]
fn successor_that_is_dead_costs_a_second() {
    let mut world = World::settled(3);
    world.crash(1);
    world.stop(0, None);
    let took = world.until(secs(2), |world| world.leader() == Some(2));
    assert!(took >= secs(1) && took <= millis(1100), "{took:?}");
}

#[test]
fn leader_without_candidates_releases_and_the_next_one_need_not_wait() {
    let mut world = World::settled(1);
    world.step(0, Input::Leave);
    world.run(secs(1));
    assert_eq!(world.nodes[0].ended, [Ended::Released]);
    assert_eq!(world.lease().spec.holder, None);
    assert_eq!(world.lease().spec.duration, Some(secs(1)));
    let late = world.add(config("late"));
    world.step(late, Input::Contend);
    world.until(millis(200), |world| world.leader() == Some(late));
}

#[test]
fn named_successor_follows() {
    let mut world = World::settled(4);
    world.stop(0, Some("c"));
    world.until(millis(20), |world| world.leader() == Some(2));
}

#[test]
fn stop_for_one_who_is_no_candidate_does_nothing() {
    let mut world = World::settled(2);
    for nobody in ["nobody", "", "a", "b_ui"] {
        world.stop(0, Some(nobody));
    }
    assert_eq!(world.nodes[0].declined, 4);
    assert_eq!(world.leader(), Some(0));
}

#[test]
fn candidate_that_was_not_heard_of_for_long_is_passed_over() {
    let mut world = World::settled(3);
    world.crash(1);
    world.run(secs(160));
    world.stop(0, None);
    world.until(millis(20), |world| world.leader() == Some(2));
}

#[test]
fn term_is_renewed_while_permits_drain_and_offered_when_they_are_gone() {
    let mut world = World::settled(2);
    world.nodes[0].obedient = false;
    world.stop(0, None);
    assert_eq!(world.leader(), None);
    let version = world.lease().version;
    world.run(secs(9));
    assert!(world.lease().version > version, "renewed");
    assert!(
        world.nodes[0]
            .permits
            .is_some_and(|until| until > world.now + secs(2))
    );
    assert_eq!(world.lease().spec.holder, Some("a_uid_random".into()));
    let term = world.nodes[0].elector.term().expect("it drains");
    world.step(0, Input::Idle(term));
    world.until(millis(20), |world| world.leader() == Some(1));
}

#[test]
fn permits_that_outlive_the_drain_are_never_released_under() {
    let mut world = World::settled(2);
    world.nodes[0].obedient = false;
    world.stop(0, None);
    world.run(secs(10));
    let version = world.lease().version;
    let until = world.nodes[0]
        .permits
        .expect("protected until the last renewal's deadline");
    world.until(secs(12), |world| world.nodes[0].permits.is_none());
    assert!(world.now >= until);
    assert_eq!(world.nodes[0].ended, [Ended::Expired]);
    assert_eq!(
        world.lease().version,
        version,
        "neither renewed nor released"
    );
    world.until(LEASE, |world| world.leader() == Some(1));
}

#[test]
fn next_term_waits_for_the_work_of_the_last() {
    let mut world = World::settled(1);
    world.nodes[0].obedient = false;
    let term = world.nodes[0].elector.term().expect("leads");
    world.edit(|lease| lease.spec.holder = Some("intruder".into()));
    world.run(secs(1));
    assert_eq!(
        world.nodes[0].ended,
        [Ended::Deposed {
            by: Some("intruder".into())
        }]
    );
    world.step(0, Input::Contend);
    world.run(LEASE * 3);
    assert_eq!(world.leader(), None);
    world.step(0, Input::Idle(term));
    world.until(millis(200), |world| world.leader() == Some(0));
}

#[test]
fn wish_that_was_withdrawn_while_it_was_granted_leaves_a_free_record() {
    let mut world = World::new(1);
    world.step(0, Input::Contend);
    let acquiring =
        |request: &Request| matches!(request, Request::Update { name: of, .. } if *of == name());
    world.until(millis(200), |world| {
        world.nodes[0]
            .requests
            .iter()
            .any(|(_, request)| acquiring(request))
    });
    world.step(0, Input::Withdraw);
    world.run(secs(1));
    assert_eq!(world.tokens, []);
    assert_eq!(world.lease().spec.holder, None);
    assert!(world.lease().annotations[key::STATE].starts_with("released"));
}

#[test]
fn offer_to_one_who_wants_it_no_more_is_passed_on() {
    let mut world = World::settled(3);
    world.step(1, Input::Withdraw);
    world.stop(0, Some("b"));
    let took = world.until(millis(200), |world| world.leader().is_some());
    assert_eq!(world.leader(), Some(2));
    assert!(took <= millis(100), "{took:?}");
}

#[test]
fn acquisition_whose_answer_was_lost_begins_no_term_until_it_is_repeated() {
    let mut world = World::new(1);
    world.step(0, Input::Contend);
    world.until(millis(200), |world| world.leases.contains_key(&name()));
    world.set_net(0, Net::Deaf);
    world.until(secs(5), |world| world.lease().spec.holder.is_some());
    world.run(millis(500));
    assert_eq!(world.leader(), None, "the name alone grants nothing");
    world.set_net(0, Net::Up);
    world.until(secs(5), |world| world.leader() == Some(0));
    assert!(world.lease().spec.transitions >= 2, "a term of its own");
}

#[test]
fn who_leaves_takes_its_candidate_lease_back() {
    let mut world = World::settled(3);
    world.step(1, Input::Leave);
    world.step(0, Input::Leave);
    world.run(secs(1));
    assert_eq!(world.names(), ["billing", "billing-c"].into());
    assert!(world.nodes[0].elector.is_settled() && world.nodes[1].elector.is_settled());
    // The offer went to one who had just left.
    world.until(millis(200), |world| world.leader() == Some(2));
}

#[test]
fn candidate_lease_that_was_left_behind_is_deleted_by_the_leader() {
    let mut world = World::settled(3);
    world.crash(2);
    world.run(secs(700));
    assert_eq!(world.names(), ["billing", "billing-a", "billing-b"].into());
}

#[test]
fn released_term_may_be_wanted_again() {
    let mut world = World::settled(2);
    for leader in [0, 1, 0, 1] {
        world.stop(leader, None);
        world.step(leader, Input::Contend);
        world.until(millis(500), |world| world.leader() == Some(1 - leader));
        world.run(secs(1));
    }
}
