//! The guard: one forked process per cluster, which forks a shim for each container.
//!
//! It has one thread, holds nothing of this process but one end of a socket, and is the ancestor of everything that runs
//! in pods. When the socket ends, for whatever reason (also SIGKILL of this process), it ends all of that and itself.
#![expect(
    unsafe_code,
    reason = "only a process that is forked and executes nothing else can guard without a program of its own; proven by \
              the tests of `process`"
)]

use std::{
    io, mem,
    net::Shutdown,
    os::{
        fd::{AsRawFd as _, RawFd},
        unix::net::UnixStream,
    },
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use libc::{c_int, pid_t};

use super::{raw, shim};

/// Where the guard, and then the shim, has its socket.
pub(super) const SOCKET: RawFd = 3;

/// The most containers at a time.
const MOST_SHIMS: usize = 1024;

/// Set by SIGTERM, in the guard and in each shim for itself.
static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

/// The guard, seen from here. Dropping it ends everything that it guards, and waits for that.
#[derive(Debug)]
pub(super) struct Guard {
    pid: pid_t,
    socket: Option<UnixStream>,
}

impl Guard {
    /// Forks the guard.
    pub(super) fn fork() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        // SAFETY: signals stay blocked until the child has taken away this program's handlers. The child calls only
        // what is safe in a signal handler (see `raw`), and never comes back from `run`, which cannot unwind.
        let pid = unsafe {
            let mut all: libc::sigset_t = mem::zeroed();
            let mut before: libc::sigset_t = mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let pid = libc::fork();
            if pid == 0 {
                run(theirs.as_raw_fd());
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
            pid
        };
        if pid < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            pid,
            socket: Some(ours),
        })
    }

    /// Has it fork a shim with these descriptors: control socket, standard output, standard error.
    pub(super) fn start_shim(&self, descriptors: [RawFd; raw::MOST]) -> io::Result<()> {
        let socket = self.socket.as_ref().expect("only dropping takes it");
        if raw::send(socket.as_raw_fd(), &[0], &descriptors) {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Whether it has ended. After the end of one of its sockets it may take a moment until that can be seen, on a machine
    /// that is busy a long one.
    pub(super) fn has_ended(&self) -> bool {
        (0..2_000).any(|_| {
            raw::has_ended(self.pid) || {
                raw::pause_millisecond();
                false
            }
        })
    }

    /// Its number.
    pub(super) fn pid(&self) -> pid_t {
        self.pid
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            // Also for copies of it that somebody else may have forked.
            let _ = socket.shutdown(Shutdown::Both);
        }
        // SAFETY: waits for our own child. That takes milliseconds, and is bounded by `raw::end_children`.
        raw::again(|| unsafe { libc::waitpid(self.pid, ptr::null_mut(), 0) } as isize);
    }
}

/// The guard's life. Not `unsafe fn`, but for a forked child only. A panic in it aborts, as in every `extern "C"`.
extern "C" fn run(socket: RawFd) -> ! {
    be_nobody(socket);
    raw::adopt_orphans();
    let mut shims = [0; MOST_SHIMS];
    loop {
        reap(&mut shims);
        if asked_to_end() {
            break;
        }
        if !wait_for(SOCKET) {
            continue;
        }
        let mut descriptors = [-1; raw::MOST];
        if raw::receive(SOCKET, &mut [0], &mut descriptors) <= 0 {
            break;
        }
        let place = shims.iter_mut().find(|it| **it == 0);
        if let Some(place) = place
            && descriptors.iter().all(|it| *it >= 0)
        {
            // SAFETY: this process has one thread; the child never comes back.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                shim::run(descriptors);
            }
            *place = if pid > 0 { pid } else { 0 };
        }
        for descriptor in descriptors {
            // SAFETY: they are this process's own, or -1, which is none.
            unsafe { libc::close(descriptor) };
        }
    }
    for shim in shims.iter().filter(|it| **it > 0) {
        // SAFETY: a child that was not waited for: its number is its own.
        unsafe { libc::kill(*shim, libc::SIGTERM) };
    }
    for _ in 0..1_000 {
        reap(&mut shims);
        if shims.iter().all(|it| *it == 0) {
            break;
        }
        raw::pause_millisecond();
    }
    raw::end_children();
    // SAFETY: ends the process without the exit handlers of the one it was forked from.
    unsafe { libc::_exit(0) }
}

/// Forgets shims that ended. One that did not end by itself leaves its container to this process, which ends it.
fn reap(shims: &mut [pid_t; MOST_SHIMS]) {
    let mut strays = false;
    loop {
        let mut status: c_int = 0;
        // SAFETY: `status` may be written to.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            break;
        }
        if let Some(shim) = shims.iter_mut().find(|it| **it == pid) {
            *shim = 0;
            strays |= libc::WIFSIGNALED(status);
        } else {
            strays = true;
        }
    }
    if strays {
        raw::kill_children(shims);
    }
}

/// Drops what was inherited: signal handlers, descriptors, session, working directory.
fn be_nobody(socket: RawFd) {
    // SAFETY: changes this process only; the paths are C strings. `socket` is put out of the way of the numbers that
    // are taken, before they are. All zeroes is a valid `sigaction` and `sigset_t`.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut());
        libc::sigaction(libc::SIGTERM, &raw const action, ptr::null_mut());
        let mut held: libc::sigset_t = mem::zeroed();
        libc::sigaddset(&raw mut held, libc::SIGCHLD);
        libc::sigaddset(&raw mut held, libc::SIGTERM);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const held, ptr::null_mut());

        let socket = libc::fcntl(socket, libc::F_DUPFD_CLOEXEC, 16);
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        let null = libc::fcntl(null, libc::F_DUPFD_CLOEXEC, 16);
        for standard in 0..SOCKET {
            libc::dup2(null, standard);
        }
        libc::dup2(socket, SOCKET);
        libc::fcntl(SOCKET, libc::F_SETFD, libc::FD_CLOEXEC);
        close_from(SOCKET + 1);

        libc::setsid();
        libc::chdir(c"/".as_ptr());
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_NAME, c"mp-guard".as_ptr(), 0, 0, 0);
    }
}

/// Closes every descriptor from this one on. Those of another cluster in the same program would keep its guard waiting.
fn close_from(first: c_int) {
    // SAFETY: closes descriptors of this process, none of which is used any more.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, first, c_int::MAX, 0) == 0 {
            return;
        }
        let limit = match libc::sysconf(libc::_SC_OPEN_MAX) {
            limit @ 1..=1_048_576 => limit as c_int,
            _ => 1_048_576,
        };
        for descriptor in first..limit {
            libc::close(descriptor);
        }
    }
}

extern "C" fn on_signal(signal: c_int) {
    if signal == libc::SIGTERM {
        ASKED_TO_END.store(true, Ordering::Relaxed);
    }
}

/// Whether this process was told to end.
pub(super) fn asked_to_end() -> bool {
    ASKED_TO_END.load(Ordering::Relaxed)
}

/// Waits until `descriptor` can be read (true), or a child ended or SIGTERM came (false). Those signals are blocked but
/// in here, so none is missed.
pub(super) fn wait_for(descriptor: RawFd) -> bool {
    // SAFETY: all zeroes is an empty set of signals and of descriptors; the descriptor is small, as this process has few.
    unsafe {
        let mut readable: libc::fd_set = mem::zeroed();
        libc::FD_ZERO(&raw mut readable);
        libc::FD_SET(descriptor, &raw mut readable);
        let none: libc::sigset_t = mem::zeroed();
        let readable = &raw mut readable;
        let (write, error, time) = (ptr::null_mut(), ptr::null_mut(), ptr::null());
        libc::pselect(
            descriptor + 1,
            readable,
            write,
            error,
            time,
            &raw const none,
        ) > 0
    }
}
