//! `LabelSelector`: its rules, and whether it matches labels.

use serde_json::Value;

use super::{at::At, labels, names};
use crate::api::failure::FieldError;

/// The rules of a selector that may be absent.
pub(super) fn validate(selector: &At<'_>) -> Vec<FieldError> {
    let mut errors = labels::validate(&selector.get("matchLabels"));
    for rule in selector.get("matchExpressions").items() {
        let values = rule.get("values");
        let operator = rule.get("operator");
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => {
                errors
                    .push(values.required("must be specified when `operator` is 'In' or 'NotIn'"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.push(values.forbidden(
                    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                ));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(
                operator.path,
                &other.into(),
                "not a valid selector operator",
            )),
        }
        let key = rule.get("key");
        let text = key.text().into();
        errors.extend(labels::validate_key(&At::new(&text, key.path)));
        for value in values.items() {
            errors.extend(value.all_invalid(names::label_value(value.text())));
        }
    }
    errors
}

/// The selector is not right.
pub(super) fn invalid(selector: &At<'_>, detail: &str) -> FieldError {
    let shown = At::new(selector.value, &selector.path).invalid(detail);
    let value = selector.value.to_string();
    FieldError {
        message: shown.message.replacen(&value, &printed(selector.value), 1),
        ..shown
    }
}

/// In the order in which the real server prints it.
pub(super) fn printed(selector: &Value) -> String {
    let fields = ["matchLabels", "matchExpressions"];
    let fields = fields
        .into_iter()
        .filter_map(|name| Some(format!("\"{name}\":{}", selector.get(name)?)));
    let fields: Vec<String> = fields.collect();
    match selector {
        Value::Null => "null".to_owned(),
        _ => format!("{{{}}}", fields.join(",")),
    }
}

/// Whether it has no rule at all.
pub(super) fn is_empty(selector: &Value) -> bool {
    let none = |field: &str| At::root(selector, field).is_empty();
    none("matchLabels") && none("matchExpressions")
}

/// Whether the labels fit. `None` if the selector cannot be used.
pub(super) fn matches(selector: &Value, labels: &Value) -> Option<bool> {
    if !validate(&At::new(selector, "")).is_empty() {
        return None;
    }
    let equal = At::root(selector, "matchLabels")
        .entries()
        .all(|(key, value)| labels.get(key) == Some(value));
    let mut fits = equal;
    for rule in At::root(selector, "matchExpressions").items() {
        let value = labels.get(rule.get("key").text());
        let values = rule.get("values");
        let listed = value.is_some_and(|value| values.list().contains(value));
        fits &= match rule.get("operator").text() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        };
    }
    Some(fits)
}
