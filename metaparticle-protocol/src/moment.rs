//! [`Moment`]: a point on a process's own clock.

use std::{
    fmt,
    ops::{Add, AddAssign},
    time::Duration,
};

/// A point on this process's own clock (rule T1: the later of `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME`), since a point of
/// its own choice. Moments of two processes have nothing to do with each other.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// So long after the clock's own zero.
    #[must_use]
    pub const fn new(since_zero: Duration) -> Self {
        Self(since_zero)
    }

    /// Since the clock's own zero.
    #[must_use]
    pub const fn since_zero(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    /// Saturates: an absurd duration never wraps around to the past.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:?}", self.0)
    }
}
