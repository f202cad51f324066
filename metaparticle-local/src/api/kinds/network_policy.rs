//! `NetworkPolicy`. It is stored and served, not acted on.

use serde_json::{Value, json};

use super::{Rules, at::At, cidr, edit, pod_spec, selector, spec_changed};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default,
    generation: Some(spec_changed),
    validate,
    ..Rules::PLAIN
};

fn default(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    edit::slot(spec, "podSelector");
    for direction in ["ingress", "egress"] {
        for rule in edit::items(spec, direction) {
            for port in edit::items(rule, "ports") {
                edit::absent(port, "protocol", "TCP");
            }
        }
    }
    let has_egress = !At::new(&spec["egress"], "").is_empty();
    let types = if has_egress {
        json!(["Ingress", "Egress"])
    } else {
        json!(["Ingress"])
    };
    if At::new(&spec["policyTypes"], "").is_empty() {
        spec["policyTypes"] = types;
    }
}

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let mut errors = selector::validate(&spec.get("podSelector"));
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(direction).items() {
            errors.extend(rule.get("ports").items().flat_map(|it| port(&it)));
            errors.extend(rule.get(peers).items().flat_map(|it| peer(&it)));
        }
    }
    let types = spec.get("policyTypes");
    let allowed = ["Ingress", "Egress"];
    if types.list().len() > allowed.len() {
        errors.push(types.invalid("may not specify more than two policyTypes"));
        return errors;
    }
    errors.extend(types.items().filter_map(|it| known(&it, &allowed)));
    errors
}

/// One of these; the empty text is none of them.
fn known(at: &At<'_>, allowed: &[&str]) -> Option<FieldError> {
    let unknown = !allowed.contains(&at.text());
    unknown.then(|| FieldError::not_supported(&at.path, at.value, allowed))
}

fn port(port: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(known(&port.get("protocol"), &["TCP", "UDP", "SCTP"]));
    let (first, last) = (port.get("port"), port.get("endPort"));
    if let Some(detail) = match first.value {
        _ if !last.is_set() => None,
        Value::Null => Some("may not be specified when `port` is not specified"),
        Value::String(_) => Some("may not be specified when `port` is non-numeric"),
        _ => None,
    } {
        errors.push(last.invalid(detail));
    }
    if first.is_set() {
        errors.extend(pod_spec::validate_port(&first));
    }
    if first.value.is_number() && last.is_set() {
        if last.number() < first.number() {
            let detail = "must be greater than or equal to `port`";
            errors.push(FieldError::invalid(&last.path, first.value, detail));
        }
        errors.extend(last.within(1, 65535));
    }
    errors
}

fn peer(peer: &At<'_>) -> Vec<FieldError> {
    let selectors = [peer.get("podSelector"), peer.get("namespaceSelector")];
    let selectors = selectors.iter().filter(|it| it.is_set());
    let mut errors: Vec<_> = selectors.clone().flat_map(selector::validate).collect();
    let block = peer.get("ipBlock");
    let others = selectors.count();
    if block.is_set() {
        errors.extend(ip_block(&block));
        if others > 0 {
            errors.push(peer.forbidden("may not specify both ipBlock and another peer"));
        }
    } else if others == 0 {
        errors.push(peer.required("must specify a peer"));
    }
    errors
}

fn ip_block(block: &At<'_>) -> Vec<FieldError> {
    let whole = block.get("cidr");
    if whole.is_empty() {
        return vec![whole.required("")];
    }
    let range = match cidr::parse(whole.text()) {
        Ok(range) => range,
        Err(detail) => return vec![whole.invalid(detail)],
    };
    let problem = |except: &At<'_>| match cidr::parse(except.text()) {
        Ok(part) if range.has(&part) => None,
        Ok(_) => Some("must be a strict subset of `cidr`"),
        Err(detail) => Some(detail),
    };
    let excepts = block.get("except").items();
    excepts
        .filter_map(|it| problem(&it).map(|detail| it.invalid(detail)))
        .collect()
}
