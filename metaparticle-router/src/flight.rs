//! [`Flight`]: a request from its head to the end of its response, as it is counted.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    Reason,
    gate::Activity,
    metrics::{Gauge, Outcome, Recorder},
    stream::Broken,
};

/// Counts a request when it is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    recorder: Recorder,
    _inflight: Gauge,
    activity: Option<Arc<Activity>>,
    began: Instant,
    answer: Option<(Outcome, StatusCode)>,
}

impl Flight {
    /// A request came, on a connection with that activity.
    pub(crate) fn begin(
        recorder: &Recorder,
        activity: Option<Arc<Activity>>,
        began: Instant,
    ) -> Self {
        if let Some(activity) = &activity {
            activity.begin();
        }
        Self {
            _inflight: recorder.begin(),
            recorder: recorder.clone(),
            activity,
            began,
            answer: None,
        }
    }

    /// When it began.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    /// What its connection does; none if that is not a gate's.
    pub(crate) fn activity(&self) -> Option<Arc<Activity>> {
        self.activity.clone()
    }

    /// The head of its response is there. One that never gets there, because its client went away, is not counted; nor is
    /// one that was turned away: the gate that sent it counts it.
    pub(crate) fn answered(&mut self, outcome: Outcome, status: StatusCode) {
        self.answer = Some((outcome, status));
    }

    /// The response ends before its end.
    pub(crate) fn broken(&mut self, why: Option<Broken>) {
        let reason = match why {
            Some(Broken::Cut) => {
                self.recorder.cut();
                Reason::Cut
            }
            Some(Broken::Idle) => Reason::UpstreamTimeout,
            None => Reason::UpstreamFailed,
        };
        if let Some((outcome, _)) = &mut self.answer {
            *outcome = Outcome::Refused(reason);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some(activity) = &self.activity {
            activity.end(now);
        }
        if let Some((outcome, status)) = self.answer {
            let took = now.saturating_duration_since(self.began);
            self.recorder.end(outcome, status, took);
        }
    }
}
