//! Who holds, and in which order.

use std::time::Duration;

use super::{LEASE, World, semaphore};
use crate::{
    Request,
    lock::{Failure, Guard, Kind},
    member::Action,
};

#[test]
fn free_mutex_is_held_with_the_version_of_its_ticket_as_token() {
    let mut world = World::new(1);
    let guard = world.lock(0, "a", Kind::Mutex);
    world.settle();
    assert!(world.holds(0, guard));
    let created = world.store[&"a-1".into()].version;
    assert_eq!(
        world.members[0].held[&guard].map(|token| token.0),
        Some(created.0)
    );
}

#[test]
fn one_cycle_is_one_post_and_one_delete() {
    let mut world = World::new(1);
    let first = world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.leave(0, first);
    world.settle();
    world.members[0].sent.clear();
    let guard = world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.leave(0, guard);
    world.settle();
    let sent = &world.members[0].sent;
    assert!(
        matches!(sent[..], [Request::Create { .. }, Request::Delete { .. }]),
        "{sent:?}"
    );
    assert_eq!(world.tickets(), 0);
}

#[test]
fn mutex_goes_round_in_the_order_of_the_tickets() {
    let mut world = World::new(5);
    let mut guards = Vec::new();
    for of in 0..5 {
        guards.push((of, world.lock(of, "a", Kind::Mutex)));
        world.settle();
    }
    for (of, guard) in &guards {
        let holders: Vec<_> = guards
            .iter()
            .filter(|(of, g)| world.holds(*of, *g))
            .collect();
        assert_eq!(holders, [&(*of, *guard)]);
        world.leave(*of, *guard);
        world.settle();
    }
}

#[test]
fn wishes_of_one_process_are_met_in_their_order() {
    let mut world = World::new(1);
    let guards: Vec<_> = (0..20).map(|_| world.lock(0, "a", Kind::Mutex)).collect();
    world.settle();
    for guard in guards {
        assert!(world.holds(0, guard));
        world.leave(0, guard);
        world.settle();
    }
}

#[test]
fn readers_hold_together_and_wait_for_the_writer_before_them() {
    let mut world = World::new(2);
    let readers = [0, 1].map(|of| {
        let guard = world.lock(of, "a", Kind::Reader);
        world.settle();
        guard
    });
    let writer = world.lock(0, "a", Kind::Writer);
    world.settle();
    let late = world.lock(1, "a", Kind::Reader);
    world.settle();
    assert!(world.holds(0, readers[0]) && world.holds(1, readers[1]));
    assert!(!world.holds(0, writer) && !world.holds(1, late));
    assert_eq!(world.members[0].held[&readers[0]], None, "a reader's token");
    world.leave(0, readers[0]);
    world.leave(1, readers[1]);
    world.settle();
    assert!(world.holds(0, writer) && !world.holds(1, late));
    assert!(world.members[0].held[&writer].is_some());
    world.leave(0, writer);
    world.settle();
    assert!(world.holds(1, late));
}

#[test]
fn semaphore_lets_in_as_many_as_its_limit() {
    let mut world = World::new(3);
    let guards: Vec<_> = (0..6)
        .map(|n| {
            let guard = world.lock(n % 3, "a", semaphore(2));
            world.settle();
            (n % 3, guard)
        })
        .collect();
    let held = |world: &World| -> Vec<usize> {
        let holds = |n: &usize| world.holds(guards[*n].0, guards[*n].1);
        (0..6).filter(holds).collect()
    };
    assert_eq!(held(&world), [0, 1]);
    world.leave(guards[1].0, guards[1].1);
    world.settle();
    assert_eq!(held(&world), [0, 2]);
    world.leave(guards[0].0, guards[0].1);
    world.leave(guards[2].0, guards[2].1);
    world.settle();
    assert_eq!(held(&world), [3, 4]);
}

#[test]
fn touched_ticket_keeps_its_place() {
    let mut world = World::new(2);
    let first = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let second = world.lock(1, "a", Kind::Mutex);
    world.settle();
    world.touch(&"a-1".into());
    world.settle();
    assert!(world.holds(0, first) && !world.holds(1, second));
    world.leave(0, first);
    world.settle();
    assert!(world.holds(1, second));
}

#[test]
fn try_of_a_held_lock_leaves_no_ticket() {
    let mut world = World::new(2);
    let held = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let tried = world.wish(1, "a", Kind::Mutex, true);
    world.settle();
    assert!(
        world.members[1]
            .said
            .contains(&Action::Taken { guard: tried })
    );
    assert_eq!(world.tickets(), 1);
    world.leave(0, held);
    world.settle();
    let tried = world.wish(1, "a", Kind::Mutex, true);
    world.settle();
    assert!(world.holds(1, tried));
}

#[test]
fn wish_withdrawn_at_any_point_leaves_no_ticket() {
    for requests in 0..4 {
        for seen in [false, true] {
            let mut world = World::new(2);
            let held = world.lock(1, "a", Kind::Mutex);
            world.settle();
            let guard = world.lock(0, "a", Kind::Mutex);
            for _ in 0..requests {
                world.serve(0);
                if seen {
                    world.see(0);
                }
            }
            world.leave(0, guard);
            world.settle();
            let released = Action::Released { guard };
            assert!(world.members[0].said.contains(&released));
            assert_eq!(world.tickets(), 1, "after {requests} requests");
            assert!(world.holds(1, held));
        }
    }
}

#[test]
fn delayed_post_of_a_withdrawn_wish_is_swept() {
    let mut world = World::new(2);
    let warm = world.lock(0, "warm", Kind::Mutex);
    world.settle();
    let guard = world.lock(0, "a", Kind::Mutex);
    // Its POST times out, and arrives after all that.
    let post = world.members[0].sent.last().cloned().expect("it was sent");
    world.members[0].cut = true;
    world.serve(0);
    world.leave(0, guard);
    world.settle();
    world.members[0].cut = false;
    world.perform(post);
    assert_eq!(world.tickets(), 2);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.tickets(), 1);
    let other = world.lock(1, "a", Kind::Mutex);
    world.settle();
    assert!(world.holds(1, other) && world.holds(0, warm));
}

#[test]
fn other_kind_or_limit_fails_the_later_and_spares_the_earlier() {
    for (earlier, later) in [
        (Kind::Mutex, semaphore(3)),
        (semaphore(3), semaphore(4)),
        (Kind::Reader, Kind::Mutex),
    ] {
        let mut world = World::new(2);
        let first = world.lock(0, "a", earlier);
        world.settle();
        let second = world.lock(1, "a", later);
        world.settle();
        let theirs = Some(earlier);
        let why = Failure::Mismatch { theirs };
        assert_eq!(world.members[1].failure(second), Some(&why));
        assert!(world.holds(0, first));
        assert_eq!(world.tickets(), 1);
    }
}

#[test]
fn waiting_for_what_ones_own_process_holds_is_told_once() {
    let mut world = World::new(1);
    let holder = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let guard = world.lock(0, "a", Kind::Mutex);
    world.pass(LEASE);
    let told = world.members[0].said.iter();
    let told: Vec<_> = told
        .filter(|action| matches!(action, Action::WaitsForOwn { .. }))
        .collect();
    assert_eq!(told, [&Action::WaitsForOwn { guard, holder }]);
}

#[test]
fn thousand_locks_cost_one_renewal_every_third() {
    let mut world = World::new(1);
    let guards: Vec<Guard> = (0..1000)
        .map(|n| world.lock(0, &format!("lock-{n}"), Kind::Mutex))
        .collect();
    world.settle();
    world.pass(LEASE * 20);
    world.members[0].sent.clear();
    let minute = Duration::from_secs(60);
    world.pass(minute);
    assert!(guards.iter().all(|guard| world.holds(0, *guard)));
    let sent = world.members[0].sent.len();
    assert!(sent <= 12, "{sent} requests a minute");
}

#[test]
fn closed_member_leaves_nothing() {
    let mut world = World::new(2);
    let held = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let other = world.lock(1, "a", Kind::Mutex);
    world.settle();
    world.input(0, crate::member::Input::Close);
    assert!(!world.holds(0, held), "invalid before anything is deleted");
    world.settle();
    assert_eq!(world.members[0].said.last(), Some(&Action::Closed));
    assert!(world.holds(1, other));
    assert_eq!(world.store.len(), 2, "the other's session and ticket");
    let late = world.lock(0, "a", Kind::Mutex);
    assert_eq!(world.members[0].failure(late), Some(&Failure::Closed));
}
