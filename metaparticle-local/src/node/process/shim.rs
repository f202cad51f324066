//! The shim: one forked process per container, its parent and the one that ends it.
//!
//! It takes the plan from its control socket, starts the program, tells how that went, passes signals on, tells how the
//! program ended, and then ends whatever the program left behind, as the end of a container does. When the socket ends it
//! ends the container. The program gets SIGKILL should the shim itself be killed.
#![expect(
    unsafe_code,
    reason = "between fork and exec only system calls are allowed; proven by the tests of `process`"
)]

use std::{mem, os::fd::RawFd, ptr};

use libc::{c_char, c_int, c_void, pid_t};

use super::{
    guard,
    plan::{TRY_FILTER, word},
    raw,
};

/// What the shim says: one of these bytes, and a number.
pub(super) mod says {
    /// The program runs; its process.
    pub(in super::super) const STARTED: u8 = b'S';
    /// It does not; the error.
    pub(in super::super) const FAILED: u8 = b'F';
    /// It ended; the status of `waitpid`.
    pub(in super::super) const ENDED: u8 = b'E';
    /// The listener for `bind`s comes with this byte; the number means nothing.
    #[cfg(target_os = "linux")]
    pub(in super::super) const LISTENER: u8 = b'L';
}

/// Length of a message of the shim.
pub(super) const MESSAGE: usize = 5;

/// Told instead of a signal: kill all of the container.
pub(super) const KILL: u8 = 9;

/// The shim's life. For a forked child only.
pub(super) fn run([control, out, err]: [RawFd; raw::MOST]) -> ! {
    // SAFETY: this process has one thread and is a copy that nobody else uses. The block has the layout of `plan`, made
    // by the process at the other end of the socket; its pointers stay valid, as it is never unmapped.
    unsafe {
        libc::close(guard::SOCKET);
        // Where they do not come so.
        for descriptor in [control, out, err] {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_NAME, c"mp-shim".as_ptr(), 0, 0, 0);
        raw::adopt_orphans();
        let mut failure = [-1; 2];
        let (Some(plan), 0) = (receive_plan(control), libc::pipe(failure.as_mut_ptr())) else {
            libc::_exit(1)
        };
        for end in failure {
            libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC);
        }
        let shim = libc::getpid();
        let program = libc::fork();
        if program == 0 {
            start(plan, control, out, err, shim);
            let error = raw::errno().to_ne_bytes();
            libc::write(failure[1], error.as_ptr().cast(), error.len());
            libc::_exit(127);
        }
        libc::close(out);
        libc::close(err);
        libc::close(failure[1]);
        let mut error = raw::errno().to_ne_bytes();
        let failed = program < 0
            || raw::again(|| libc::read(failure[0], error.as_mut_ptr().cast(), error.len())) > 0;
        libc::close(failure[0]);
        if failed {
            say(control, says::FAILED, c_int::from_ne_bytes(error));
            raw::end_children();
            libc::_exit(0);
        }
        say(control, says::STARTED, program);
        guard_until_end(control, program)
    }
}

/// Passes signals on until the program or the socket ends, then ends the container.
fn guard_until_end(control: RawFd, program: pid_t) -> ! {
    loop {
        if raw::has_ended(program) || guard::asked_to_end() {
            break;
        }
        reap_orphans(program);
        if guard::wait_for(control) {
            let mut signal = [0];
            if raw::receive(control, &mut signal, &mut [-1; raw::MOST]) <= 0 || signal[0] == KILL {
                break;
            }
            // SAFETY: it is our child and was not waited for: its number is its own.
            unsafe { libc::kill(program, signal[0].into()) };
        }
    }
    let mut status: c_int = 0;
    // SAFETY: as above; its process group goes at once, however fast it forks. `status` may be written to.
    unsafe {
        libc::kill(-program, libc::SIGKILL);
        libc::kill(program, libc::SIGKILL);
        raw::again(|| libc::waitpid(program, &raw mut status, 0) as isize);
    }
    raw::end_children();
    say(control, says::ENDED, status);
    // SAFETY: ends the process without the exit handlers of the one it was forked from.
    unsafe { libc::_exit(0) }
}

/// Takes the status of adopted processes that ended; the program's stays.
fn reap_orphans(program: pid_t) {
    loop {
        // SAFETY: all zeroes is a valid `siginfo_t`, which the call may write to.
        let ended = unsafe {
            let mut info: libc::siginfo_t = mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            libc::waitid(libc::P_ALL, 0, &raw mut info, options);
            info.si_pid()
        };
        if ended <= 0 || ended == program {
            return;
        }
        // SAFETY: takes the status of a child that ended.
        unsafe { libc::waitpid(ended, ptr::null_mut(), libc::WNOHANG) };
    }
}

fn say(control: RawFd, what: u8, number: c_int) {
    let [a, b, c, d] = number.to_ne_bytes();
    raw::send(control, &[what, a, b, c, d], &[]);
}

/// Reads the block of the plan and makes pointers of its offsets.
///
/// # Safety
/// The other end sends a block as `plan` makes it.
unsafe fn receive_plan(control: RawFd) -> Option<*mut usize> {
    let mut length = [0; size_of::<usize>()];
    // SAFETY: reads into memory of the given length; the table lies within the block.
    unsafe {
        if !read_all(control, length.as_mut_ptr(), length.len()) {
            return None;
        }
        let length = usize::from_ne_bytes(length);
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
        );
        let block = libc::mmap(ptr::null_mut(), length, access, kind, -1, 0);
        if block == libc::MAP_FAILED {
            return None;
        }
        let table = block.cast::<usize>();
        *table.add(word::LENGTH) = length;
        let rest = length - size_of::<usize>();
        if !read_all(control, table.add(1).cast(), rest) {
            return None;
        }
        for index in word::PATH..*table.add(word::END) {
            let offset = *table.add(index);
            if offset != 0 {
                *table.add(index) = block as usize + offset;
            }
        }
        Some(table)
    }
}

/// Reads exactly so many bytes.
///
/// # Safety
/// `to` may be written to for `length` bytes.
unsafe fn read_all(from: RawFd, to: *mut u8, length: usize) -> bool {
    let mut done = 0;
    while done < length {
        // SAFETY: within what may be written to.
        let got = raw::again(|| unsafe {
            libc::read(from, to.add(done).cast::<c_void>(), length - done)
        });
        match usize::try_from(got) {
            Ok(got @ 1..) => done += got,
            _ => return false,
        }
    }
    true
}

/// Becomes the program. Comes back only if that fails, with `errno` set.
///
/// # Safety
/// For the child of the shim only; `plan` is a block with its pointers made.
unsafe fn start(plan: *mut usize, control: RawFd, out: RawFd, err: RawFd, shim: pid_t) {
    // SAFETY: changes this process only; the pointers lead to C strings and lists of them that end with a zero.
    unsafe {
        libc::setsid();
        end_with_parent(shim);
        libc::dup2(out, 1);
        libc::dup2(err, 2);
        if libc::chdir((*plan.add(word::FOLDER)) as *const c_char) != 0 {
            return;
        }
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::signal(libc::SIGTERM, libc::SIG_DFL);
        let none: libc::sigset_t = mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        #[cfg(target_os = "linux")]
        {
            let mode = *plan.add(word::MODE);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if mode != super::plan::RUN {
                let listener = super::filter::install();
                if listener < 0 || !raw::send(control, &[says::LISTENER, 0, 0, 0, 0], &[listener]) {
                    return;
                }
                libc::close(listener);
            }
            if mode == TRY_FILTER {
                libc::_exit(super::filter::try_bind());
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (control, TRY_FILTER);
        libc::execve(
            (*plan.add(word::PATH)) as *const c_char,
            plan.add(word::ARGS).cast(),
            plan.add(*plan.add(word::ENV)).cast(),
        );
    }
}

/// Has the kernel kill this process when the shim ends, and checks that it has not ended before.
///
/// # Safety
/// For the child of the shim only.
unsafe fn end_with_parent(shim: pid_t) {
    // SAFETY: changes this process only.
    unsafe {
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::getppid() != shim {
            libc::_exit(127);
        }
    }
}
