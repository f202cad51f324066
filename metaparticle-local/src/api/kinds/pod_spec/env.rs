//! Environment variables of a container, and where they come from.

use super::super::{at::At, names};
use crate::api::failure::FieldError;

/// What `fieldRef` of a variable may name.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Fields of a pod that exist but are of no use here.
const OTHER_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
];

/// What `resourceFieldRef` may name.
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// `env`. A name may occur twice; the last one counts.
pub(super) fn validate(variables: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for variable in variables.items() {
        let name = variable.get("name");
        if name.is_empty() {
            errors.push(name.required(""));
        } else {
            errors.extend(name.all_invalid(names::env_name(name.text())));
        }
        let source = variable.get("valueFrom");
        if source.is_set() {
            errors.extend(validate_source(&source, !variable.get("value").is_empty()));
        }
    }
    errors
}

/// `envFrom`.
pub(super) fn validate_from(sources: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for source in sources.items() {
        let prefix = source.get("prefix");
        errors.extend(prefix.all_invalid(names::env_name(prefix.text())));
        let mut count = 0;
        for field in ["configMapRef", "secretRef"] {
            let reference = source.get(field);
            if reference.is_set() {
                count += 1;
                let name = reference.get("name");
                if name.is_empty() {
                    errors.push(name.required(""));
                } else {
                    errors.extend(name.all_invalid(names::dns_subdomain(name.text())));
                }
            }
        }
        let detail = match count {
            0 => "must specify one of: `configMapRef` or `secretRef`",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        errors.push(FieldError::invalid(&sources.path, &"".into(), detail));
    }
    errors
}

fn validate_source(source: &At<'_>, has_value: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut count = 0;
    let mut check = |field: &str, rules: fn(&At<'_>) -> Vec<FieldError>| {
        let at = source.get(field);
        if at.is_set() {
            count += 1;
            errors.extend(rules(&at));
        }
    };
    check("fieldRef", |it| field(it, &FIELDS));
    check("resourceFieldRef", resource);
    check("configMapKeyRef", key);
    check("secretKeyRef", key);
    check("fileKeyRef", |_| Vec::new());
    let detail = match count {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if has_value => "may not be specified when `value` is not empty",
        1 => return errors,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(FieldError::invalid(&source.path, &"".into(), detail));
    errors
}

/// `fieldRef`: a field of the pod, one of `fields`.
pub(super) fn field(reference: &At<'_>, fields: &[&str]) -> Vec<FieldError> {
    let path = reference.get("fieldPath");
    let version = reference.get("apiVersion").text();
    let wrong =
        |detail: String| vec![path.invalid(&format!("error converting fieldPath: {detail}"))];
    if path.is_empty() {
        return vec![path.required("")];
    }
    if version != "v1" {
        return wrong(format!("unsupported pod version: {version}"));
    }
    if let Some((map, key)) = path
        .text()
        .strip_suffix("']")
        .and_then(|it| it.split_once("['"))
    {
        let messages = match map {
            "metadata.annotations" => names::qualified(&key.to_lowercase()),
            "metadata.labels" => names::qualified(key),
            _ => {
                return wrong(format!(
                    "field label does not support subscript: {}",
                    path.text()
                ));
            }
        };
        return At::new(&key.into(), &reference.path).all_invalid(messages);
    }
    match path.text() {
        text if fields.contains(&text) => Vec::new(),
        text if FIELDS.contains(&text) || OTHER_FIELDS.contains(&text) => {
            vec![FieldError::not_supported(&path.path, path.value, fields)]
        }
        text => wrong(format!("field label not supported: {text}")),
    }
}

/// `resourceFieldRef`: an amount of the container.
pub(super) fn resource(reference: &At<'_>) -> Vec<FieldError> {
    let resource = reference.get("resource");
    let text = resource.text();
    if text.is_empty() {
        return vec![resource.required("")];
    }
    let pages = ["limits.hugepages-", "requests.hugepages-"];
    if RESOURCES.contains(&text) || pages.iter().any(|it| text.starts_with(it)) {
        return divisor(&reference.get("divisor"), text)
            .into_iter()
            .collect();
    }
    vec![FieldError::not_supported(
        &resource.path,
        resource.value,
        &RESOURCES,
    )]
}

/// In what unit it is shown.
fn divisor(divisor: &At<'_>, resource: &str) -> Option<FieldError> {
    const OF_CPU: &str = "only divisor's values 1m and 1 are supported with the cpu resource";
    const BYTES: [&str; 13] = [
        "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
    ];
    let name = resource.split_once('.').map_or("", |(_, name)| name);
    let detail = match (name, divisor.text()) {
        (_, "" | "0") | ("cpu", "1m" | "1") => return None,
        ("cpu", _) => OF_CPU.to_owned(),
        (_, text) if BYTES.contains(&text) => return None,
        (name, _) => format!(
            "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the \
             {name} resource"
        ),
    };
    Some(FieldError::invalid(
        &divisor.path,
        &resource.into(),
        &detail,
    ))
}

/// A key of a ConfigMap or Secret.
fn key(reference: &At<'_>) -> Vec<FieldError> {
    let name = reference.get("name");
    let messages = names::dns_subdomain(name.text());
    let text = name.text().into();
    let mut errors = At::new(&text, name.path).all_invalid(messages);
    let key = reference.get("key");
    if key.is_empty() {
        errors.push(key.required(""));
    } else {
        errors.extend(key.all_invalid(names::config_key(key.text())));
    }
    errors
}
