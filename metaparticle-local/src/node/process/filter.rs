//! The seccomp filter of a pod: `bind` is decided by a listener, everything else is allowed.
//!
//! It is no security boundary: a program of a foreign architecture keeps its own `bind`, that of `io_uring` is no system
//! call and not seen, and an address may change between look and call. It only gives each pod its own wildcard address.
#![expect(
    unsafe_code,
    reason = "a filter is installed between fork and exec; proven by the tests of `process`"
)]

use std::{mem, os::fd::RawFd};

use libc::{c_int, sock_filter};

/// The architecture that system calls are numbered for, as `linux/audit.h` has it: the ELF machine, 64 bits, little
/// endian. `None`: nobody has tried it there.
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(libc::EM_X86_64 as u32 | 0xc000_0000)
} else if cfg!(target_arch = "aarch64") {
    Some(libc::EM_AARCH64 as u32 | 0xc000_0000)
} else {
    None
};

/// Offsets in `struct seccomp_data`.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Installs the filter in this process, for good and for all its children. The listener, or -1 with `errno` set.
pub(super) fn install() -> RawFd {
    let Some(architecture) = ARCHITECTURE else {
        return -1;
    };
    let mut steps = [
        step(LOAD, 0, 0, ARCHITECTURE_AT),
        step(JUMP_IF_EQUAL, 0, 3, architecture),
        step(LOAD, 0, 0, NUMBER_AT),
        step(JUMP_IF_EQUAL, 0, 1, libc::SYS_bind as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // A signal that comes while the listener binds must not start the call again: it would find the socket bound.
    let killable = libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV; // since Linux 5.19
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    for flags in [listen | killable, listen] {
        // SAFETY: reads the program, which outlives the call.
        let listener = unsafe {
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program)
        };
        if listener >= 0 {
            return listener as RawFd;
        }
    }
    -1
}

/// Binds the wildcard address and looks what became of it: 0 if it is another one now.
pub(super) fn try_bind() -> c_int {
    // SAFETY: all zeroes is a valid address; the calls read and write it within its length.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        let mut address: libc::sockaddr_in = mem::zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        let mut length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        let bound = libc::bind(socket, (&raw const address).cast(), length) == 0
            && libc::getsockname(socket, (&raw mut address).cast(), &raw mut length) == 0;
        c_int::from(!bound || address.sin_addr.s_addr == libc::INADDR_ANY)
    }
}
