//! SIGTERM, for a program that does not care for it, and for one that holds elections or locks.
//!
//! The kernel keeps from process 1 of a container every signal that it has no handler for. A program that leaves
//! SIGTERM to its default action, which ends any other process, would hold up each rollout for the whole grace period
//! until it is killed. So it gets a handler that does what the default action does, for as long as the program takes
//! no handler of its own. Once something is [armed](arm), that comes first.
#![allow(
    unsafe_code,
    reason = "no safe interface tells whether the program has taken the signal; proven by tests/compile/tests/container.rs"
)]

use std::{
    mem, ptr,
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
};

/// Where the handler writes a byte; below 0: nowhere.
static ARMED: AtomicI32 = AtomicI32::new(-1);
/// Whether no other handler was there when the signal came.
static ALONE: AtomicBool = AtomicBool::new(false);

/// Makes SIGTERM end the process with 143, the code for it, until another handler is taken.
pub(crate) fn end_at_sigterm() {
    // SAFETY: all zeroes is a valid `sigaction`; the handler calls only what may be called in one.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler();
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTERM, &raw const action, ptr::null_mut());
    }
}

/// Whoever takes the signal later may call us first, as the handlers of Tokio do: then it is no longer for us.
extern "C" fn end(signal: libc::c_int) {
    // SAFETY: `sigaction`, `write` and `_exit` may be called in a handler; all zeroes is a valid `sigaction`.
    unsafe {
        let mut present: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut present);
        let alone = present.sa_sigaction == handler();
        let armed = ARMED.load(Ordering::Acquire);
        if armed >= 0 {
            ALONE.fetch_or(alone, Ordering::Release);
            // A pipe that is full has told enough.
            let _ = libc::write(armed, [0_u8].as_ptr().cast(), 1);
        } else if alone {
            libc::_exit(128 + signal);
        }
    }
}

fn handler() -> libc::sighandler_t {
    end as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// From now on SIGTERM writes a byte to `pipe`, which stays open, and ends nothing: that is for whoever reads it, with
/// [`end_unless_taken`]. Once a process.
#[cfg(feature = "coordination")]
pub(crate) fn arm(pipe: std::os::fd::OwnedFd) {
    use std::os::fd::IntoRawFd as _;

    ARMED.store(pipe.into_raw_fd(), Ordering::Release);
}

/// Ends the process as the signal would have, unless the program has a handler of its own, and so its own end.
#[cfg(feature = "coordination")]
pub(crate) fn end_unless_taken() {
    if ALONE.load(Ordering::Acquire) {
        // SAFETY: ends the process; what the signal's default action leaves undone, this does, too.
        unsafe { libc::_exit(128 + libc::SIGTERM) }
    }
}
