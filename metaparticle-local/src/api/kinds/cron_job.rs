//! `CronJob`. It is stored and served, not acted on.

use serde_json::Value;

use super::{Rules, at::At, default_status, edit, job, job_policy, pod_spec, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        let spec = edit::slot(object, "spec");
        edit::empty(spec, "concurrencyPolicy", "Allow");
        edit::absent(spec, "suspend", false);
        edit::absent(spec, "successfulJobsHistoryLimit", 3);
        edit::absent(spec, "failedJobsHistoryLimit", 1);
        let template = edit::slot(spec, "jobTemplate");
        edit::slot(template, "metadata");
        job_policy::default(edit::slot(template, "spec"));
        pod_spec::default_template(edit::slot(template, "spec"));
        default_status(object, &[], &[]);
    },
    generation: Some(spec_changed),
    validate_new: |object| {
        // Eleven characters are for the time in the names of its Jobs.
        let name = At::root(object, "metadata").get("name");
        let long = name.text().len() > 52;
        let error = long.then(|| name.invalid("must be no more than 52 characters"));
        error.into_iter().collect()
    },
    validate,
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let mut errors = Vec::new();
    let schedule = spec.get("schedule");
    if schedule.is_empty() {
        errors.push(schedule.required(""));
    } else if !schedule.text().starts_with('@') {
        let fields: Vec<&str> = schedule.text().split_whitespace().collect();
        if fields.len() != 5 {
            let (count, fields) = (fields.len(), fields.join(" "));
            let detail = format!("expected exactly 5 fields, found {count}: [{fields}]");
            errors.push(schedule.invalid(&detail));
        }
    }
    let zone = spec.get("timeZone");
    if zone.is_set() && zone.is_empty() {
        errors.push(zone.invalid("timeZone must be nil or non-empty string"));
    } else if zone.is_set() && !zone.text().starts_with(|c: char| c.is_ascii_alphabetic()) {
        errors.push(zone.invalid(&format!("unknown time zone {}", zone.text())));
    }
    errors.extend(spec.get("startingDeadlineSeconds").not_negative());
    let policy = spec.get("concurrencyPolicy");
    errors.extend(policy.one_of(&["Allow", "Forbid", "Replace"]));
    errors.extend(job::validate_spec(&spec.get("jobTemplate").get("spec")));
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.extend(spec.get(field).not_negative());
    }
    errors
}
