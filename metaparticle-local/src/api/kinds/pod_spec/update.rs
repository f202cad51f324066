//! What may change in a pod's spec: almost nothing.

use serde_json::Value;

use super::{super::at::At, containers, scheduling};
use crate::api::failure::FieldError;

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
     `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be \
     set to 1 if it was previously negative)";

/// The rules for a changed pod, after those for its new spec.
pub(in crate::api::kinds) fn validate(old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = At::root(new, "spec");
    for list in ["containers", "initContainers"] {
        if containers(&old["spec"], list).len() != spec.get(list).list().len() {
            let detail = "pod updates may not add or remove containers";
            errors.push(spec.get(list).forbidden(detail));
            return errors;
        }
        for image in spec.get(list).items().map(|it| it.get("image")) {
            if image.is_empty() {
                errors.push(image.required(""));
            }
        }
    }
    errors.extend(super::validate_images(&spec));
    let old = &old["spec"];
    if let Some(error) = deadline(old, &spec) {
        errors.push(error);
        if spec.get("activeDeadlineSeconds").is_set() {
            return errors;
        }
    }
    errors.extend(tolerations(old, &spec));
    let mut rest = spec.value.clone();
    keep_updatable(old, &mut rest);
    if rest != *old {
        errors.push(spec.forbidden(&format!(
            "pod updates may not change fields other than {UPDATABLE}\n{}",
            difference(old, &rest)
        )));
    }
    errors
}

/// May be set, and may become less.
fn deadline(old: &Value, spec: &At<'_>) -> Option<FieldError> {
    let new = spec.get("activeDeadlineSeconds");
    let old = &old["activeDeadlineSeconds"];
    if !new.is_set() {
        let detail = "must not update from a positive integer to nil value";
        return (!old.is_null()).then(|| new.invalid(detail));
    }
    new.within(0, i64::from(i32::MAX)).or_else(|| {
        let more = old.as_i64().is_some_and(|old| old < new.number());
        more.then(|| new.invalid("must be less than or equal to previous value"))
    })
}

/// May be added, and their seconds may change.
fn tolerations(old: &Value, spec: &At<'_>) -> Vec<FieldError> {
    let new = spec.get("tolerations");
    let bare = |it: &Value| {
        let mut it = it.clone();
        it.as_object_mut().map(|it| it.remove("tolerationSeconds"));
        it
    };
    let kept: Vec<Value> = new.list().iter().map(bare).collect();
    if At::root(old, "tolerations")
        .list()
        .iter()
        .any(|it| !kept.contains(&bare(it)))
    {
        return vec![
            new.forbidden("existing toleration can not be modified except its tolerationSeconds"),
        ];
    }
    scheduling::tolerations(&new)
}

/// Makes everything that may change what it was.
fn keep_updatable(old: &Value, new: &mut Value) {
    for list in ["containers", "initContainers"] {
        for (index, container) in containers(old, list).iter().enumerate() {
            new[list][index]["image"] = container["image"].clone();
        }
    }
    let fields = new.as_object_mut().expect("a spec is an object");
    let negative = |it: &Value| it.as_i64().is_some_and(|it| it < 0);
    let grace = "terminationGracePeriodSeconds";
    let forgiven = fields.get(grace) == Some(&1.into()) && negative(&old[grace]);
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"]
        .into_iter()
        .chain(forgiven.then_some(grace))
    {
        super::super::meta::keep(fields, old, field);
    }
}

/// The fields that differ, one a line.
fn difference(old: &Value, new: &Value) -> String {
    let mut fields: Vec<&String> = [old, new]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|it| it.keys())
        .collect();
    fields.sort();
    fields.dedup();
    let changed = fields.into_iter().filter(|it| old[*it] != new[*it]);
    let lines: Vec<String> = changed
        .map(|it| format!("- {it}: {}\n+ {it}: {}", old[it], new[it]))
        .collect();
    lines.join("\n")
}
