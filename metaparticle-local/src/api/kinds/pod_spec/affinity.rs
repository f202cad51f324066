//! Where a pod would rather run: `affinity`.

use super::super::{at::At, labels, names, selector};
use crate::api::failure::FieldError;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `affinity`.
pub(super) fn validate(affinity: &At<'_>) -> Vec<FieldError> {
    let node = affinity.get("nodeAffinity");
    let mut errors = Vec::new();
    let required = node.get(REQUIRED);
    let terms = required.get("nodeSelectorTerms");
    if required.is_set() && terms.is_empty() {
        errors.push(terms.required("must have at least one node selector term"));
    }
    for term in terms.items() {
        errors.extend(node_term(&term, true));
    }
    for preferred in node.get(PREFERRED).items() {
        errors.extend(weight(&preferred));
        errors.extend(node_term(&preferred.get("preference"), false));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.get(kind);
        for term in pods.get(REQUIRED).items() {
            errors.extend(pod_term(&term));
        }
        for preferred in pods.get(PREFERRED).items() {
            errors.extend(weight(&preferred));
            errors.extend(pod_term(&preferred.get("podAffinityTerm")));
        }
    }
    errors
}

fn weight(preferred: &At<'_>) -> Option<FieldError> {
    let weight = preferred.get("weight");
    let number = weight.number();
    let wrong = !(1..=100).contains(&number);
    let detail = "must be in the range 1-100";
    wrong.then(|| FieldError::invalid(weight.path, &number.into(), detail))
}

/// What a node has to be like. The values of what is only preferred may be anything.
fn node_term(term: &At<'_>, required: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for rule in term.get("matchExpressions").items() {
        let values = rule.get("values");
        let operator = rule.get("operator");
        errors.extend(match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                Some(values.required("must be specified when `operator` is 'In' or 'NotIn'"))
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                Some(values.forbidden(
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                ))
            }
            "Gt" | "Lt" if values.list().len() != 1 => Some(
                values.required("must be specified single value when `operator` is 'Lt' or 'Gt'"),
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => None,
            _ => Some(not_an_operator(&operator)),
        });
        for value in values.items().filter(|_| required) {
            errors.extend(value.all_invalid(names::label_value(value.text())));
        }
        errors.extend(key(&rule.get("key")));
    }
    for rule in term.get("matchFields").items() {
        let values = rule.get("values");
        let operator = rule.get("operator");
        match operator.text() {
            "In" | "NotIn" if values.list().len() != 1 => errors.push(values.required(
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            )),
            "In" | "NotIn" => {}
            _ => errors.push(not_an_operator(&operator)),
        }
        let field = rule.get("key");
        if field.text() == "metadata.name" {
            for value in values.items() {
                errors.extend(value.all_invalid(names::dns_subdomain(value.text())));
            }
        } else {
            let text = field.text().into();
            let detail = "not a valid field selector key";
            errors.push(FieldError::invalid(field.path, &text, detail));
        }
    }
    errors
}

fn not_an_operator(operator: &At<'_>) -> FieldError {
    let text = operator.text().into();
    FieldError::invalid(&operator.path, &text, "not a valid selector operator")
}

/// A label's key, empty if it is absent.
fn key(key: &At<'_>) -> Vec<FieldError> {
    let text = key.text().into();
    labels::validate_key(&At::new(&text, &key.path))
}

/// Which pods it is about, and how near they are.
fn pod_term(term: &At<'_>) -> Vec<FieldError> {
    let mut errors = selector::validate(&term.get("labelSelector"));
    errors.extend(selector::validate(&term.get("namespaceSelector")));
    for name in term.get("namespaces").items() {
        // The path has neither an index nor a plural in the real server.
        let at = At::new(name.value, format!("{}.namespace", term.path));
        errors.extend(at.all_invalid(names::dns_label(name.text())));
    }
    let topology = term.get("topologyKey");
    if topology.is_empty() {
        errors.push(topology.required("can not be empty"));
    }
    errors.extend(key(&topology));
    errors
}
