//! How long things take.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Since the machine was started, the time that it slept included.
pub(crate) fn uptime() -> Duration {
    duration(clock_gettime(ClockId::Boottime))
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}
