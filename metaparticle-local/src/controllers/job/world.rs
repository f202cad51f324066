//! [`World`]: a Job and its pods, and what of them is asked.

use k8s_openapi::{
    api::{
        batch::v1::{Job, JobSpec, JobStatus},
        core::v1::Pod,
    },
    jiff::{SignedDuration, Timestamp},
};

use crate::controllers::{
    object::Object,
    pods::{is_finished, phase},
};

use super::{
    backoff::Backoff,
    conditions::{Verdict, is_true},
};

/// What is there.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) job: &'a Object<Job>,
    pub(super) spec: &'a JobSpec,
    pub(super) pods: &'a [Object<Pod>],
    pub(super) backoff: Backoff,
    pub(super) now: Timestamp,
}

impl World<'_> {
    /// The status so far.
    pub(super) fn status(&self) -> JobStatus {
        self.job.status.clone().unwrap_or_default()
    }

    /// When it was over, if it is.
    pub(super) fn finished_at(&self) -> Option<Timestamp> {
        let conditions = self.job.status.as_ref()?.conditions.as_deref()?;
        let last = is_true(conditions, "Complete").or_else(|| is_true(conditions, "Failed"))?;
        Some(
            last.last_transition_time
                .as_ref()
                .map_or(self.now, |time| time.0),
        )
    }

    /// How it will end, if that was decided.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        Verdict::of(self.job.status.as_ref()?.conditions.as_deref()?)
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    pub(super) fn is_indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }

    pub(super) fn completions(&self) -> Option<i32> {
        self.spec.completions
    }

    /// Whether pods are replaced only when they have failed, not when they begin to go.
    pub(super) fn replaces_failed_only(&self) -> bool {
        self.spec.pod_replacement_policy.as_deref() == Some("Failed")
    }

    /// Whether a pod is to be counted: one that goes will not succeed.
    pub(super) fn has_ended(&self, pod: &Pod) -> bool {
        let early =
            !self.replaces_failed_only() || self.verdict().is_some() || self.job.is_deleting();
        is_finished(pod) || (early && pod.metadata.deletion_timestamp.is_some())
    }

    /// How often containers of pods that restart in place did: counted against the limit.
    pub(super) fn restarts(&self) -> Option<i32> {
        let pod = self.spec.template.spec.as_ref()?;
        if pod.restart_policy.as_deref() != Some("OnFailure") {
            return None;
        }
        let running = self
            .pods
            .iter()
            .filter(|it| matches!(phase(it), "Running" | "Pending"));
        let statuses = running.filter_map(|it| it.status.as_ref()).flat_map(|it| {
            it.init_container_statuses
                .iter()
                .chain(&it.container_statuses)
                .flatten()
        });
        Some(statuses.map(|it| it.restart_count).sum())
    }

    /// When `activeDeadlineSeconds` are over.
    pub(super) fn deadline(&self, status: &JobStatus) -> Option<Timestamp> {
        let seconds = SignedDuration::from_secs(self.spec.active_deadline_seconds?);
        status.start_time.as_ref()?.0.saturating_add(seconds).ok()
    }
}
