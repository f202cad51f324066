//! Sessions that end without a word.

use std::time::Duration;

use super::{LEASE, World, semaphore};
use crate::{
    Request,
    lock::{Guard, Kind},
    member::Input,
};

const SECOND: Duration = Duration::from_secs(1);

/// A holder and one that waits.
fn two() -> (World, Guard, Guard) {
    let mut world = World::new(2);
    let holder = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let waiter = world.lock(1, "a", Kind::Mutex);
    world.settle();
    (world, holder, waiter)
}

#[test]
fn lock_of_a_dead_process_is_had_after_its_whole_duration() {
    for collects in [true, false] {
        let (mut world, _, waiter) = two();
        world.collects = collects;
        world.kill(0);
        world.pass(SECOND * 14);
        assert!(!world.holds(1, waiter));
        world.pass(SECOND + SECOND / 1000);
        assert!(world.holds(1, waiter));
        assert_eq!(world.tickets(), 1, "the dead one's ticket");
    }
}

#[test]
fn living_holder_is_never_buried() {
    let (mut world, holder, waiter) = two();
    world.pass(LEASE * 40);
    assert!(world.holds(0, holder) && !world.holds(1, waiter));
}

#[test]
fn holder_cut_off_is_invalid_before_the_next_holds() {
    let (mut world, holder, waiter) = two();
    world.members[0].cut = true;
    world.members[0].blind = true;
    let mut gap = Duration::ZERO;
    for _ in 0..300 {
        world.pass(SECOND / 10);
        assert!(!(world.holds(0, holder) && world.holds(1, waiter)));
        if !world.holds(0, holder) && !world.holds(1, waiter) {
            gap += SECOND / 10;
        }
    }
    assert!(world.holds(1, waiter));
    assert!(gap >= LEASE / 5, "20 % of the lease: {gap:?}");
}

#[test]
fn dead_waiters_and_holders_do_not_block_a_queue() {
    let mut world = World::new(5);
    let guards: Vec<_> = (0..5)
        .map(|of| {
            let guard = world.lock(of, "a", Kind::Mutex);
            world.settle();
            guard
        })
        .collect();
    for of in 0..4 {
        world.kill(of);
    }
    world.pass(LEASE * 2 + SECOND);
    assert!(world.holds(4, guards[4]));
}

#[test]
fn each_dead_holder_of_a_semaphore_is_buried() {
    let mut world = World::new(13);
    for of in 0..12 {
        world.lock(of, "a", semaphore(12));
        world.settle();
    }
    let waiter = world.lock(12, "a", semaphore(12));
    world.settle();
    // More than may be watched: this one is read.
    let read = world.members[12]
        .said
        .iter()
        .filter_map(|action| match action {
            crate::member::Action::Send {
                request: Request::Get { name },
                ..
            } => Some(name.clone()),
            _ => None,
        });
    let read: Vec<_> = read.collect();
    assert_eq!(read.len(), 12 - crate::death::WATCHES, "{read:?}");
    for of in 0..12 {
        if read.contains(&format!("pod-{of}-x").into()) {
            world.kill(of);
        }
    }
    world.pass(LEASE + LEASE / 2);
    assert!(world.holds(12, waiter));
}

#[test]
fn gap_in_the_watch_starts_the_wait_again() {
    let (mut world, _, waiter) = two();
    world.kill(0);
    world.pass(SECOND * 14);
    world.lose_watches(1);
    world.pass(SECOND * 14);
    assert!(!world.holds(1, waiter));
    world.pass(SECOND * 2);
    assert!(world.holds(1, waiter));
}

#[test]
fn proof_of_the_end_replaces_the_wait_but_not_the_write() {
    let (mut world, _, waiter) = two();
    world.kill(0);
    world.pass(SECOND);
    let uid = world.store[&"pod-0-x".into()].uid.clone();
    world.input(1, Input::Proven { uid });
    assert!(!world.holds(1, waiter), "before the DELETE is acknowledged");
    world.settle();
    assert!(world.holds(1, waiter));
    assert!(!world.store.contains_key(&"pod-0-x".into()));
}

#[test]
fn waiter_knows_the_container_of_the_holder_once_it_is_told() {
    let (mut world, ..) = two();
    let suspects = |world: &World| {
        let member = world.members[1].member.as_ref().expect("alive");
        let suspects = member.suspects();
        suspects
            .map(|(_, container)| container.to_string())
            .collect::<Vec<_>>()
    };
    assert!(suspects(&world).is_empty());
    world.input(0, Input::Contained("container".into()));
    world.pass(LEASE / 3);
    assert_eq!(suspects(&world), ["container"]);
    let uid = world.store[&"pod-0-x".into()].uid.clone();
    world.input(1, Input::Proven { uid });
    assert!(suspects(&world).is_empty(), "proven once");
}

#[test]
fn revoked_session_is_waited_for_its_whole_duration() {
    let (mut world, holder, waiter) = two();
    let lease = world.store[&"pod-0-x".into()].clone();
    let (name, uid) = (lease.name, lease.uid);
    world.input(1, Input::Revoke { name, uid });
    world.settle();
    let mut until = Duration::ZERO;
    while world.holds(0, holder) {
        world.pass(SECOND);
        until += SECOND;
        assert!(!(world.holds(0, holder) && world.holds(1, waiter)));
    }
    assert!(until <= LEASE);
    world.pass(LEASE.saturating_sub(until + SECOND / 2));
    assert!(!world.holds(1, waiter), "the revoker waits");
    world.pass(SECOND);
    assert!(world.holds(1, waiter));
}

#[test]
fn leftovers_that_nobody_waits_for_are_reaped() {
    let mut world = World::new(2);
    world.collects = false;
    world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.kill(0);
    world.lock(1, "b", Kind::Mutex);
    world.pass(LEASE * 9);
    assert!(world.store.contains_key(&"pod-0-x".into()));
    world.pass(Duration::from_secs(3600));
    assert!(!world.store.contains_key(&"pod-0-x".into()));
    world.pass(Duration::from_secs(3700));
    assert_eq!(world.tickets(), 1, "its ticket as well");
    assert!(world.store.contains_key(&"pod-1-x".into()));
}
