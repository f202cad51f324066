//! `CronJob`. It is stored and served, not acted on.

use serde_json::Value;

use super::{Rules, at::At, default_status, edit, job, pod_spec, spec_changed};
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
