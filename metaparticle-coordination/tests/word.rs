//! Every interleaving of a guard word's users, under the memory model of C++ (loom).

use loom::{sync::Arc, thread};

mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
}

#[allow(dead_code, reason = "each test needs a part of it")]
#[path = "../src/word/state.rs"]
mod state;

use state::State;

#[test]
fn what_one_thread_saw_invalid_nobody_sees_valid_later() {
    loom::model(|| {
        let state = Arc::new(State::new(10));
        // Its clock says 9 when the acknowledgement comes, and it is slow to apply it.
        let keeper = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.extend(9, 20))
        };
        let reader = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.check(11).is_some())
        };
        let first = state.check(12).is_some();
        let second = state.check(13).is_some();
        assert!(first || !second, "revived for one thread");
        let other = reader.join().unwrap();
        let last = state.check(13).is_some();
        assert!(!last || (first && second && other), "revived for another");
        assert_eq!(keeper.join().unwrap(), state.check(14).is_some());
    });
}

#[test]
fn renewal_that_was_acknowledged_in_time_holds_if_nobody_saw_it_expired() {
    loom::model(|| {
        let state = Arc::new(State::new(10));
        let keeper = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.extend(9, 20))
        };
        assert!(state.check(9).is_some());
        assert!(keeper.join().unwrap());
        assert_eq!(state.check(19), Some(20));
        assert_eq!(state.check(20), None);
        assert!(!state.extend(21, 40));
        assert_eq!(state.check_permit(21), None);
    });
}

#[test]
fn release_never_goes_before_a_permit_that_was_given() {
    loom::model(|| {
        let state = Arc::new(State::new(10));
        let released = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let worker = {
            let (state, released) = (Arc::clone(&state), Arc::clone(&released));
            thread::spawn(move || {
                if state.permit(1) {
                    let before = released.load(loom::sync::atomic::Ordering::Acquire);
                    assert!(!before, "released under a permit");
                    state.return_permit();
                }
            })
        };
        state.close();
        if state.permits() == 0 {
            released.store(true, loom::sync::atomic::Ordering::Release);
        }
        worker.join().unwrap();
        assert_eq!(state.permits(), 0);
        assert!(!state.permit(1));
    });
}

#[test]
fn renewal_and_release_at_once_leave_no_valid_guard() {
    loom::model(|| {
        let state = Arc::new(State::new(10));
        let keeper = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.extend(5, 20))
        };
        let first = state.close();
        assert!(state.check(6).is_none());
        assert!(keeper.join().unwrap(), "permits are renewed all the same");
        assert!(state.check(6).is_none());
        assert_eq!(state.check_permit(15), Some(20));
        assert!(first);
        assert!(!state.invalidate());
        assert_eq!(state.check_permit(15), None);
        assert!(!state.extend(7, 30));
    });
}

#[test]
fn one_of_two_that_end_it_is_the_first() {
    loom::model(|| {
        let state = Arc::new(State::new(10));
        let other = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.close())
        };
        let first = state.invalidate();
        assert!(first ^ other.join().unwrap());
    });
}
