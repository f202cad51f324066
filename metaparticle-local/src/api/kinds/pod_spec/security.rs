//! Security contexts of pods and containers.

use super::{super::at::At, volume};
use crate::api::failure::FieldError;

/// Of a pod.
pub(super) fn validate_pod(context: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        errors.extend(id(&context.get(field)));
    }
    for group in context.get("supplementalGroups").items() {
        errors.extend(id(&group));
    }
    let change = context.get("fsGroupChangePolicy");
    errors.extend(change.none_or_one_of(&["Always", "OnRootMismatch"]));
    errors.extend(seccomp(&context.get("seccompProfile")));
    errors
}

/// Of a container.
pub(super) fn validate_container(context: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["runAsUser", "runAsGroup"] {
        errors.extend(id(&context.get(field)));
    }
    errors.extend(seccomp(&context.get("seccompProfile")));
    let escalation = context.get("allowPrivilegeEscalation");
    if escalation.is_set() && !escalation.is_true() && context.get("privileged").is_true() {
        errors
            .push(context.invalid(
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
            ));
    }
    errors
}

/// A user or a group.
fn id(id: &At<'_>) -> Option<FieldError> {
    id.is_set().then(|| id.within(0, i64::from(i32::MAX)))?
}

fn seccomp(profile: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !profile.is_set() {
        return errors;
    }
    let kind = profile.get("type");
    errors.extend(kind.one_of(&["Localhost", "RuntimeDefault", "Unconfined"]));
    let file = profile.get("localhostProfile");
    match (kind.text() == "Localhost", file.is_set()) {
        (true, false) => errors.push(file.required("must be set when seccomp type is Localhost")),
        (true, true) => errors.extend(volume::descending(&file)),
        (false, true) => errors.push(FieldError::invalid(
            &file.path,
            profile.value,
            "can only be set when seccomp type is Localhost",
        )),
        (false, false) => {}
    }
    errors
}
