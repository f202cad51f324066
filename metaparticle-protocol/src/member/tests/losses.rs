//! Watches, answers, tickets and sessions that are lost.

use std::time::Duration;

use super::{LEASE, World};
use crate::{
    Reply, Request,
    lock::{Failure, Kind, Loss},
    member::{Action, Input},
    session::Ended,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn lost_answers_cost_no_ticket_and_no_place() {
    let mut world = World::new(2);
    let warm = world.lock(0, "warm", Kind::Mutex);
    world.settle();
    world.members[0].deaf = true;
    let first = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let second = world.lock(1, "a", Kind::Mutex);
    world.settle();
    assert!(world.holds(0, first), "its ADDED was seen");
    world.leave(0, first);
    world.pass(SECOND);
    assert!(world.holds(1, second));
    world.members[0].deaf = false;
    world.pass(SECOND * 3);
    assert_eq!(world.tickets(), 2);
    assert!(world.holds(0, warm));
}

#[test]
fn missed_added_is_replaced_by_the_exact_list() {
    let mut world = World::new(3);
    for of in 0..3 {
        world.lock(of, "warm", Kind::Reader);
        world.settle();
    }
    let first = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let gone = world.lock(1, "a", Kind::Mutex);
    world.settle();
    // The watch breaks between the POST and its ADDED; before it is back, another queues up and one leaves.
    world.members[2].blind = true;
    let second = world.lock(2, "a", Kind::Mutex);
    world.serve(2);
    world.lose_watches(2);
    let third = world.lock(0, "a", Kind::Mutex);
    world.serve(0);
    world.leave(1, gone);
    world.serve(1);
    world.members[2].blind = false;
    world.settle();
    assert!(!world.holds(2, second), "the first holds");
    world.leave(0, first);
    world.settle();
    assert!(world.holds(2, second) && !world.holds(0, third));
    world.leave(2, second);
    world.settle();
    assert!(world.holds(0, third));
}

#[test]
fn lost_answer_and_missed_added_queue_again_under_a_new_name() {
    let mut world = World::new(1);
    world.lock(0, "warm", Kind::Mutex);
    world.settle();
    world.members[0].deaf = true;
    world.members[0].blind = true;
    let guard = world.lock(0, "a", Kind::Mutex);
    world.lose_watches(0);
    world.serve(0);
    assert!(world.store.contains_key(&"a-2".into()));
    world.members[0].deaf = false;
    world.members[0].blind = false;
    world.pass(SECOND * 3);
    assert!(world.holds(0, guard));
    assert!(!world.store.contains_key(&"a-2".into()));
    assert!(world.store.contains_key(&"a-2-1".into()));
}

#[test]
fn forgotten_version_queues_again_under_a_new_name() {
    let mut world = World::new(1);
    world.lock(0, "warm", Kind::Mutex);
    world.settle();
    world.members[0].blind = true;
    let guard = world.lock(0, "a", Kind::Mutex);
    world.serve(0);
    world.lose_watches(0);
    let call = world.members[0]
        .said
        .iter()
        .rev()
        .find_map(|action| match action {
            Action::Send {
                call,
                request: Request::List {
                    exactly: Some(_), ..
                },
                ..
            } => Some(*call),
            _ => None,
        });
    world.input(0, Input::Reply(call.expect("an exact list"), Reply::Gone));
    world.members[0].blind = false;
    world.settle();
    assert!(world.holds(0, guard));
    assert!(world.store.contains_key(&"a-2-1".into()));
    assert!(!world.store.contains_key(&"a-2".into()));
}

#[test]
fn watch_lost_while_holding_loses_nothing() {
    let mut world = World::new(1);
    let guard = world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.lose_watches(0);
    world.pass(LEASE * 2);
    assert!(world.holds(0, guard));
}

#[test]
fn ticket_deleted_by_hand_is_loss_seen_or_missed() {
    for missed in [false, true] {
        let mut world = World::new(2);
        let guard = world.lock(0, "a", Kind::Mutex);
        world.settle();
        let next = world.lock(1, "a", Kind::Mutex);
        world.settle();
        world.members[0].blind = missed;
        if missed {
            world.lose_watches(0);
        }
        world.delete(&"a-1".into());
        world.settle();
        assert!(world.holds(1, next));
        world.members[0].blind = false;
        world.settle();
        assert!(!world.holds(0, guard));
        let why = Loss::Deleted;
        assert!(
            world.members[0]
                .said
                .contains(&Action::Invalidate { guard, why })
        );
        world.leave(0, guard);
        world.settle();
        assert!(world.members[0].said.contains(&Action::Released { guard }));
    }
}

#[test]
fn waiters_ticket_deleted_by_hand_queues_again() {
    let mut world = World::new(2);
    let held = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let guard = world.lock(1, "a", Kind::Mutex);
    world.settle();
    world.delete(&"a-2".into());
    world.settle();
    world.leave(0, held);
    world.settle();
    assert!(world.holds(1, guard));
}

#[test]
fn session_deleted_by_hand_ends_all_guards_within_a_renewal() {
    for collects in [true, false] {
        let mut world = World::new(1);
        world.collects = collects;
        let guards = ["a", "b"].map(|lock| world.lock(0, lock, Kind::Mutex));
        world.settle();
        world.delete(&"pod-0-x".into());
        world.pass(LEASE / 3);
        assert!(guards.iter().all(|guard| !world.holds(0, *guard)));
        let why = Ended::Deleted;
        assert!(world.members[0].said.contains(&Action::Lost(why)));
    }
}

#[test]
fn lost_session_is_followed_by_another_for_those_who_wait() {
    let mut world = World::new(2);
    let held = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let waiter = world.lock(1, "a", Kind::Mutex);
    let lost = world.lock(1, "b", Kind::Mutex);
    world.settle();
    world.members[1].cut = true;
    world.members[1].blind = true;
    world.pass(LEASE);
    assert!(!world.holds(1, lost));
    world.members[1].cut = false;
    world.members[1].blind = false;
    world.lose_watches(1);
    world.pass(SECOND * 3);
    world.leave(0, held);
    world.pass(SECOND);
    assert!(world.holds(1, waiter));
    // The old session stays while somebody may still rely on what was held under it, and is then deleted.
    assert!(world.store.contains_key(&"pod-1-x".into()));
    world.leave(1, lost);
    world.pass(SECOND);
    assert!(!world.store.contains_key(&"pod-1-x".into()));
    assert!(world.store.contains_key(&"pod-1-x-2".into()));
    assert_eq!(world.tickets(), 1);
}

#[test]
fn refusal_fails_all_who_wait_once_and_the_next_tries_again() {
    let mut world = World::new(1);
    let guard = world.lock(0, "a", Kind::Mutex);
    let call = world.members[0]
        .said
        .iter()
        .find_map(|action| match action {
            Action::Send { call, .. } => Some(*call),
            _ => None,
        });
    let why: std::sync::Arc<str> = "leases is forbidden".into();
    let refused = Reply::Refused(why.clone());
    world.input(0, Input::Reply(call.expect("the session's POST"), refused));
    let failure = Failure::Refused(why);
    assert_eq!(world.members[0].failure(guard), Some(&failure));
    let guard = world.lock(0, "a", Kind::Mutex);
    world.pass(SECOND);
    assert!(world.holds(0, guard));
}

#[test]
fn store_that_went_back_ends_all_guards() {
    let mut world = World::new(1);
    let guard = world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.version -= 3;
    world.touch(&"a-1".into());
    world.settle();
    assert!(!world.holds(0, guard));
    let why = Ended::RolledBack;
    assert!(world.members[0].said.contains(&Action::Lost(why)));
}

#[test]
fn api_server_that_does_not_answer_is_asked_sparingly() {
    let mut world = World::new(1);
    world.lock(0, "warm", Kind::Mutex);
    world.settle();
    world.members[0].cut = true;
    for n in 0..500 {
        world.lock(0, &format!("lock-{n}"), Kind::Mutex);
    }
    world.settle();
    world.members[0].sent.clear();
    world.pass(SECOND * 10);
    let sent = world.members[0].sent.len();
    assert!(sent < 60, "{sent} requests in 10 s");
    world.members[0].cut = false;
    world.pass(SECOND * 30);
    assert_eq!(world.members[0].held.len(), 501);
}

#[test]
fn refused_watch_fails_who_has_no_place_and_spares_who_has() {
    let mut world = World::new(1);
    let held = world.lock(0, "a", Kind::Mutex);
    world.settle();
    let waiter = world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.members[0].blind = true;
    world.lose_watches(0);
    let late = world.lock(0, "b", Kind::Mutex);
    let tickets = world.members[0]
        .said
        .iter()
        .find_map(|action| match action {
            Action::Watch { watch, .. } => Some(*watch),
            _ => None,
        });
    let why: std::sync::Arc<str> = "no verb watch".into();
    world.input(0, Input::Refused(tickets.expect("a watch"), why.clone()));
    assert_eq!(world.members[0].failure(late), Some(&Failure::Refused(why)));
    assert!(world.holds(0, held));
    assert_eq!(world.members[0].failure(waiter), None);
}

#[test]
fn refused_deletion_is_told_and_tried_on() {
    let mut world = World::new(1);
    let guard = world.lock(0, "a", Kind::Mutex);
    world.settle();
    world.leave(0, guard);
    let call = world.members[0]
        .said
        .iter()
        .rev()
        .find_map(|action| match action {
            Action::Send {
                call,
                request: Request::Delete { .. },
                ..
            } => Some(*call),
            _ => None,
        });
    let why: std::sync::Arc<str> = "no verb delete".into();
    let refused = Reply::Refused(why.clone());
    world.refuse(0, call.expect("a deletion"), refused);
    let failure = Failure::Refused(why);
    assert_eq!(world.members[0].failure(guard), Some(&failure));
    assert_eq!(world.tickets(), 1);
    world.pass(SECOND * 5);
    assert_eq!(world.tickets(), 0);
    let released = Action::Released { guard };
    assert!(!world.members[0].said.contains(&released), "told once");
}
