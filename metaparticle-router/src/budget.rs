//! [`Budget`]: how many requests a thread may send again, so that a failing application does not get twice the load.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// What one retry costs, in hundredths of a request.
const RETRY: u64 = 100;
/// How much is saved up, in seconds of the reserve.
const SAVED_SECONDS: u64 = 10;

/// A share of the requests, and some more each second.
#[derive(Debug)]
pub(crate) struct Budget {
    percent: u64,
    per_second: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// In hundredths of a request.
    saved: u64,
    since: Instant,
}

impl Budget {
    /// `percent` of the requests and `per_second` more.
    pub(crate) fn new(percent: u8, per_second: u32, now: Instant) -> Self {
        let per_second = u64::from(per_second);
        Self {
            percent: percent.into(),
            per_second,
            state: Mutex::new(State {
                saved: per_second * RETRY,
                since: now,
            }),
        }
    }

    /// A request came.
    pub(crate) fn deposit(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.saved = (state.saved + self.percent).min(self.most());
    }

    /// Whether one may be sent again now.
    pub(crate) fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.since);
        let passed = passed.min(Duration::from_secs(SAVED_SECONDS));
        let earned = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX) * self.per_second / 10;
        if earned > 0 {
            state.saved = (state.saved + earned).min(self.most());
            state.since = now;
        }
        let may = state.saved >= RETRY;
        if may {
            state.saved -= RETRY;
        }
        may
    }

    fn most(&self) -> u64 {
        (self.per_second * SAVED_SECONDS).max(1) * RETRY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(budget: &Budget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.withdraw(now)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_fifth_of_the_requests_and_ten_a_second() {
        let start = Instant::now();
        let budget = Budget::new(20, 10, start);
        assert_eq!(spend(&budget, start), 10);
        for _ in 0..50 {
            budget.deposit();
        }
        assert_eq!(spend(&budget, start), 10);
        assert_eq!(spend(&budget, start + Duration::from_millis(100)), 1);
        assert_eq!(spend(&budget, start + Duration::from_millis(2100)), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_quiet_time_saves_up_ten_seconds_at_most() {
        let start = Instant::now();
        let budget = Budget::new(20, 10, start);
        assert_eq!(spend(&budget, start + Duration::from_secs(1000)), 100);
    }
}
