//! EndpointSlice.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Rules, at::At, edit, names, pod_spec};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        for list in ["endpoints", "ports"] {
            edit::absent(object, list, Value::Null);
        }
        for port in edit::items(object, "ports") {
            edit::absent(port, "name", "");
            edit::absent(port, "protocol", "TCP");
        }
        for endpoint in edit::items(object, "endpoints") {
            edit::slot(endpoint, "conditions");
        }
    },
    // There is no spec: everything but `metadata` counts, and the labels.
    generation: Some(|old, new| {
        let fields = ["addressType", "endpoints", "ports"];
        fields.iter().any(|it| old[*it] != new[*it])
            || old["metadata"]["labels"] != new["metadata"]["labels"]
    }),
    validate,
    validate_update: |old, new| {
        let kind = |it| At::root(it, "addressType");
        kind(new).same_as(&kind(old)).into_iter().collect()
    },
    ..Rules::PLAIN
};

fn validate(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for endpoint in At::root(object, "endpoints").items() {
        let addresses = endpoint.get("addresses");
        if addresses.is_empty() {
            errors.push(addresses.required("must contain at least 1 address"));
        }
        if object["addressType"] != "FQDN" {
            errors.extend(
                addresses
                    .items()
                    .filter_map(|it| pod_spec::validate_address(&it)),
            );
        }
        let rules: [(_, names::Rule); 2] = [
            ("hostname", names::dns_label),
            ("nodeName", names::dns_subdomain),
        ];
        for (field, rule) in rules {
            let at = endpoint.get(field);
            errors.extend(
                at.is_set()
                    .then(|| at.all_invalid(rule(at.text())))
                    .into_iter()
                    .flatten(),
            );
        }
    }
    let mut seen = BTreeSet::new();
    for port in At::root(object, "ports").items() {
        let name = port.get("name");
        if !name.is_empty() {
            errors.extend(name.all_invalid(names::dns_label(name.text())));
        }
        if !seen.insert(name.text()) {
            errors.push(name.duplicate());
        }
        errors.extend(port.get("protocol").none_or_one_of(&["SCTP", "TCP", "UDP"]));
    }
    let kind = At::root(object, "addressType");
    errors.extend(kind.one_of(&["FQDN", "IPv4", "IPv6"]));
    errors
}
