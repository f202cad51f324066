//! Security contexts of pods and containers.

use std::collections::BTreeSet;

use serde_json::Value;

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
    errors.extend(sysctls(&context.get("sysctls")));
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
        errors.push(printed_invalid(
            &context.path,
            &printed_context(context.value),
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
    if kind.is_empty() {
        errors.push(kind.required("type is required when seccompProfile is set"));
    } else {
        errors.extend(kind.one_of(&["Localhost", "RuntimeDefault", "Unconfined"]));
    }
    let file = profile.get("localhostProfile");
    match (kind.text() == "Localhost", file.is_set()) {
        (true, false) => errors.push(file.required("must be set when seccomp type is Localhost")),
        (true, true) => errors.extend(volume::descending(&file)),
        (false, true) => errors.push(printed_invalid(
            &file.path,
            &printed_profile(profile.value),
            "can only be set when seccomp type is Localhost",
        )),
        (false, false) => {}
    }
    errors
}

fn sysctls(sysctls: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for sysctl in sysctls.items() {
        let name = sysctl.get("name");
        let text = name.text();
        let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_part = |it: &str| {
            it.starts_with(is_edge)
                && it.ends_with(is_edge)
                && it.chars().all(|c| is_edge(c) || c == '-' || c == '_')
        };
        if text.is_empty() {
            errors.push(name.required(""));
        } else if text.len() > 253 || !text.split(['.', '/']).all(is_part) {
            errors.push(name.invalid(
                "must have at most 253 characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$",
            ));
        } else if !seen.insert(text) {
            errors.push(name.duplicate());
        }
    }
    errors
}

/// A value with its fields named and ordered as the real server prints them.
fn printed_invalid(field: &str, printed: &str, detail: &str) -> FieldError {
    FieldError {
        reason: "FieldValueInvalid",
        field: field.to_owned(),
        message: format!("Invalid value: {printed}: {detail}"),
    }
}

fn printed_profile(profile: &Value) -> String {
    let kind = profile["type"].as_str().unwrap_or_default();
    let file = &profile["localhostProfile"];
    format!(
        "{{\"Type\":{},\"LocalhostProfile\":{file}}}",
        Value::from(kind)
    )
}

fn printed_context(context: &Value) -> String {
    let capabilities = &context["capabilities"];
    let profile = &context["seccompProfile"];
    let field = |name: &str| {
        let value = match name {
            "Capabilities" if capabilities.is_object() => format!(
                "{{\"Add\":{},\"Drop\":{}}}",
                capabilities["add"], capabilities["drop"]
            ),
            "SeccompProfile" if profile.is_object() => printed_profile(profile),
            _ => {
                let mut own = name.to_owned();
                own[..1].make_ascii_lowercase();
                context[own].to_string()
            }
        };
        format!("\"{name}\":{value}")
    };
    let fields = [
        "Capabilities",
        "Privileged",
        "SELinuxOptions",
        "WindowsOptions",
        "RunAsUser",
        "RunAsGroup",
        "RunAsNonRoot",
        "ReadOnlyRootFilesystem",
        "AllowPrivilegeEscalation",
        "ProcMount",
        "SeccompProfile",
        "AppArmorProfile",
    ];
    format!("{{{}}}", fields.map(field).join(","))
}
