//! [`Bucket`]: how often the assigner writes (rule M1).

use std::time::Duration;

use crate::Moment;

/// From one write to the next, in the long run: two a second.
const EVERY: Duration = Duration::from_millis(500);
/// So many at once, after a pause.
const BURST: u32 = 8;
/// What only commits, and slots without a living owner, may use.
pub(super) const RESERVE: u32 = 2;

/// A bucket that fills by one token each half second, up to eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Bucket {
    /// Before this moment it has fewer tokens than it may: one fewer for each begun half second until then.
    full: Moment,
}

impl Bucket {
    /// When it has `tokens`, at the earliest.
    pub(super) fn when(self, tokens: u32) -> Moment {
        let spare = EVERY * BURST.saturating_sub(tokens);
        Moment::new(self.full.since_zero().saturating_sub(spare))
    }

    /// Whether it has `tokens`.
    pub(super) fn has(self, now: Moment, tokens: u32) -> bool {
        now >= self.when(tokens)
    }

    /// Takes one.
    pub(super) fn take(&mut self, now: Moment) {
        self.full = self.full.max(now) + EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_at_once_then_two_a_second() {
        let mut bucket = Bucket::default();
        let mut now = Moment::new(Duration::from_secs(50));
        for _ in 0..BURST {
            assert!(bucket.has(now, 1));
            bucket.take(now);
        }
        assert!(!bucket.has(now, 1));
        assert_eq!(bucket.when(1), now + EVERY);
        assert_eq!(bucket.when(2), now + EVERY * 2);
        now += EVERY;
        assert!(bucket.has(now, 1) && !bucket.has(now, 2));
        bucket.take(now);
        assert!(!bucket.has(now, 1));
        now += EVERY * 100;
        assert!(bucket.has(now, BURST));
    }
}
