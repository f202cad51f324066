//! The clock that all processes of the machine share, and that no jump of one process's clocks reaches.

use std::time::Duration;

/// `CLOCK_MONOTONIC` in nanoseconds, by a system call: the faults replace what the vDSO answers ([`crate::vdso`]).
#[must_use]
pub fn now() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    #[allow(
        unsafe_code,
        reason = "no safe function makes this system call without the vDSO"
    )]
    // SAFETY: the kernel writes the one structure that it is given, which outlives the call.
    unsafe {
        libc::syscall(
            libc::SYS_clock_gettime,
            libc::CLOCK_MONOTONIC,
            &raw mut time,
        );
    }
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Nanoseconds as a duration; zero if negative.
#[must_use]
pub fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

/// A duration in nanoseconds.
#[must_use]
pub fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_machines_monotonic_clock() {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let other = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        assert!((now() - other).abs() < 1_000_000_000);
    }
}
