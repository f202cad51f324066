//! [`Budget`]: the numbers that follow from a lease's duration.

use std::{fmt, time::Duration};

use crate::validity::usable;

/// The shortest lease: below it, ordinary latencies of an API server lose it. Whole seconds, as the API has it.
pub const SHORTEST: Duration = Duration::from_secs(2);
/// The longest: one hour. Nobody waits longer for a node that is gone.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// What a lease of a given duration costs and bears. All times in the holder's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Budget {
    /// `leaseDurationSeconds`.
    pub lease: Duration,
    /// How long an acknowledged write is relied on, counted from when it was sent (T1).
    pub usable: Duration,
    /// From one renewal to the next (E1).
    pub renew_every: Duration,
    /// How long one request may take.
    pub attempt: Duration,
    /// From a failed try to the next.
    pub retry: Duration,
}

impl Budget {
    /// Of a lease of that many seconds.
    ///
    /// # Errors
    /// If it is no whole number of seconds, below [`SHORTEST`] or above [`LONGEST`].
    pub fn try_new(lease: Duration) -> Result<Self, InvalidLease> {
        if lease.subsec_nanos() != 0 || !(SHORTEST..=LONGEST).contains(&lease) {
            return Err(InvalidLease(lease));
        }
        Ok(Self {
            lease,
            usable: usable(lease),
            renew_every: lease / 3,
            attempt: (lease / 6).min(Duration::from_secs(2)),
            retry: (lease / 50).clamp(Duration::from_millis(50), Duration::from_millis(500)),
        })
    }
}

impl Budget {
    /// How long the API server may refuse everything, from any moment on, without anything being lost.
    #[must_use]
    pub fn refused_outage(&self) -> Duration {
        self.usable
            .saturating_sub(self.renew_every)
            .saturating_sub(self.retry)
    }

    /// How long it may leave everything unanswered: the request that is under way when it comes back is lost, too.
    #[must_use]
    pub fn hung_outage(&self) -> Duration {
        self.refused_outage().saturating_sub(self.attempt)
    }

    /// How long nobody holds after a crash that nobody reports, at most: the lease, from the last renewal that was seen.
    /// Latencies come on top.
    #[must_use]
    pub const fn fail_over(&self) -> Duration {
        self.lease
    }

    /// Requests a second of who holds. Who waits only watches.
    #[must_use]
    pub fn requests_per_second(&self) -> f64 {
        1.0 / self.renew_every.as_secs_f64()
    }
}

/// The derived numbers in one line, for people.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a lease of {} s: renewed every {:.1} s ({:.2} requests/s), relied on for {:.1} s; rides out an API server \
             that refuses for {:.1} s or hangs for {:.1} s; after a crash that nobody reports, free within {} s",
            self.lease.as_secs(),
            self.renew_every.as_secs_f64(),
            self.requests_per_second(),
            self.usable.as_secs_f64(),
            self.refused_outage().as_secs_f64(),
            self.hung_outage().as_secs_f64(),
            self.fail_over().as_secs(),
        )
    }
}

/// A duration that no lease can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLease(Duration);

impl fmt::Display for InvalidLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a lease lasts {} to {} whole seconds, not {:?}",
            SHORTEST.as_secs(),
            LONGEST.as_secs(),
            self.0
        )
    }
}

impl std::error::Error for InvalidLease {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_is_of_whole_seconds_in_its_range() {
        for (millis, valid) in [
            (0, false),
            (1000, false),
            (2000, true),
            (2500, false),
            (3_600_000, true),
            (3_601_000, false),
        ] {
            let lease = Duration::from_millis(millis);
            assert_eq!(Budget::try_new(lease).is_ok(), valid, "{lease:?}");
        }
    }

    #[test]
    fn budget_says_what_a_lease_bears() {
        let budget = |seconds| Budget::try_new(Duration::from_secs(seconds)).expect("valid");
        assert_eq!(
            budget(15).to_string(),
            "a lease of 15 s: renewed every 5.0 s (0.20 requests/s), relied on for 12.0 s; rides out an API server that \
             refuses for 6.7 s or hangs for 4.7 s; after a crash that nobody reports, free within 15 s"
        );
        // The promises of the documentation.
        assert!(budget(15).refused_outage() >= Duration::from_secs(6));
        assert!(budget(15).hung_outage() >= Duration::from_secs(4));
        assert!(budget(22).refused_outage() >= Duration::from_secs(9));
        assert!(budget(26).hung_outage() >= Duration::from_secs(9));
        for seconds in 2..=3600 {
            assert!(budget(seconds).hung_outage() > Duration::ZERO, "{seconds}");
        }
    }

    #[test]
    fn three_renewals_fall_into_what_is_usable() {
        let budget = Budget::try_new(Duration::from_secs(15)).expect("valid");
        assert_eq!(budget.renew_every, Duration::from_secs(5));
        assert_eq!(budget.usable, Duration::from_secs(12));
        assert!(budget.renew_every * 2 + budget.attempt <= budget.usable);
    }
}
