//! What electors do, by a small store of their own. Every test also holds: never two valid guards, tokens rise.

mod faults;
mod handover;
mod store;
mod world;

use metaparticle_protocol::{
    Request,
    election::{Ended, Input},
    lease::{Lease, Spec, key},
};

use crate::world::{LEASE, Net, World, config, millis, name, secs};

#[test]
fn first_candidate_creates_an_empty_record_and_acquires_it_with_a_second_write() {
    let mut world = World::new(1);
    world.step(0, Input::Contend);
    world.until(millis(200), |world| world.leader().is_some());
    let writes: Vec<_> = world.nodes[0]
        .requests
        .iter()
        .filter_map(|(_, request)| match request {
            Request::Create { name: of, draft } if *of == name() => {
                Some(("create", draft.holder.clone()))
            }
            Request::Update { draft, .. } => Some(("update", draft.holder.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(
        writes,
        [("create", None), ("update", Some("a_uid_random".into()))]
    );
    let lease = world.lease();
    assert_eq!(lease.spec.transitions, 1);
    assert_eq!(lease.spec.duration, Some(LEASE));
    assert!(lease.spec.acquired.is_some() && lease.spec.renewed.is_some());
}

#[test]
fn leader_renews_every_third_and_followers_ask_once_a_minute() {
    let mut world = World::settled(3);
    let begin = world.now;
    world.run(secs(600));
    assert_eq!(world.leader(), Some(0));
    assert_eq!(world.count(0, begin), 120, "0.2 a second");
    for follower in [1, 2] {
        assert_eq!(world.count(follower, begin), 10, "0.0167 a second");
    }
}

#[test]
fn renewals_say_who_may_follow_in_which_order() {
    let mut world = World::new(3);
    let mut preferred = config("z");
    preferred.priority = 5;
    world.add(preferred);
    for node in 0..4 {
        world.step(node, Input::Contend);
        world.run(millis(300));
    }
    world.run(secs(6));
    let successors = &*world.lease().annotations[key::SUCCESSORS];
    assert_eq!(successors, "z_uid_random b_uid_random c_uid_random");
}

#[test]
fn crashed_leader_is_succeeded_one_lease_after_its_last_renewal() {
    let mut world = World::settled(3);
    let renewed = world.lease().version;
    world.until(secs(6), |world| world.lease().version != renewed);
    world.crash(0);
    let took = world.until(LEASE + millis(100), |world| world.leader().is_some());
    assert!(took >= LEASE, "{took:?}");
    assert_eq!(world.leader(), Some(1));
}

#[test]
fn all_but_the_first_candidate_leave_it_the_turn() {
    let mut world = World::settled(4);
    world.crash(0);
    let begin = world.now;
    world.until(LEASE + millis(100), |world| world.leader().is_some());
    world.run(millis(500));
    let tried = |node: usize| {
        let writes = world.nodes[node]
            .requests
            .iter()
            .filter(|(at, _)| *at > begin);
        writes
            .filter(
                |(_, request)| matches!(request, Request::Update { name: of, .. } if *of == name()),
            )
            .count()
    };
    assert_eq!((tried(1), tried(2), tried(3)), (1, 0, 0));
}

#[test]
fn highest_priority_follows_a_crashed_leader() {
    let mut world = World::new(2);
    let mut preferred = config("z");
    preferred.priority = 5;
    world.add(preferred);
    for node in 0..3 {
        world.step(node, Input::Contend);
        world.run(millis(300));
    }
    world.run(secs(6));
    world.crash(0);
    world.until(LEASE + millis(100), |world| world.leader().is_some());
    assert_eq!(world.leader(), Some(2));
}

#[test]
fn proof_that_the_holder_has_ended_replaces_the_waiting() {
    let mut world = World::settled(2);
    world.crash(0);
    world.run(secs(1));
    world.step(1, Input::Terminated("another_uid_random".into()));
    world.run(secs(1));
    assert_eq!(world.leader(), None, "proof about somebody else");
    world.step(1, Input::Terminated("a_uid_random".into()));
    world.until(millis(50), |world| world.leader() == Some(1));
}

#[test]
fn container_that_was_proved_stands_in_the_record_from_the_next_renewal_on() {
    let mut world = World::settled(2);
    world.step(0, Input::Contained("prod a uid containerd://12".into()));
    world.run(secs(6));
    let view = world.nodes[1].elector.view();
    assert_eq!(
        view.container.as_deref(),
        Some("prod a uid containerd://12")
    );
    world.crash(0);
    world.step(1, Input::Terminated("a_uid_random".into()));
    world.until(millis(50), |world| world.leader() == Some(1));
    assert_eq!(
        world.nodes[1].elector.view().container,
        None,
        "not that of another"
    );
}

#[test]
fn proof_about_one_holder_says_nothing_about_the_next() {
    let mut world = World::settled(2);
    world.crash(0);
    world.step(1, Input::Withdraw);
    world.step(1, Input::Terminated("a_uid_random".into()));
    world.edit(|lease| lease.spec.holder = Some("client-go".into()));
    world.run(millis(2));
    world.step(1, Input::Contend);
    let took = world.until(LEASE + millis(100), |world| world.leader() == Some(1));
    assert!(took + millis(100) >= LEASE, "{took:?}");
}

#[test]
fn client_gos_record_is_taken_after_its_own_duration() {
    let mut world = World::new(1);
    foreign(&mut world, Some("client-go"), secs(20), 3);
    world.step(0, Input::Contend);
    world.run(secs(15));
    world.edit(|lease| lease.spec.renewed = None);
    let took = world.until(secs(21), |world| world.leader().is_some());
    assert!(took >= secs(20), "{took:?}");
    assert_eq!(world.lease().spec.transitions, 4);
}

#[test]
fn client_gos_release_costs_the_duration_of_what_it_emptied() {
    let mut world = World::new(1);
    foreign(&mut world, Some("client-go"), secs(20), 3);
    world.step(0, Input::Contend);
    world.run(secs(5));
    world.edit(|lease| (lease.spec.holder, lease.spec.duration) = (None, Some(secs(1))));
    let took = world.until(secs(21), |world| world.leader().is_some());
    assert!(took >= secs(20), "{took:?}");
}

#[test]
fn empty_record_of_unknown_origin_costs_the_configured_duration() {
    let mut world = World::new(1);
    foreign(&mut world, None, secs(1), 3);
    world.step(0, Input::Contend);
    let took = world.until(secs(16), |world| world.leader().is_some());
    assert!(took >= LEASE, "{took:?}");
}

#[test]
fn marks_that_client_go_kept_on_its_release_free_nothing() {
    let mut world = World::settled(1);
    world.step(0, Input::Leave);
    world.run(secs(1));
    assert_eq!(world.nodes[0].ended, [Ended::Released]);
    let late = world.add(config("late"));
    world.edit(|lease| {
        lease.spec.holder = Some("client-go".into());
        lease.spec.duration = Some(LEASE);
        lease.spec.transitions += 1;
    });
    world.edit(|lease| (lease.spec.holder, lease.spec.duration) = (None, Some(secs(1))));
    world.step(late, Input::Contend);
    let took = world.until(secs(16), |world| world.leader().is_some());
    assert!(took >= LEASE, "{took:?}");
}

#[test]
fn token_is_above_all_that_were_seen_also_in_a_record_of_another() {
    let mut world = World::new(1);
    foreign(&mut world, Some("client-go"), secs(2), 3);
    world.edit(|lease| {
        lease.annotations.insert(key::TOKEN, "999999".into());
    });
    world.step(0, Input::Contend);
    world.until(secs(3), |world| world.leader().is_some());
    assert_eq!(world.tokens[0].0, 1_000_000);
}

#[test]
fn token_is_at_least_the_version_that_was_overwritten() {
    let mut world = World::new(1);
    foreign(&mut world, Some("client-go"), secs(2), 3);
    world.step(0, Input::Contend);
    world.run(secs(1));
    // Not its spec: the expiry goes on, the version counts.
    world.edit(|_| {});
    let version = world.lease().version;
    let took = world.until(secs(2), |world| world.leader().is_some());
    assert!(took <= millis(1200), "{took:?}");
    assert_eq!(world.tokens[0].0, version.0);
}

#[test]
fn after_an_outage_of_our_own_expiry_is_counted_anew() {
    let mut world = World::settled(2);
    world.crash(0);
    world.run(secs(8));
    world.set_net(1, Net::Hung);
    world.run(secs(1));
    world.set_net(1, Net::Up);
    let took = world.until(LEASE + millis(100), |world| world.leader().is_some());
    assert!(took >= LEASE, "{took:?}");
}

#[test]
fn after_a_pause_of_our_own_expiry_is_counted_anew() {
    let mut world = World::settled(2);
    world.crash(0);
    world.run(secs(8));
    world.pause_all(secs(30));
    let took = world.until(LEASE + millis(100), |world| world.leader().is_some());
    assert!(took + millis(100) >= LEASE, "{took:?}");
}

#[test]
fn lease_of_something_else_is_left_alone() {
    let mut world = World::new(1);
    foreign(&mut world, None, secs(2), 0);
    world.edit(|lease| {
        lease.labels.insert(key::ROLE, "session".into());
    });
    let version = world.lease().version;
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.step(0, Input::Contend);
        world.run(secs(60));
    }));
    let said = refused.expect_err("the world panics at a refusal");
    let said = said.downcast::<String>().expect("text");
    assert!(said.contains("belongs to a session"), "{said}");
    assert_eq!(world.lease().version, version);
}

/// A Lease that none of ours wrote.
fn foreign(
    world: &mut World,
    holder: Option<&str>,
    duration: std::time::Duration,
    transitions: u32,
) {
    let version = world.next();
    world.write(&Lease {
        name: name(),
        uid: "foreign".into(),
        version,
        spec: Spec {
            holder: holder.map(Into::into),
            duration: Some(duration),
            acquired: None,
            renewed: Some(metaparticle_protocol::Stamp(i64::MAX)),
            transitions,
        },
        annotations: [].into(),
        labels: [].into(),
        deleting: false,
    });
}
