//! [`Clock`]: how a process's clock follows real time, and the wall clock beside it.

use std::time::Duration;

use metaparticle_protocol::{Moment, Stamp};

/// A clock that runs at a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    /// Its own time at `since`.
    shown: Duration,
    since: Duration,
    /// In thousandths of real time.
    rate: u32,
    /// How far the wall clock is from real time, in seconds.
    skew: i64,
}

impl Clock {
    /// Began at real time `since`, at `rate` thousandths of its speed.
    #[must_use]
    pub const fn new(since: Duration, rate: u32, skew: i64) -> Self {
        Self {
            shown: Duration::from_secs(1000),
            since,
            rate,
            skew,
        }
    }

    /// What it shows at that real time.
    #[must_use]
    pub fn at(self, real: Duration) -> Moment {
        Moment::new(self.shown + real.saturating_sub(self.since) * self.rate / 1000)
    }

    /// The real time at which it first shows `moment`.
    #[must_use]
    pub fn when(self, moment: Moment) -> Duration {
        let ahead = moment.since_zero().saturating_sub(self.shown);
        let nanos = (ahead.as_nanos() * 1000).div_ceil(u128::from(self.rate));
        self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }

    /// Runs at another rate from that real time on.
    #[must_use]
    pub fn with_rate(self, real: Duration, rate: u32) -> Self {
        Self {
            shown: self.at(real).since_zero(),
            since: real,
            rate,
            skew: self.skew,
        }
    }

    /// The wall clock jumps by so many seconds; nothing else does.
    #[must_use]
    pub const fn with_jump(self, seconds: i64) -> Self {
        Self {
            skew: self.skew + seconds,
            ..self
        }
    }

    /// The wall clock at that real time.
    ///
    /// # Panics
    /// After some hundred thousand years.
    #[must_use]
    pub fn wall(self, real: Duration) -> Stamp {
        let micros = i64::try_from(real.as_micros()).expect("not so long");
        Stamp(1_700_000_000_000_000 + micros + self.skew * 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_clock_shows_a_moment_earlier_and_finds_it_again() {
        let start = Duration::from_secs(5);
        for rate in [900, 1000, 1037, 1100] {
            let clock = Clock::new(start, rate, 0);
            let later = clock.at(start) + Duration::from_millis(1234);
            let real = clock.when(later);
            assert!(clock.at(real) >= later, "{rate}");
            let before = real.saturating_sub(Duration::from_nanos(2));
            assert!(clock.at(before) < later, "{rate}");
        }
        let clock = Clock::new(start, 1100, 0);
        assert_eq!(
            clock.at(Duration::from_secs(15)).since_zero(),
            Duration::from_secs(1011)
        );
    }

    #[test]
    fn change_of_rate_keeps_what_is_shown() {
        let clock = Clock::new(Duration::ZERO, 1100, 0);
        let at = Duration::from_secs(10);
        let slower = clock.with_rate(at, 900);
        assert_eq!(slower.at(at), clock.at(at));
        let after = slower.at(at * 2).since(clock.at(at));
        assert_eq!(after, Duration::from_secs(9));
    }
}
