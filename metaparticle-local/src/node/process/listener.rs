//! The other end of a pod's filter: binds its wildcard addresses to its own.
#![expect(
    unsafe_code,
    reason = "notifications of seccomp have no safe interface; proven by the tests of `process`"
)]

use std::{
    fs, io, mem,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    ptr, thread,
};

use libc::{c_int, c_void, seccomp_notif, seccomp_notif_resp};

use super::{
    Own,
    listening::is_taken_everywhere,
    raw,
    rewrite::{self, Rewritten},
};

/// The longest address that is looked at: a `sockaddr_in6`.
const LONGEST: usize = 28;

/// Answers for as long as a process of the pod lives, on a thread of its own: the call that takes a notification may
/// wait although one was there, if its process was killed meanwhile.
pub(super) fn spawn(listener: OwnedFd, own: Own) -> io::Result<()> {
    thread::Builder::new()
        .name("pod-binds".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || while answer_next(&listener, &own) {})
        .map(drop)
}

/// Waits for a `bind` and answers it. False when nobody is left to call it.
fn answer_next(listener: &OwnedFd, own: &Own) -> bool {
    let descriptor = listener.as_raw_fd();
    let mut poll = libc::pollfd {
        fd: descriptor,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `poll`, `asked` and `answer` may be written to and outlive the calls; all zeroes is what the kernel wants to
    // find in the last two.
    unsafe {
        if libc::poll(&raw mut poll, 1, -1) < 0 {
            return raw::errno() == libc::EINTR;
        }
        if poll.revents & libc::POLLIN == 0 {
            return false;
        }
        let mut asked: seccomp_notif = mem::zeroed();
        if libc::ioctl(descriptor, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) != 0 {
            return true; // killed meanwhile
        }
        let mut answer: seccomp_notif_resp = mem::zeroed();
        answer.id = asked.id;
        match bind(descriptor, &asked, own) {
            Ok(true) => {}
            Err(error) => answer.error = -error.raw_os_error().unwrap_or(libc::EACCES),
            Ok(false) => answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        }
        libc::ioctl(descriptor, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer);
    }
    true
}

/// Binds in place of the pod. False: it shall do so itself, as that is no wildcard.
fn bind(listener: RawFd, asked: &seccomp_notif, own: &Own) -> io::Result<bool> {
    let [socket, at, length, ..] = asked.data.args;
    let address = read_address(asked.pid, at, length).map_err(|error| refusal(asked.pid, error))?;
    let Some(rewritten) = rewrite::rewrite(&address, own.ip) else {
        return Ok(false);
    };
    let socket = take_socket(listener, asked, socket);
    let socket = socket.map_err(|error| refusal(asked.pid, error))?;
    bind_at_home(&socket, rewritten, own)?;
    Ok(true)
}

/// What a pod is told if its call cannot be looked at: not to bind, as that would be all addresses of the machine.
fn refusal(thread: u32, error: io::Error) -> io::Error {
    if let Some(libc::EBADF | libc::EFAULT) = error.raw_os_error() {
        return error; // as the kernel would say
    }
    tracing::warn!(pid = thread, %error, "a pod cannot bind: its call cannot be looked at");
    io::Error::from_raw_os_error(libc::EACCES)
}

/// Binds to the pod's own address: to the port that is asked for or, if another program has that on all addresses, to
/// one that is noted.
fn bind_at_home(socket: &OwnedFd, mut rewritten: Rewritten, own: &Own) -> io::Result<()> {
    let asked = rewritten.port();
    let actual = own.ports.actual(&own.uid, asked);
    let result = bind_socket(socket, &rewritten);
    let in_use = matches!(&result, Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE));
    let is_tcp = option(socket, libc::SOL_SOCKET, libc::SO_TYPE).ok() == Some(libc::SOCK_STREAM);
    if !is_tcp || asked == 0 || (result.is_err() && !in_use) {
        return result;
    }
    if !in_use {
        if actual != asked {
            own.ports.note(&own.uid, asked, asked);
        }
        return result;
    }
    if actual == asked && !is_taken_everywhere(asked, own.ip) {
        return result;
    }
    rewritten.set_port(if actual == asked { 0 } else { actual });
    bind_socket(socket, &rewritten)?;
    own.ports.note(&own.uid, asked, port_of(socket)?);
    Ok(())
}

/// The address that the caller points to.
fn read_address(thread: u32, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = vec![0; LONGEST.min(length)];
    let local = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    let remote = libc::iovec {
        iov_base: usize::try_from(at).map_err(io::Error::other)? as *mut c_void,
        iov_len: bytes.len(),
    };
    let thread = thread.try_into().map_err(io::Error::other)?;
    // SAFETY: writes within `bytes`; the other side is checked by the kernel.
    let got =
        unsafe { libc::process_vm_readv(thread, &raw const local, 1, &raw const remote, 1, 0) };
    match usize::try_from(got) {
        Ok(got) if got == bytes.len() => Ok(bytes),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// A copy of the caller's descriptor. Its number is that of a process, not of its thread, on most kernels; that it still
/// waits for us is asked last, so that the number was not given to another one.
fn take_socket(listener: RawFd, asked: &seccomp_notif, socket: u64) -> io::Result<OwnedFd> {
    let process = process_of(asked.pid)?;
    // SAFETY: `id` is read; the descriptors are new, and owned by nobody else.
    unsafe {
        let process = owned(libc::syscall(libc::SYS_pidfd_open, process, 0))?;
        let mut id = asked.id;
        if libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id) != 0 {
            return Err(io::Error::last_os_error());
        }
        let process = process.as_raw_fd();
        owned(libc::syscall(
            libc::SYS_pidfd_getfd,
            process,
            socket as c_int,
            0,
        ))
    }
}

/// The process of a thread.
fn process_of(thread: u32) -> io::Result<c_int> {
    let status = fs::read_to_string(format!("/proc/{thread}/status"))?;
    let process = status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
    process.ok_or_else(|| io::Error::other("a thread without a process"))
}

/// What a system call returned, as a descriptor.
///
/// # Safety
/// If it is one, nobody else owns it.
unsafe fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(result) {
        // SAFETY: as the caller says.
        Ok(descriptor @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Binds, for IPv6 with IPv4 let in.
fn bind_socket(socket: &OwnedFd, rewritten: &Rewritten) -> io::Result<()> {
    let Rewritten::V6(_) = rewritten else {
        return bind_to(socket, rewritten.bytes());
    };
    let only = v6_only(socket)?;
    if only {
        set_v6_only(socket, false)?;
    }
    match bind_to(socket, rewritten.bytes()) {
        Err(error) if only && error.raw_os_error() == Some(libc::EADDRINUSE) => {
            set_v6_only(socket, true)?;
            bind_to(socket, &rewrite::nowhere())
        }
        result => result,
    }
}

fn bind_to(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(address.len()).map_err(io::Error::other)?;
    // SAFETY: reads `address` within its length.
    check(unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), length) })
}

fn v6_only(socket: &OwnedFd) -> io::Result<bool> {
    option(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY).map(|value| value != 0)
}

fn option(socket: &OwnedFd, level: c_int, option: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let to = (&raw mut value).cast();
    // SAFETY: writes one number.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, to, &raw mut length) })?;
    Ok(value)
}

/// The port that a socket is bound to.
fn port_of(socket: &OwnedFd) -> io::Result<u16> {
    let mut bytes = [0_u8; LONGEST];
    let mut length = LONGEST as libc::socklen_t;
    // SAFETY: writes within `bytes`.
    let got = unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    check(got)?;
    Ok(u16::from_be_bytes([bytes[2], bytes[3]]))
}

fn set_v6_only(socket: &OwnedFd, only: bool) -> io::Result<()> {
    let value = c_int::from(only);
    let length = size_of::<c_int>() as libc::socklen_t;
    let (level, option) = (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);
    let from = ptr::from_ref(&value).cast();
    // SAFETY: reads one number.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, from, length) })
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_cannot_be_looked_at_is_refused_and_not_left_to_the_kernel() {
        let told = |number| {
            let error = io::Error::from_raw_os_error(number);
            refusal(1, error).raw_os_error().unwrap()
        };
        assert_eq!(told(libc::EPERM), libc::EACCES);
        assert_eq!(told(libc::ENOSYS), libc::EACCES);
        assert_eq!(told(libc::EBADF), libc::EBADF);
        assert_eq!(told(libc::EFAULT), libc::EFAULT);
    }
}
