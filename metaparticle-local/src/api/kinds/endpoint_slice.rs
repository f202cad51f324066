//! EndpointSlice.

use serde_json::Value;

use super::{Rules, at::At, edit};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    default: |object| {
        for list in ["endpoints", "ports"] {
            if At::root(object, list).is_empty() {
                object[list] = Value::Null;
            }
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
    }
    for port in At::root(object, "ports").items() {
        errors.extend(port.get("protocol").one_of(&["SCTP", "TCP", "UDP"]));
    }
    let kind = At::root(object, "addressType");
    errors.extend(kind.one_of(&["FQDN", "IPv4", "IPv6"]));
    errors
}
