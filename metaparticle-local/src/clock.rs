//! [`Clock`]: the time that objects are stamped with. It moves with tokio's, so a test with paused time moves it too.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Wall-clock time at the start, and tokio's time since.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    base: Timestamp,
    started: Instant,
}

impl Clock {
    /// Starts at `base`, or at the time of this machine.
    pub(crate) fn new(base: Option<Timestamp>) -> Self {
        Self {
            base: base.unwrap_or_else(Timestamp::now),
            started: Instant::now(),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.base.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// Now, as Kubernetes writes `Time`: whole seconds, `2026-01-02T03:04:05Z`.
    pub(crate) fn seconds(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
