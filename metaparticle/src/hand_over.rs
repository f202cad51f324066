//! SIGTERM in a program that has elections or locks: they are handed over, and only then does the process end.
//!
//! A program that takes the signal itself, with [`shutdown`](crate::shutdown()) or otherwise, ends itself; the hand-over
//! goes on beside its own last work. One that does not is ended when it is done.

use std::{
    io::Read as _,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use metaparticle_coordination::{__private, Coordinator};

use crate::terminate;

static COORDINATORS: Mutex<Vec<Coordinator>> = Mutex::new(Vec::new());

/// Sees to each coordinator that the program will start. The handler of SIGTERM is there already.
pub(crate) fn at_sigterm() {
    __private::on_start(started);
}

fn started(coordinator: &Coordinator) {
    static WATCHED: OnceLock<()> = OnceLock::new();
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
            terminate::arm(OwnedFd::from(writer));
        }
    });
}

/// A thread of its own: it works while the program's runtime is busy, and ends the process when that has ended.
fn hand_over(mut signal: UnixStream) {
    // The writer is never closed.
    while signal.read_exact(&mut [0]).is_ok() {
        let coordinators = COORDINATORS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        __private::shutdown_blocking(&coordinators);
        terminate::end_unless_taken();
    }
}
