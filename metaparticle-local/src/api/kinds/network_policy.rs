//! `NetworkPolicy`. It is stored and served, not acted on.

use serde_json::{Value, json};

use super::{Rules, at::At, edit, selector, spec_changed};

pub(super) const RULES: Rules = Rules {
    default,
    generation: Some(spec_changed),
    validate: |object| selector::validate(&At::root(object, "spec").get("podSelector")),
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
