//! Where a pod may run: tolerations and spreading.

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
    for constraint in constraints.items() {
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
        if key.is_empty() {
            errors.push(key.required("can not be empty"));
        } else {
            errors.extend(labels::validate_key(&key));
        }
        let unsatisfiable = constraint.get("whenUnsatisfiable");
        if !["DoNotSchedule", "ScheduleAnyway"].contains(&unsatisfiable.text()) {
            errors.push(FieldError::not_supported(
                &unsatisfiable.path,
                &unsatisfiable.text().into(),
                &["DoNotSchedule", "ScheduleAnyway"],
            ));
        }
        errors.extend(selector::validate(&constraint.get("labelSelector")));
    }
    errors
}
