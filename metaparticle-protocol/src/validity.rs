//! [`Validity`]: how long what was acknowledged may be relied on (rule T1).

use std::time::Duration;

use crate::moment::Moment;

/// What part of a lease may be used, in hundredths: safe for clock rates from 0.9 to 1.1 (T1: 0.8 × 1.1 < 0.9).
pub const USABLE_PERCENT: u32 = 80;

/// A deadline that only acknowledged writes move, and that is final once passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    deadline: Moment,
}

impl Validity {
    /// Of a write that was sent at `sent`, and acknowledged.
    #[must_use]
    pub fn new(sent: Moment, lease: Duration) -> Self {
        Self {
            deadline: sent + usable(lease),
        }
    }

    /// Not valid from here on.
    #[must_use]
    pub const fn deadline(self) -> Moment {
        self.deadline
    }

    /// Whether it can be relied on at `now`.
    #[must_use]
    pub fn holds(self, now: Moment) -> bool {
        now < self.deadline
    }

    /// A later write was acknowledged at `now`. Never shortens, and never revives: after the deadline it is refused.
    #[must_use]
    pub fn extended(self, now: Moment, sent: Moment, lease: Duration) -> Option<Self> {
        let later = Self::new(sent, lease);
        self.holds(now).then(|| Self {
            deadline: self.deadline.max(later.deadline),
        })
    }
}

/// The part of a lease that may be used.
#[must_use]
pub fn usable(lease: Duration) -> Duration {
    lease / 100 * USABLE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    #[test]
    fn eighty_percent_of_the_lease_counts_from_the_send() {
        let validity = Validity::new(at(100), LEASE);
        assert!(validity.holds(at(107)));
        assert!(!validity.holds(at(108)));
    }

    #[test]
    fn acknowledgement_after_the_deadline_does_not_revive() {
        let validity = Validity::new(at(100), LEASE);
        assert_eq!(validity.extended(at(108), at(107), LEASE), None);
        let extended = validity.extended(at(107), at(103), LEASE);
        assert_eq!(extended.map(Validity::deadline), Some(at(111)));
    }

    #[test]
    fn late_reply_to_an_early_write_does_not_shorten() {
        let validity = Validity::new(at(103), LEASE);
        let extended = validity.extended(at(104), at(100), LEASE);
        assert_eq!(extended.map(Validity::deadline), Some(at(111)));
    }
}
