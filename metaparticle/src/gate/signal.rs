//! [`Withheld`]: SIGTERM, kept from the program until its slots are handed over.
//!
//! The signal is blocked in the first thread before there are others, and so in all of them; a thread of ours waits for it.
//! When it is passed on, that thread unblocks it for itself and raises it, and whatever handler the program has installed
//! meanwhile runs there. Processes that the program starts inherit that it is blocked.
#![allow(
    unsafe_code,
    reason = "no safe interface blocks or waits for a signal; proven by the suite of the embedded cluster, where no request fails as pods end"
)]

use std::{io, mem::MaybeUninit, ptr};

/// SIGTERM is blocked in this thread, and in those that it starts.
pub(super) struct Withheld {
    /// That signal alone.
    set: libc::sigset_t,
}

impl Withheld {
    /// From now on.
    ///
    /// # Errors
    /// That of the system.
    pub(super) fn begin() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: `sigemptyset` initializes the set, and `sigaddset` takes an initialized one; both know the signal.
        let set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
            set.assume_init()
        };
        let withheld = Self { set };
        withheld.mask(libc::SIG_BLOCK)?;
        Ok(withheld)
    }

    /// Blocks the thread until the signal comes; at once if it has come already.
    pub(super) fn wait(&self) {
        let mut signal = 0;
        // SAFETY: both pointers are to live values. It may be woken without a signal: then it is called again.
        while unsafe { libc::sigwait(&raw const self.set, &raw mut signal) } != 0 {}
    }

    /// Gives it to the handler that the program has now, in this thread, and all later ones as well.
    ///
    /// # Errors
    /// That of the system.
    pub(super) fn pass_on(self) -> io::Result<()> {
        self.mask(libc::SIG_UNBLOCK)?;
        // SAFETY: it raises a signal, whose handler may run here as anywhere.
        match unsafe { libc::raise(libc::SIGTERM) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn mask(&self, how: libc::c_int) -> io::Result<()> {
        // SAFETY: the set is initialized; where the old mask goes may be null.
        match unsafe { libc::pthread_sigmask(how, &raw const self.set, ptr::null_mut()) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}
