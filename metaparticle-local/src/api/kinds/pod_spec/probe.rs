//! Probes and lifecycle hooks of a container.

use serde_json::Value;

use super::super::{at::At, names};
use crate::api::failure::FieldError;

/// All hooks and probes of a container of a pod with that grace period.
pub(super) fn validate_all(container: &At<'_>, grace: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for hook in ["postStart", "preStop"] {
        let hook = container.get("lifecycle").get(hook);
        if hook.is_set() {
            errors.extend(handler(&hook, grace));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = container.get(name);
        if probe.is_set() {
            errors.extend(validate(&probe, grace, name == "readinessProbe"));
        }
    }
    errors
}

fn validate(probe: &At<'_>, grace: &At<'_>, readiness: bool) -> Vec<FieldError> {
    let mut errors = handler(probe, grace);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        errors.extend(probe.get(field).not_negative());
    }
    let own_grace = probe.get("terminationGracePeriodSeconds");
    if own_grace.is_set() && own_grace.number() <= 0 {
        errors.push(own_grace.invalid("must be greater than 0"));
    }
    let successes = probe.get("successThreshold");
    if readiness && own_grace.is_set() {
        errors.push(own_grace.invalid("must not be set for readinessProbes"));
    } else if !readiness && successes.number() != 1 {
        errors.push(successes.invalid("must be 1"));
    }
    errors
}

/// One handler, and not more.
fn handler(owner: &At<'_>, grace: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut found = false;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let at = owner.get(kind);
        if !at.is_set() {
            continue;
        }
        if found {
            errors.push(at.forbidden("may not specify more than 1 handler type"));
            continue;
        }
        found = true;
        errors.extend(match kind {
            "exec" if at.get("command").is_empty() => vec![at.get("command").required("")],
            "exec" => Vec::new(),
            "httpGet" => http_get(&at),
            "sleep" => sleep(&at, grace).into_iter().collect(),
            _ => port(&at.get("port")),
        });
    }
    if !found {
        errors.push(owner.required("must specify a handler type"));
    }
    errors
}

fn http_get(get: &At<'_>) -> Vec<FieldError> {
    let mut errors = port(&get.get("port"));
    let scheme = get.get("scheme");
    if !["HTTP", "HTTPS"].contains(&scheme.text()) {
        errors.push(FieldError::not_supported(
            &scheme.path,
            scheme.value,
            &["HTTP", "HTTPS"],
        ));
    }
    let headers = get.get("httpHeaders");
    for header in headers.items() {
        let name = header.get("name").text();
        errors.extend(At::new(&name.into(), &headers.path).all_invalid(names::header_name(name)));
    }
    errors
}

fn sleep(sleep: &At<'_>, grace: &At<'_>) -> Option<FieldError> {
    let seconds = sleep.get("seconds").number();
    let most = grace.number();
    (!(0..=most).contains(&seconds)).then(|| {
        let detail =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({most})");
        FieldError::invalid(&sleep.path, &seconds.into(), &detail)
    })
}

/// A number or the name of a port.
pub(in crate::api::kinds) fn port(port: &At<'_>) -> Vec<FieldError> {
    match port.value {
        Value::String(name) => port.all_invalid(names::port_name(name)),
        Value::Null => At::new(&0.into(), &port.path)
            .within(1, 65535)
            .into_iter()
            .collect(),
        _ => port.within(1, 65535).into_iter().collect(),
    }
}
