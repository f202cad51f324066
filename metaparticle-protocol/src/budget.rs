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
    fn three_renewals_fall_into_what_is_usable() {
        let budget = Budget::try_new(Duration::from_secs(15)).expect("valid");
        assert_eq!(budget.renew_every, Duration::from_secs(5));
        assert_eq!(budget.usable, Duration::from_secs(12));
        assert!(budget.renew_every * 2 + budget.attempt <= budget.usable);
    }
}
