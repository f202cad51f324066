//! Ingress. It is stored and served, not acted on.

use serde_json::{Value, json};

use super::{Rules, at::At, edit, names, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        edit::slot(object, "spec");
        edit::slot(edit::slot(object, "status"), "loadBalancer");
    },
    generation: Some(spec_changed),
    validate,
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let (rules, backend) = (spec.get("rules"), spec.get("defaultBackend"));
    let mut errors = Vec::new();
    if rules.is_empty() && !backend.is_set() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", &Value::Null, detail));
    }
    if backend.is_set() {
        errors.extend(validate_backend(&backend));
    }
    for rule in rules.items() {
        errors.extend(validate_host(&rule.get("host")));
        let http = rule.get("http");
        let paths = http.get("paths");
        if http.is_set() && paths.is_empty() {
            errors.push(paths.required(""));
        }
        for path in paths.items() {
            errors.extend(validate_path(&path));
        }
    }
    for tls in spec.get("tls").items() {
        for host in tls.get("hosts").items() {
            errors.extend(host.all_invalid(host_name(host.text())));
        }
        let secret = tls.get("secretName");
        if !secret.is_empty() {
            errors.extend(secret.all_invalid(names::dns_subdomain(secret.text())));
        }
    }
    let class = spec.get("ingressClassName");
    if class.is_set() {
        errors.extend(class.all_invalid(names::dns_subdomain(class.text())));
    }
    errors
}

fn validate_host(host: &At<'_>) -> Vec<FieldError> {
    if host.is_empty() {
        return Vec::new();
    }
    let mut errors = Vec::new();
    if host.text().parse::<std::net::IpAddr>().is_ok() {
        errors.push(host.invalid("must be a DNS name, not an IP address"));
    }
    errors.extend(host.all_invalid(host_name(host.text())));
    errors
}

/// A name, or all names below one.
fn host_name(text: &str) -> Vec<String> {
    if !text.contains('*') {
        return names::dns_subdomain(text);
    }
    let below = text.strip_prefix("*.").map(names::dns_subdomain);
    if below.is_some_and(|wrong| wrong.is_empty()) {
        return Vec::new();
    }
    vec![
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of \
         lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', \
         regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned(),
    ]
}

fn validate_path(path: &At<'_>) -> Vec<FieldError> {
    let kind = path.get("pathType");
    let at = path.get("path");
    let text = at.text();
    let value = json!(text);
    let invalid = |detail: &str| FieldError::invalid(&at.path, &value, detail);
    let mut errors = Vec::new();
    let absolute = "must be an absolute path";
    match kind.text() {
        _ if !kind.is_set() => return vec![kind.required("pathType must be specified")],
        "Exact" | "Prefix" => {
            errors.extend((!text.starts_with('/')).then(|| invalid(absolute)));
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                let bad = text.contains(part);
                errors.extend(bad.then(|| invalid(&format!("must not contain '{part}'"))));
            }
            for end in ["/..", "/."] {
                let bad = text.ends_with(end);
                errors.extend(bad.then(|| invalid(&format!("cannot end with '{end}'"))));
            }
        }
        "ImplementationSpecific" => {
            let relative = !text.is_empty() && !text.starts_with('/');
            errors.extend(relative.then(|| invalid(absolute)));
        }
        _ => {
            let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.extend(kind.none_or_one_of(&kinds));
        }
    }
    errors.extend(validate_backend(&path.get("backend")));
    errors
}

fn validate_backend(backend: &At<'_>) -> Vec<FieldError> {
    let (service, resource) = (backend.get("service"), backend.get("resource"));
    let refused = |detail: &str| FieldError::invalid(&backend.path, &"".into(), detail);
    match (service.is_set(), resource.is_set()) {
        (true, true) => return vec![refused("cannot set both resource and service backends")],
        (false, false) => return vec![refused("resource or service backend is required")],
        (false, true) => return Vec::new(),
        (true, false) => {}
    }
    let mut errors = Vec::new();
    let name = service.get("name");
    if name.is_empty() {
        errors.push(name.required(""));
    } else {
        errors.extend(name.all_invalid(names::dns_label(name.text())));
    }
    let port = service.get("port");
    let (named, number) = (port.get("name"), port.get("number"));
    match (!named.is_empty(), number.number() != 0) {
        (true, true) => errors.push(refused("cannot set both port name & port number")),
        (true, false) => errors.extend(named.all_invalid(names::port_name(named.text()))),
        (false, true) => errors.extend(number.within(1, 65535)),
        (false, false) => errors.push(backend.required("port name or number is required")),
    }
    errors
}
