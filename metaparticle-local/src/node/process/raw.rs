//! System calls that the forked guards share with this process.
//!
//! A guard is forked from a process with many threads, so it may only call what is safe in a signal handler: nothing
//! here allocates, locks or panics.
#![expect(
    unsafe_code,
    reason = "descriptors are passed and children waited for by system calls that no safe interface offers without \
              allocation; proven by the tests of `process`"
)]

use std::{mem, os::fd::RawFd, ptr};

use libc::{c_int, pid_t};

/// The most descriptors in one message.
pub(super) const MOST: usize = 3;

/// Room for the header of a control message and [`MOST`] descriptors, aligned as it must be.
type Room = [u64; 8];

/// Sends bytes, and descriptors with the first of them. Whether all of it went out.
pub(super) fn send(socket: RawFd, bytes: &[u8], descriptors: &[RawFd]) -> bool {
    let mut iov = libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    };
    let mut room: Room = [0; 8];
    // SAFETY: all zeroes is a valid `msghdr`; what it points to outlives the call, and `room` holds `MOST` descriptors.
    let sent = unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        if !descriptors.is_empty() && descriptors.len() <= MOST {
            let size = size_of_val(descriptors) as u32;
            message.msg_control = room.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as _;
            ptr::copy_nonoverlapping(
                descriptors.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                size as usize,
            );
        }
        again(|| libc::sendmsg(socket, &raw const message, SEND_FLAGS))
    };
    usize::try_from(sent).is_ok_and(|sent| {
        sent == bytes.len() || (sent > 0 && send(socket, bytes.split_at(sent).1, &[]))
    })
}

/// Receives at most `bytes.len()` bytes, and the descriptors that came with them (-1 for none). The number of bytes: 0
/// at the end, negative for an error.
pub(super) fn receive(socket: RawFd, bytes: &mut [u8], descriptors: &mut [RawFd; MOST]) -> isize {
    *descriptors = [-1; MOST];
    let mut iov = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let mut room: Room = [0; 8];
    // SAFETY: all zeroes is a valid `msghdr`; what it points to outlives the call. The kernel writes headers that lie
    // within `room`, and no more than `MOST` descriptors are copied from behind the first.
    unsafe {
        let mut message: libc::msghdr = mem::zeroed();
        message.msg_iov = &raw mut iov;
        message.msg_iovlen = 1;
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of::<[RawFd; MOST]>() as u32) as _;
        let got = again(|| libc::recvmsg(socket, &raw mut message, RECEIVE_FLAGS));
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if got > 0 && !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            let size = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            let size = if size > size_of::<[RawFd; MOST]>() {
                size_of::<[RawFd; MOST]>()
            } else {
                size
            };
            ptr::copy_nonoverlapping(
                libc::CMSG_DATA(header),
                descriptors.as_mut_ptr().cast::<u8>(),
                size,
            );
        }
        got
    }
}

#[cfg(target_os = "linux")]
const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL;
#[cfg(not(target_os = "linux"))]
const SEND_FLAGS: c_int = 0;
#[cfg(target_os = "linux")]
const RECEIVE_FLAGS: c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE_FLAGS: c_int = 0;

/// Repeats a call that a signal interrupted.
pub(super) fn again(mut call: impl FnMut() -> isize) -> isize {
    loop {
        let result = call();
        if result != -1 || errno() != libc::EINTR {
            return result;
        }
    }
}

/// The number of the last error.
pub(super) fn errno() -> c_int {
    // SAFETY: the location is valid for as long as the thread.
    #[cfg(target_os = "linux")]
    unsafe {
        *libc::__errno_location()
    }
    // SAFETY: as above.
    #[cfg(not(target_os = "linux"))]
    unsafe {
        *libc::__error()
    }
}

/// Makes this process the parent of all descendants whose own parent ends, so that none gets out of sight.
pub(super) fn adopt_orphans() {
    // SAFETY: changes an attribute of this process only.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
}

/// Ends all children, and with [`adopt_orphans`] their descendants, which become children one generation after the
/// other. Returns when none is left, or after five seconds with one that cannot die (it hangs in the kernel).
pub(super) fn end_children() {
    for _ in 0..5_000 {
        // SAFETY: waits without taking the status.
        match unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } {
            0 => {
                kill_children(&[]);
                pause_millisecond();
            }
            -1 if errno() == libc::ECHILD => return,
            _ => {}
        }
    }
}

/// Sleeps for a millisecond.
pub(super) fn pause_millisecond() {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    // SAFETY: reads `time`.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

/// Kills every child but the spared ones. Only children are hit: the number of one that was not waited for is not given
/// to another process, and `waitid` tells whether it is one.
#[cfg(target_os = "linux")]
pub(super) fn kill_children(spared: &[pid_t]) {
    let mut buffer = [0_u64; 1024];
    // SAFETY: the path is a C string; the buffer is as long as said, and aligned as entries are. The entries that the
    // kernel writes have their length at byte 16 and a name that ends with a zero from byte 19 on.
    unsafe {
        let folder = libc::open(
            c"/proc".as_ptr(),
            libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC,
        );
        if folder < 0 {
            return;
        }
        loop {
            let size = size_of_val(&buffer);
            let got = libc::syscall(libc::SYS_getdents64, folder, buffer.as_mut_ptr(), size);
            if got <= 0 {
                break;
            }
            let start = buffer.as_ptr().cast::<u8>();
            let mut at = 0;
            while at < got {
                let entry = start.offset(at as isize);
                let length = entry.add(16).cast::<u16>().read_unaligned();
                let child = number(entry.add(19));
                if child > 1 && !spared.contains(&child) && is_child(child) {
                    libc::kill(child, libc::SIGKILL);
                }
                at += i64::from(length);
            }
        }
        libc::close(folder);
    }
}

/// Other systems hand orphans to process 1: there is nothing to find.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill_children(_spared: &[pid_t]) {}

/// The number that a C string is, or 0.
///
/// # Safety
/// `text` points to a C string.
#[cfg(target_os = "linux")]
unsafe fn number(mut text: *const u8) -> pid_t {
    let mut value: pid_t = 0;
    // SAFETY: stops at the end of the string.
    unsafe {
        while *text != 0 {
            if !(*text).is_ascii_digit() {
                return 0;
            }
            value = value.wrapping_mul(10).wrapping_add((*text - b'0').into());
            text = text.add(1);
        }
    }
    value
}

/// Whether it is a child of this process that was not waited for yet.
#[cfg(target_os = "linux")]
pub(super) fn is_child(pid: pid_t) -> bool {
    let Ok(id) = libc::id_t::try_from(pid) else {
        return false;
    };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: all zeroes is a valid `siginfo_t`, which the call may write to.
    unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        libc::waitid(libc::P_PID, id, &raw mut info, options) == 0
    }
}

/// Whether a child ended. Its status is not taken yet, so that its number stays its own.
pub(super) fn has_ended(child: pid_t) -> bool {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: all zeroes is a valid `siginfo_t`, which the call may write to; a positive number fits an `id_t`.
    unsafe {
        let mut info: libc::siginfo_t = mem::zeroed();
        libc::waitid(libc::P_PID, child as libc::id_t, &raw mut info, options) == 0
            && info.si_pid() == child
    }
}
