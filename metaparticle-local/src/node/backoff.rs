//! [`Backoff`]: when a container may be started again, as the kubelet decides it.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackoffConfig {
    /// Before the second restart; each further one waits twice as long. The first one does not wait.
    pub(crate) base: Duration,
    /// The longest wait. A container that ran for twice this time starts anew.
    pub(crate) most: Duration,
}

/// What is remembered of a container that was restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backoff(Option<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    delay: Duration,
    updated: Instant,
}

impl Backoff {
    /// What is left to wait for a container that ended at `ended`, with the whole wait; `None` if it may start.
    pub(crate) fn waits(
        &self,
        config: BackoffConfig,
        ended: Instant,
        now: Instant,
    ) -> Option<(Duration, Duration)> {
        let entry = self.0?;
        if is_stale(config, entry, ended) {
            return None;
        }
        let left = entry.delay.checked_sub(now.duration_since(ended))?;
        (!left.is_zero()).then_some((left, entry.delay))
    }

    /// Remembers a restart.
    pub(crate) fn restarted(&mut self, config: BackoffConfig, now: Instant) {
        let delay = match self.0 {
            Some(entry) if !is_stale(config, entry, now) => config.most.min(entry.delay * 2),
            _ => config.base,
        };
        self.0 = Some(Entry {
            delay,
            updated: now,
        });
    }
}

fn is_stale(config: BackoffConfig, entry: Entry, at: Instant) -> bool {
    at.duration_since(entry.updated) > config.most * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BackoffConfig = BackoffConfig {
        base: Duration::from_secs(10),
        most: Duration::from_secs(300),
    };

    /// The waits before the restarts of a container that runs for so long each time.
    fn waits(runs: Duration, times: usize) -> Vec<u64> {
        let mut now = Instant::now();
        let mut backoff = Backoff::default();
        let next = |_| {
            let ended = now + runs;
            let wait = backoff.waits(CONFIG, ended, ended);
            let wait = wait.map_or(Duration::ZERO, |(left, _)| left);
            now = ended + wait;
            backoff.restarted(CONFIG, now);
            wait.as_secs()
        };
        (0..times).map(next).collect()
    }

    #[test]
    fn the_first_restart_is_at_once_and_later_ones_wait_twice_as_long_up_to_five_minutes() {
        assert_eq!(
            waits(Duration::from_secs(1), 8),
            [0, 10, 20, 40, 80, 160, 300, 300]
        );
    }

    #[test]
    fn a_container_that_ran_for_ten_minutes_starts_anew() {
        assert_eq!(waits(Duration::from_secs(601), 3), [0, 0, 0]);
        assert_eq!(waits(Duration::from_secs(580), 3), [0, 10, 20]);
    }

    #[test]
    fn what_is_left_shrinks_while_the_whole_wait_stays() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        backoff.restarted(CONFIG, start);
        let after = |seconds| backoff.waits(CONFIG, start, start + Duration::from_secs(seconds));
        assert_eq!(after(4), Some((Duration::from_secs(6), CONFIG.base)));
        assert_eq!(after(10), None);
    }
}
