//! Where a pod may run: tolerations and spreading.

use serde_json::Value;

use super::super::{at::At, labels, names, selector};
use crate::api::failure::FieldError;

/// `tolerations`.
pub(super) fn tolerations(tolerations: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for toleration in tolerations.items() {
        let key = toleration.get("key");
        let operator = toleration.get("operator");
        let value = toleration.get("value");
        let effect = toleration.get("effect");
        if !key.is_empty() {
            errors.extend(labels::validate_key(&key));
        }
        if key.is_empty() && operator.text() != "Exists" {
            errors.push(FieldError::invalid(
                &operator.path,
                &operator.text().into(),
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            ));
        }
        if toleration.get("tolerationSeconds").is_set() && effect.text() != "NoExecute" {
            errors.push(FieldError::invalid(
                &effect.path,
                &effect.text().into(),
                "effect must be 'NoExecute' when `tolerationSeconds` is set",
            ));
        }
        let value = At::new(value.value, &operator.path);
        match operator.text() {
            "" | "Equal" => {
                let wrong = names::label_value(value.text());
                errors.extend((!wrong.is_empty()).then(|| value.invalid(&wrong.join(";"))));
            }
            "Exists" if !value.is_empty() => {
                errors.push(value.invalid("value must be empty when `operator` is 'Exists'"));
            }
            "Exists" => {}
            _ => errors.push(FieldError::not_supported(
                &operator.path,
                operator.value,
                &["Equal", "Exists"],
            )),
        }
        if !effect.is_empty() {
            let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            errors.extend(effect.one_of(&effects));
        }
    }
    errors
}

/// `topologySpreadConstraints`.
pub(super) fn spread(constraints: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, constraint) in constraints.items().enumerate() {
        let skew = constraint.get("maxSkew");
        if skew.number() <= 0 {
            let value = skew.number().into();
            errors.push(FieldError::invalid(
                &skew.path,
                &value,
                "must be greater than zero",
            ));
        }
        let key = constraint.get("topologyKey");
        errors.extend(key.is_empty().then(|| key.required("can not be empty")));
        let unsatisfiable = constraint.get("whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&unsatisfiable.text()) {
            errors.push(FieldError::not_supported(
                &unsatisfiable.path,
                &unsatisfiable.text().into(),
                &["DoNotSchedule", "ScheduleAnyway"],
            ));
        }
        errors.extend(once(&constraint, &constraints.list()[index + 1..]));
        errors.extend(min_domains(&constraint.get("minDomains"), &unsatisfiable));
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.extend(constraint.get(policy).none_or_one_of(&["Honor", "Ignore"]));
        }
        errors.extend(label_keys(&constraint));
        errors.extend(selector::validate(&constraint.get("labelSelector")));
    }
    errors
}

/// No other constraint is about the same.
fn once(constraint: &At<'_>, others: &[Value]) -> Option<FieldError> {
    let about = |it: &Value| ["topologyKey", "whenUnsatisfiable"].map(|name| it[name].clone());
    let own = about(constraint.value);
    let repeated = others.iter().any(|other| about(other) == own);
    let [key, unsatisfiable] = own;
    let text = |it: Value| it.as_str().unwrap_or_default().to_owned();
    repeated.then(|| {
        FieldError::duplicate(
            format!("{}.{{topologyKey, whenUnsatisfiable}}", constraint.path),
            &format!("{{{}, {}}}", text(key), text(unsatisfiable)).into(),
        )
    })
}

fn min_domains(least: &At<'_>, unsatisfiable: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !least.is_set() {
        return errors;
    }
    if least.number() <= 0 {
        errors.push(least.invalid("must be greater than zero"));
    }
    if unsatisfiable.text() != "DoNotSchedule" {
        errors.push(least.invalid(&format!(
            "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}",
            unsatisfiable.text()
        )));
    }
    errors
}

/// `matchLabelKeys`: keys of the pod's labels, next to a selector.
fn label_keys(constraint: &At<'_>) -> Vec<FieldError> {
    let keys = constraint.get("matchLabelKeys");
    let mut errors = Vec::new();
    if !keys.is_empty() && !constraint.get("labelSelector").is_set() {
        errors.push(keys.forbidden("must not be specified when labelSelector is not set"));
    }
    for key in keys.items() {
        errors.extend(labels::validate_key(&key));
    }
    errors
}
