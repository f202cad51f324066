//! The status of a Job: once it has ended it stays ended, and its parts agree.

use serde_json::Value;

use super::at::At;
use crate::api::failure::FieldError;

/// The rules for a changed status.
pub(super) fn validate(old: &Value, new: &Value) -> Vec<FieldError> {
    let status = At::root(new, "status");
    let mut errors: Vec<FieldError> = ["active", "succeeded", "failed", "ready", "terminating"]
        .iter()
        .filter_map(|it| status.get(it).not_negative())
        .collect();
    let is = |kind: &str| has_condition(new, kind);
    let was = |kind: &str| has_condition(old, kind);
    let complete = is("Complete");
    let failed = is("Failed");
    let mut refuse = |broken: bool, detail: &str| {
        if broken {
            errors.push(FieldError {
                reason: "FieldValueInvalid",
                field: "status.conditions".to_owned(),
                message: format!("Invalid value: {detail}"),
            });
        }
    };
    refuse(
        complete && failed,
        "cannot set Complete=True and Failed=true conditions",
    );
    refuse(
        complete && is("FailureTarget"),
        "cannot set Complete=True and FailureTarget=true conditions",
    );
    refuse(
        failed && !was("Failed") && !is("FailureTarget"),
        "cannot set Failed=True condition without the FailureTarget=true condition",
    );
    refuse(
        complete && !was("Complete") && !is("SuccessCriteriaMet"),
        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
    );
    for kind in ["Complete", "Failed"] {
        refuse(
            was(kind) && !is(kind),
            &format!("cannot disable the terminal {kind}=True condition"),
        );
    }
    errors.extend(times(&status, complete, complete || failed));
    let active = status.get("active");
    if active.number() > 0 && (complete || failed) {
        errors.push(active.invalid("active>0 is invalid for finished job"));
    }
    if status.get("ready").number() > active.number() {
        errors.push(
            status
                .get("ready")
                .invalid("cannot set more ready pods than active"),
        );
    }
    errors
}

fn times(status: &At<'_>, complete: bool, finished: bool) -> Vec<FieldError> {
    let start = status.get("startTime");
    let end = status.get("completionTime");
    let mut errors = Vec::new();
    if end.is_set() && !complete {
        let detail = "cannot set completionTime when there is no Complete=True condition";
        errors.push(end.invalid(detail));
    }
    if complete && !end.is_set() {
        errors.push(end.required("completionTime is required for Complete jobs"));
    }
    // RFC 3339 in UTC: the order of the texts is that of the times.
    if start.is_set() && end.is_set() && end.text() < start.text() {
        errors.push(end.invalid("must be equal to or after `startTime`"));
    }
    if finished && !start.is_set() {
        errors.push(start.required("startTime is required for finished job"));
    }
    errors
}

fn has_condition(job: &Value, kind: &str) -> bool {
    let conditions = At::root(job, "status").get("conditions");
    let mut all = conditions.list().iter();
    all.any(|it| it["type"] == kind && it["status"] == "True")
}
