//! SIGTERM in a program that has elections or locks: they are handed over, and only then does the process end.
//!
//! The handler itself is that of the crate `metaparticle`, which knows [`Signal`] alone: so a program without a
//! coordinator links nothing else of this crate. A program that takes the signal itself ends itself; the hand-over goes on
//! beside its own last work. One that does not is ended when it is done.

use std::{
    io::Read as _,
    os::{fd::IntoRawFd as _, unix::net::UnixStream},
    process,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    thread,
};

use crate::Coordinator;

/// What the handler and the coordinators of a process share.
#[derive(Debug)]
pub struct Signal {
    /// Set by who installs a handler that goes by the other two.
    pub handled: AtomicBool,
    /// Where the handler writes a byte instead of ending the process; below 0: nowhere.
    pub pipe: AtomicI32,
    /// Set by the handler if no other one was there when the signal came.
    pub alone: AtomicBool,
}

/// That of this process.
pub static SIGNAL: Signal = Signal {
    handled: AtomicBool::new(false),
    pipe: AtomicI32::new(-1),
    alone: AtomicBool::new(false),
};

/// Exit code of a process that SIGTERM ends.
const TERMINATED: i32 = 143;

static COORDINATORS: Mutex<Vec<Coordinator>> = Mutex::new(Vec::new());

/// From now on SIGTERM hands over what this one holds, if its handler is there.
pub(crate) fn watch(coordinator: &Coordinator) {
    static WATCHED: OnceLock<()> = OnceLock::new();
    if !SIGNAL.handled.load(Ordering::Acquire) {
        return;
    }
    let mut coordinators = COORDINATORS.lock().unwrap_or_else(PoisonError::into_inner);
    coordinators.retain(|coordinator| !coordinator.is_stopping());
    coordinators.push(coordinator.clone());
    WATCHED.get_or_init(|| {
        // Without sockets or threads there is no hand-over; what is held expires then.
        let Ok((reader, writer)) = UnixStream::pair() else {
            return;
        };
        let waits = thread::Builder::new()
            .name("metaparticle-sigterm".to_owned())
            .spawn(move || hand_over(reader));
        if waits.is_ok() {
            // Never closed.
            SIGNAL.pipe.store(writer.into_raw_fd(), Ordering::Release);
        }
    });
}

/// A thread of its own: it works while the program's runtime is busy, and ends the process when that has ended.
fn hand_over(mut signal: UnixStream) {
    while signal.read_exact(&mut [0]).is_ok() {
        let coordinators = COORDINATORS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Coordinator::shutdown_blocking(&coordinators);
        if SIGNAL.alone.load(Ordering::Acquire) {
            process::exit(TERMINATED);
        }
    }
}
