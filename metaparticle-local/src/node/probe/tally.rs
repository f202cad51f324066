//! When probes that follow one another mean something, and how long to wait between them. Pure.

use std::time::Duration;

/// The first pause of a probe that hurries.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Counts successes and failures in a row.
#[derive(Debug)]
pub(super) struct Tally {
    success_threshold: u32,
    failure_threshold: u32,
    last: Option<bool>,
    times: u32,
    verdict: Option<bool>,
}

impl Tally {
    pub(super) fn new(success_threshold: Option<i32>, failure_threshold: Option<i32>) -> Self {
        let threshold = |value: Option<i32>, default: u32| {
            let value = value.and_then(|it| u32::try_from(it).ok());
            value.filter(|it| *it > 0).unwrap_or(default)
        };
        Self {
            success_threshold: threshold(success_threshold, 1),
            failure_threshold: threshold(failure_threshold, 3),
            last: None,
            times: 0,
            verdict: None,
        }
    }

    /// Notes a result. The verdict, if it is a new one.
    pub(super) fn note(&mut self, succeeded: bool) -> Option<bool> {
        self.times = if self.last == Some(succeeded) {
            self.times + 1
        } else {
            1
        };
        self.last = Some(succeeded);
        let threshold = if succeeded {
            self.success_threshold
        } else {
            self.failure_threshold
        };
        if self.times < threshold || self.verdict == Some(succeeded) {
            return None;
        }
        self.verdict = Some(succeeded);
        self.verdict
    }
}

/// The pauses between probes.
#[derive(Debug)]
pub(super) struct Pauses {
    period: Duration,
    /// The next pause of a probe that hurries and has not succeeded yet.
    hurried: Option<Duration>,
}

impl Pauses {
    pub(super) fn new(period: Duration, in_a_hurry: bool) -> Self {
        Self {
            period,
            hurried: in_a_hurry.then_some(FIRST_PAUSE),
        }
    }

    /// The pause after a probe.
    pub(super) fn next(&mut self, succeeded: bool) -> Duration {
        if succeeded {
            self.hurried = None;
        }
        match &mut self.hurried {
            Some(pause) => {
                let next = (*pause).min(self.period);
                *pause = next * 2;
                next
            }
            None => self.period,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(tally: &mut Tally, results: &[bool]) -> Vec<Option<bool>> {
        results.iter().map(|it| tally.note(*it)).collect()
    }

    #[test]
    fn failures_count_only_in_a_row() {
        let mut tally = Tally::new(None, Some(2));
        let results = [false, true, false, false, false, true];
        let expected = [None, Some(true), None, Some(false), None, Some(true)];
        assert_eq!(verdicts(&mut tally, &results), expected);
    }

    #[test]
    fn successes_count_up_to_their_threshold() {
        let mut tally = Tally::new(Some(2), None);
        let results = [true, false, true, true, true];
        let expected = [None, None, None, Some(true), None];
        assert_eq!(verdicts(&mut tally, &results), expected);
    }

    #[test]
    fn three_failures_are_the_default() {
        let mut tally = Tally::new(None, None);
        assert_eq!(verdicts(&mut tally, &[false; 3]), [None, None, Some(false)]);
    }

    #[test]
    fn a_probe_that_hurries_doubles_its_pauses_up_to_the_period_until_it_succeeds() {
        let mut pauses = Pauses::new(Duration::from_secs(1), true);
        let millis: Vec<_> = (0..7).map(|_| pauses.next(false).as_millis()).collect();
        assert_eq!(millis, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pauses.next(true).as_millis(), 1000);
        assert_eq!(pauses.next(false).as_millis(), 1000, "once is enough");
    }
}
