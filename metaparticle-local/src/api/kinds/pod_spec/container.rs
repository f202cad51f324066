//! Containers and init containers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{super::at::At, super::names, env, probe, resources, security, volume};
use crate::api::failure::FieldError;

const RESTART: [&str; 3] = ["Always", "Never", "OnFailure"];

const NOT_FOR_INIT: &str = "may not be set for init containers without restartPolicy=Always";

/// All containers of a pod.
pub(super) fn validate_all(spec: &At<'_>, volumes: &BTreeSet<&str>) -> Vec<FieldError> {
    let grace = spec.get("terminationGracePeriodSeconds");
    let containers = spec.get("containers");
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    if containers.is_empty() {
        errors.push(containers.required(""));
    }
    let mut host_ports = BTreeSet::new();
    let mut host_port_errors = Vec::new();
    for container in containers.items() {
        errors.extend(validate(&container, volumes));
        errors.extend(unique_name(&container, &mut seen));
        errors.extend(probe::validate_all(&container, &grace));
        errors.extend(container.get("restartPolicy").none_or_one_of(&RESTART));
        host_port_errors.extend(unique_host_ports(&container, &mut host_ports));
    }
    errors.extend(host_port_errors);
    for container in spec.get("initContainers").items() {
        errors.extend(validate(&container, volumes));
        errors.extend(container.get("restartPolicy").none_or_one_of(&RESTART));
        errors.extend(unique_name(&container, &mut seen));
        errors.extend(unique_host_ports(&container, &mut BTreeSet::new()));
        if container.get("restartPolicy").text() == "Always" {
            errors.extend(probe::validate_all(&container, &grace));
        } else {
            for field in [
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
            ] {
                let at = container.get(field);
                errors.extend(at.is_set().then(|| at.forbidden(NOT_FOR_INIT)));
            }
        }
    }
    errors
}

/// What every container keeps to.
fn validate(container: &At<'_>, volumes: &BTreeSet<&str>) -> Vec<FieldError> {
    let name = container.get("name");
    let mut errors = if name.is_empty() {
        vec![name.required("")]
    } else {
        name.all_invalid(names::dns_label(name.text()))
    };
    let image = container.get("image");
    if image.is_empty() {
        errors.push(image.required(""));
    }
    let policy = container.get("terminationMessagePolicy");
    errors.extend(policy.one_of(&["File", "FallbackToLogsOnError"]));
    errors.extend(ports(&container.get("ports")));
    errors.extend(env::validate(&container.get("env")));
    errors.extend(env::validate_from(&container.get("envFrom")));
    errors.extend(volume::validate_mounts(
        &container.get("volumeMounts"),
        volumes,
    ));
    let pull = container.get("imagePullPolicy");
    errors.extend(pull.one_of(&["Always", "IfNotPresent", "Never"]));
    errors.extend(resources::validate(&container.get("resources")));
    errors.extend(resize_policy(&container.get("resizePolicy")));
    errors.extend(security::validate_container(
        &container.get("securityContext"),
    ));
    errors
}

/// How a container takes other amounts. The paths have no fields in the real server either.
fn resize_policy(policies: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for policy in policies.items() {
        let resource = policy.get("resourceName");
        if !seen.insert(resource.text()) {
            let text = resource.text().into();
            errors.push(FieldError::duplicate(&policy.path, &text));
        }
        let restart = policy.get("restartPolicy");
        let rules: [(_, &[&str]); 2] = [
            (resource, &["cpu", "memory"]),
            (restart, &["NotRequired", "RestartContainer"]),
        ];
        for (value, allowed) in rules {
            errors.extend(At::new(value.value, &policies.path).one_of(allowed));
        }
    }
    errors
}

fn unique_name<'a>(container: &At<'a>, seen: &mut BTreeSet<&'a str>) -> Option<FieldError> {
    let name = container.get("name");
    let fresh = seen.insert(name.text());
    (!fresh).then(|| FieldError::duplicate(&name.path, &name.text().into()))
}

fn ports(ports: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let name = port.get("name");
        if !name.is_empty() {
            let wrong = names::port_name(name.text());
            if wrong.is_empty() && !seen.insert(name.text()) {
                errors.push(name.duplicate());
            }
            errors.extend(name.all_invalid(wrong));
        }
        let number = port.get("containerPort");
        if number.number() == 0 {
            errors.push(number.required(""));
        } else {
            errors.extend(number.within(1, 65535));
        }
        let host = port.get("hostPort");
        if host.number() != 0 {
            errors.extend(host.within(1, 65535));
        }
        errors.extend(port.get("protocol").one_of(&["SCTP", "TCP", "UDP"]));
    }
    errors
}

fn unique_host_ports(container: &At<'_>, seen: &mut BTreeSet<String>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for port in container.get("ports").items() {
        let host = port.get("hostPort");
        if host.number() == 0 {
            continue;
        }
        let protocol = port.get("protocol").text();
        let all = format!("{protocol}/{}/{}", port.get("hostIP").text(), host.number());
        if !seen.insert(all.clone()) {
            errors.push(FieldError::duplicate(&host.path, &Value::from(all)));
        }
    }
    errors
}
