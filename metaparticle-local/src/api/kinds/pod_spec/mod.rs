//! The spec of a pod, alone or in a template.

mod affinity;
mod container;
mod defaults;
mod env;
mod image;
mod network;
mod probe;
mod projected;
mod resources;
mod scheduling;
mod security;
mod update;
mod volume;

use serde_json::Value;

pub(super) use defaults::{pod as default_pod, template as default_template};
pub(super) use network::address as validate_address;
pub(super) use probe::port as validate_port;
pub(super) use resources::quality_of_service;
pub(super) use update::validate as validate_update;

use super::{at::At, labels, names, selector};
use crate::api::failure::FieldError;

/// A template: labels, annotations and spec.
pub(super) fn validate_template(template: &At<'_>) -> Vec<FieldError> {
    let spec = template.get("spec");
    let mut errors = validate_labels(template);
    errors.extend(validate(&spec));
    let ephemeral = spec.get("ephemeralContainers");
    if !ephemeral.is_empty() {
        errors.push(ephemeral.forbidden("ephemeral containers not allowed in pod template"));
    }
    errors
}

/// Labels and annotations of a template.
pub(super) fn validate_labels(template: &At<'_>) -> Vec<FieldError> {
    // The paths have no `metadata` in them in the real server either.
    let field = |name: &str| {
        let at = template.get("metadata").get(name);
        At::new(at.value, format!("{}.{name}", template.path))
    };
    let mut errors = labels::validate(&field("labels"));
    errors.extend(labels::validate_annotations(&field("annotations")));
    errors
}

/// A template of a controller that keeps its pods running, which its selector has to match.
pub(super) fn validate_running_template(
    template: &At<'_>,
    selector: &At<'_>,
    unmatched: &str,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    match selector::matches(selector.value, &template.value["metadata"]["labels"]) {
        None => errors.push(selector::invalid(selector, unmatched)),
        Some(fits) => {
            // A selector that is not there matches nothing; one without rules matches everything.
            if !selector.is_set() || !fits && !selector::is_empty(selector.value) {
                errors.push(unmatched_labels(template));
            }
            errors.extend(validate_template(template));
        }
    }
    errors
}

/// A template whose labels the selector does not match.
pub(super) fn unmatched_labels(template: &At<'_>) -> FieldError {
    template
        .get("metadata")
        .get("labels")
        .invalid("`selector` does not match template `labels`")
}

/// Pods of these controllers are always restarted, and have no end.
pub(super) fn validate_always(template: &At<'_>, kind: &str) -> Vec<FieldError> {
    let policy = template.get("spec").get("restartPolicy");
    let mut errors = Vec::new();
    if policy.text() != "Always" {
        errors.push(FieldError::not_supported(
            &policy.path,
            policy.value,
            &["Always"],
        ));
    }
    let deadline = template.get("spec").get("activeDeadlineSeconds");
    if deadline.is_set() {
        errors
            .push(deadline.forbidden(&format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
    errors
}

/// The spec.
pub(super) fn validate(spec: &At<'_>) -> Vec<FieldError> {
    let (volumes, mut errors) = volume::validate_all(&spec.get("volumes"));
    let restart = spec.get("restartPolicy");
    errors.extend(container::validate_all(spec, &volumes));
    errors.extend(host_ports(spec));
    errors.extend(restart.one_of(&["Always", "OnFailure", "Never"]));
    errors.extend(spec.get("dnsPolicy").one_of(&[
        "ClusterFirstWithHostNet",
        "ClusterFirst",
        "Default",
        "None",
    ]));
    errors.extend(labels::validate(&spec.get("nodeSelector")));
    errors.extend(security::validate_pod(&spec.get("securityContext")));
    for gate in spec.get("readinessGates").items() {
        let kind = gate.get("conditionType");
        errors.extend(kind.all_invalid(names::qualified(kind.text())));
    }
    errors.extend(affinity::validate(&spec.get("affinity")));
    errors.extend(network::dns(spec));
    errors.extend(network::aliases(&spec.get("hostAliases")));
    errors.extend(system(&spec.get("os")));
    errors.extend(scheduling::spread(&spec.get("topologySpreadConstraints")));
    errors.extend(named(spec, "serviceAccountName", names::dns_subdomain));
    errors.extend(named(spec, "nodeName", names::dns_subdomain));
    let deadline = spec.get("activeDeadlineSeconds");
    if deadline.is_set() {
        errors.extend(deadline.within(1, i64::from(i32::MAX)));
    }
    errors.extend(named(spec, "hostname", names::dns_label));
    errors.extend(named(spec, "subdomain", names::dns_label));
    errors.extend(scheduling::tolerations(&spec.get("tolerations")));
    errors.extend(named(spec, "priorityClassName", names::dns_subdomain));
    errors
}

/// The operating system, if it is said.
fn system(os: &At<'_>) -> Option<FieldError> {
    let name = os.get("name");
    let systems = ["linux", "windows"];
    if !os.is_set() || systems.contains(&name.text()) {
        None
    } else if name.is_empty() {
        Some(name.required(""))
    } else {
        Some(FieldError::not_supported(&os.path, name.value, &systems))
    }
}

/// Images of a pod, not of a template, have no blanks around them.
pub(super) fn validate_images(spec: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for list in ["containers", "initContainers"] {
        for image in spec.get(list).items().map(|it| it.get("image")) {
            if image.text().trim() != image.text() {
                errors.push(image.invalid("must not have leading or trailing whitespace"));
            }
        }
    }
    errors
}

/// A field that is empty or keeps to a rule.
fn named(spec: &At<'_>, field: &str, rule: names::Rule) -> Vec<FieldError> {
    let name = spec.get(field);
    if name.is_empty() {
        return Vec::new();
    }
    name.all_invalid(rule(name.text()))
}

/// On the host's network a port is the host's.
fn host_ports(spec: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !spec.get("hostNetwork").is_true() {
        return errors;
    }
    for container in spec.get("containers").items() {
        for port in container.get("ports").items() {
            let host = port.get("hostPort");
            if host.number() != 0 && host.number() != port.get("containerPort").number() {
                errors.push(host.invalid("must match `containerPort` when `hostNetwork` is true"));
            }
        }
    }
    errors
}

/// The containers of a pod, of the list with that name.
fn containers<'a>(spec: &'a Value, list: &str) -> &'a [Value] {
    spec[list].as_array().map_or(&[], Vec::as_slice)
}
