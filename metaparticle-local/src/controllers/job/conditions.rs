//! Conditions of a Job: first why it will be over, then, when no pod is left, that it is.

use k8s_openapi::{
    api::batch::v1::JobCondition, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp,
};

/// How a Job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) success: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Verdict {
    pub(super) fn failed(reason: &str, message: &str) -> Self {
        Self {
            success: false,
            reason: reason.to_owned(),
            message: message.to_owned(),
        }
    }

    pub(super) fn succeeded(reason: &str, message: &str) -> Self {
        Self {
            success: true,
            ..Self::failed(reason, message)
        }
    }

    pub(super) fn completions_reached() -> Self {
        Self::succeeded(
            "CompletionsReached",
            "Reached expected number of succeeded pods",
        )
    }

    /// What was decided before.
    pub(super) fn of(conditions: &[JobCondition]) -> Option<Self> {
        let read = |it: &JobCondition, success| Self {
            success,
            reason: it.reason.clone().unwrap_or_default(),
            message: it.message.clone().unwrap_or_default(),
        };
        let failure = is_true(conditions, "FailureTarget").map(|it| read(it, false));
        failure.or_else(|| is_true(conditions, "SuccessCriteriaMet").map(|it| read(it, true)))
    }

    /// The condition that announces the end.
    pub(super) fn interim(&self) -> &'static str {
        if self.success {
            "SuccessCriteriaMet"
        } else {
            "FailureTarget"
        }
    }

    /// The condition that is the end.
    pub(super) fn last(&self) -> &'static str {
        if self.success { "Complete" } else { "Failed" }
    }
}

/// The condition of a type, if it is true.
pub(super) fn is_true<'a>(conditions: &'a [JobCondition], type_: &str) -> Option<&'a JobCondition> {
    conditions
        .iter()
        .find(|it| it.type_ == type_ && it.status == "True")
}

/// A condition that is true from now on.
pub(super) fn newly(type_: &str, verdict: &Verdict, now: Timestamp) -> JobCondition {
    JobCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: Some(verdict.reason.clone()),
        message: Some(verdict.message.clone()),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

/// Sets a condition; says whether its status changed.
pub(super) fn ensure(
    conditions: &mut Vec<JobCondition>,
    type_: &str,
    status: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> bool {
    let wanted = if status { "True" } else { "False" };
    if conditions
        .iter()
        .any(|it| it.type_ == type_ && it.status == wanted)
    {
        return false;
    }
    let mut new = newly(type_, &Verdict::failed(reason, message), now);
    wanted.clone_into(&mut new.status);
    match conditions.iter_mut().find(|it| it.type_ == type_) {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
    true
}
