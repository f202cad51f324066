//! SIGTERM, for a program that does not care for it, and for one that holds elections or locks.
//!
//! The kernel keeps from process 1 of a container every signal that it has no handler for. A program that leaves
//! SIGTERM to its default action, which ends any other process, would hold up each rollout for the whole grace period
//! until it is killed. So it gets a handler that does what the default action does, for as long as the program takes
//! no handler of its own. Where elections or locks are to be handed over, that comes first.
#![allow(
    unsafe_code,
    reason = "no safe interface tells whether the program has taken the signal; proven by tests/compile/tests/container.rs"
)]

use std::{mem, ptr};

#[cfg(feature = "coordination")]
use std::sync::atomic::Ordering;

#[cfg(feature = "coordination")]
use metaparticle_coordination::__private::SIGNAL;

/// Makes SIGTERM end the process with 143, the code for it, until another handler is taken.
pub(crate) fn end_at_sigterm() {
    // SAFETY: all zeroes is a valid `sigaction`; the handler calls only what may be called in one.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler();
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGTERM, &raw const action, ptr::null_mut());
    }
    #[cfg(feature = "coordination")]
    SIGNAL.handled.store(true, Ordering::Release);
}

/// Whoever takes the signal later may call us first, as the handlers of Tokio do: then it is no longer for us.
extern "C" fn end(signal: libc::c_int) {
    // SAFETY: `sigaction`, `write` and `_exit` may be called in a handler; all zeroes is a valid `sigaction`.
    unsafe {
        let mut present: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut present);
        let alone = present.sa_sigaction == handler();
        #[cfg(feature = "coordination")]
        {
            let pipe = SIGNAL.pipe.load(Ordering::Acquire);
            if pipe >= 0 {
                SIGNAL.alone.fetch_or(alone, Ordering::Release);
                // A pipe that is full has told enough.
                let _ = libc::write(pipe, [0_u8].as_ptr().cast(), 1);
                return;
            }
        }
        if alone {
            libc::_exit(128 + signal);
        }
    }
}

fn handler() -> libc::sighandler_t {
    end as extern "C" fn(libc::c_int) as libc::sighandler_t
}
