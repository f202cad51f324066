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
    let (complete, failed) = (is("Complete"), is("Failed"));
    let mut refuse = |broken: bool, error: FieldError| errors.extend(broken.then_some(error));
    let conditions = |detail: &str| FieldError {
        reason: "FieldValueInvalid",
        field: "status.conditions".to_owned(),
        message: format!("Invalid value: {detail}"),
    };
    let start = status.get("startTime");
    let end = status.get("completionTime");
    refuse(
        complete && failed,
        conditions("cannot set Complete=True and Failed=true conditions"),
    );
    refuse(
        complete && is("FailureTarget"),
        conditions("cannot set Complete=True and FailureTarget=true conditions"),
    );
    refuse(
        end.is_set() && !complete,
        end.invalid("cannot set completionTime when there is no Complete=True condition"),
    );
    refuse(
        complete && !end.is_set(),
        end.required("completionTime is required for Complete jobs"),
    );
    refuse(
        // RFC 3339 in UTC: the order of the texts is that of the times.
        start.is_set() && end.is_set() && end.text() < start.text(),
        end.invalid("must be equal to or after `startTime`"),
    );
    refuse(
        failed && !was("Failed") && !is("FailureTarget"),
        conditions("cannot set Failed=True condition without the FailureTarget=true condition"),
    );
    refuse(
        complete && !was("Complete") && !is("SuccessCriteriaMet"),
        conditions(
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        ),
    );
    let active = status.get("active");
    let finished = complete || failed;
    refuse(
        active.number() > 0 && finished,
        active.invalid("active>0 is invalid for finished job"),
    );
    refuse(
        finished && !start.is_set(),
        start.required("startTime is required for finished job"),
    );
    let ready = status.get("ready");
    refuse(
        ready.is_set() && ready.number() > active.number(),
        ready.invalid("cannot set more ready pods than active"),
    );
    errors.extend(only_forward(old, &status));
    errors
}

/// What has ended stays so, and is counted once.
fn only_forward(old: &Value, status: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["failed", "succeeded"] {
        let count = status.get(field);
        let before = At::root(old, "status").get(field).number();
        if count.number() < before.max(0) {
            let value = count.number().into();
            let detail = format!("cannot decrease the {field} counter");
            errors.push(FieldError::invalid(&count.path, &value, &detail));
        }
    }
    errors
}

fn has_condition(job: &Value, kind: &str) -> bool {
    let conditions = At::root(job, "status").get("conditions");
    let mut all = conditions.list().iter();
    all.any(|it| it["type"] == kind && it["status"] == "True")
}
