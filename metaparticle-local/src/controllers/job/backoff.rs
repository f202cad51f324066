//! How long a Job waits before it makes pods again: longer with every failure since the last success.

use std::time::Duration;

use k8s_openapi::{
    api::core::v1::Pod,
    jiff::{SignedDuration, Timestamp},
};

use crate::controllers::pods::{phase, ready_condition, until};

/// The wait after the first failure, as the real controller has it; it doubles with each.
pub(crate) const FIRST: Duration = Duration::from_secs(10);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(600);

/// Failures in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    first: Duration,
    failures: u32,
    last: Option<Timestamp>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(FIRST)
    }
}

impl Backoff {
    /// None yet; the first will be waited for so long.
    pub(super) fn new(first: Duration) -> Self {
        Self {
            first,
            failures: 0,
            last: None,
        }
    }

    /// With pods that ended since, in any order.
    pub(super) fn with<'a>(mut self, ended: impl Iterator<Item = &'a Pod>, now: Timestamp) -> Self {
        let mut ended: Vec<_> = ended
            .map(|pod| (finished_at(pod, now), phase(pod)))
            .collect();
        ended.sort_unstable();
        for (at, phase) in ended {
            if phase == "Succeeded" {
                self = Self::new(self.first);
            } else {
                self.failures += 1;
                self.last = Some(at);
            }
        }
        self
    }

    /// The wait after the first failure.
    pub(super) fn first(self) -> Duration {
        self.first
    }

    /// How long to wait from now.
    pub(super) fn remaining(self, now: Timestamp) -> Duration {
        self.last.map_or(Duration::ZERO, |last| {
            wait(self.first, self.failures, last, now)
        })
    }
}

/// How long to wait from now after so many failures, the last of them at some time.
pub(super) fn wait(first: Duration, failures: u32, last: Timestamp, now: Timestamp) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let wait = first.saturating_mul(1 << doublings.min(20)).min(LONGEST);
    let wait = SignedDuration::try_from(wait).unwrap_or_default();
    last.saturating_add(wait)
        .map_or(Duration::ZERO, |due| until(due, now))
}

/// When a pod ended: its last container, else what is known of it.
pub(super) fn finished_at(pod: &Pod, now: Timestamp) -> Timestamp {
    let statuses = pod
        .status
        .iter()
        .flat_map(|it| it.container_statuses.iter().flatten());
    let ended = statuses.filter_map(|it| {
        let terminated = it.state.as_ref()?.terminated.as_ref()?;
        terminated.finished_at.as_ref().map(|time| time.0)
    });
    if let Some(last) = ended.max() {
        return last;
    }
    let deleted = pod.metadata.deletion_timestamp.as_ref().map(|time| {
        let grace = pod
            .metadata
            .deletion_grace_period_seconds
            .unwrap_or_default();
        time.0
            .saturating_sub(SignedDuration::from_secs(grace))
            .unwrap_or(time.0)
    });
    let unready = ready_condition(pod).and_then(|it| it.last_transition_time.as_ref());
    deleted.or(unready.map(|time| time.0)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn pod(phase: &str, seconds: i64) -> Pod {
        serde_json::from_value(json!({"status": {"phase": phase, "containerStatuses": [
            {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 1, "finishedAt": at(seconds).to_string()}}}]}}))
        .unwrap()
    }

    fn wait(failures: i64) -> u64 {
        let pods: Vec<_> = (1..=failures).map(|it| pod("Failed", it)).collect();
        Backoff::default()
            .with(pods.iter(), at(0))
            .remaining(at(failures))
            .as_secs()
    }

    #[test]
    fn the_wait_doubles_up_to_ten_minutes() {
        assert_eq!(
            [0, 1, 2, 3, 6, 7, 40].map(wait),
            [0, 10, 20, 40, 320, 600, 600]
        );
    }

    #[test]
    fn a_success_ends_the_wait() {
        let pods = [pod("Failed", 1), pod("Succeeded", 2)];
        assert_eq!(
            Backoff::default().with(pods.iter(), at(2)).remaining(at(2)),
            Duration::ZERO
        );
        let pods = [pod("Failed", 3), pod("Succeeded", 2)];
        assert_eq!(
            Backoff::default()
                .with(pods.iter(), at(3))
                .remaining(at(5))
                .as_secs(),
            8
        );
    }

    #[test]
    fn a_pod_that_was_deleted_failed_when_it_was() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"deletionTimestamp": at(30).to_string(), "deletionGracePeriodSeconds": 30},
            "status": {"phase": "Running"}}))
        .unwrap();
        let backoff = Backoff::default().with([pod].iter(), at(9));
        assert_eq!(backoff.remaining(at(4)).as_secs(), 6);
    }
}
