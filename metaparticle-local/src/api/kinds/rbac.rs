//! Role and RoleBinding. They are stored and served, not acted on.

use serde_json::{Value, json};

use super::{Rules, at::At, edit, names};
use crate::api::failure::FieldError;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) const ROLE: Rules = Rules {
    name: names::path_segment,
    default: |object| edit::absent(object, "rules", Value::Null),
    validate: validate_role,
    renamed: true,
    ..Rules::PLAIN
};

pub(super) const ROLE_BINDING: Rules = Rules {
    name: names::path_segment,
    default: |object| {
        edit::empty(edit::slot(object, "roleRef"), "apiGroup", GROUP);
        for subject in edit::items(object, "subjects") {
            if ["User", "Group"]
                .map(Value::from)
                .contains(&subject["kind"])
            {
                edit::empty(subject, "apiGroup", GROUP);
            }
        }
    },
    validate: validate_binding,
    validate_update: |old, new| {
        let role = &new["roleRef"];
        // The fields are named as the real server prints them.
        let error = || {
            let printed = json!({
                "APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"],
            });
            FieldError::invalid("roleRef", &printed, "cannot change roleRef")
        };
        (old["roleRef"] != *role).then(error).into_iter().collect()
    },
    renamed: true,
    ..Rules::PLAIN
};

fn validate_role(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for rule in At::root(object, "rules").items() {
        for (field, missing) in [
            ("verbs", "verbs must contain at least one value"),
            (
                "apiGroups",
                "resource rules must supply at least one api group",
            ),
            (
                "resources",
                "resource rules must supply at least one resource",
            ),
        ] {
            let at = rule.get(field);
            errors.extend(at.is_empty().then(|| at.required(missing)));
        }
    }
    errors
}

fn validate_binding(object: &Value) -> Vec<FieldError> {
    let role = At::root(object, "roleRef");
    let mut errors = Vec::new();
    let group = role.get("apiGroup");
    if group.text() != GROUP {
        errors.push(FieldError::not_supported(
            &group.path,
            group.value,
            &[GROUP],
        ));
    }
    let kind = role.get("kind");
    if !["Role", "ClusterRole"].contains(&kind.text()) {
        let value = kind.text().into();
        errors.push(FieldError::not_supported(
            &kind.path,
            &value,
            &["Role", "ClusterRole"],
        ));
    }
    let name = role.get("name");
    if name.is_empty() {
        errors.push(name.required(""));
    }
    for subject in At::root(object, "subjects").items() {
        errors.extend(validate_subject(&subject));
    }
    errors
}

fn validate_subject(subject: &At<'_>) -> Vec<FieldError> {
    let (name, kind, group) = (
        subject.get("name"),
        subject.get("kind"),
        subject.get("apiGroup"),
    );
    let mut errors = Vec::new();
    let in_group = |expected: &'static str| {
        let wrong = group.text() != expected;
        let value = group.text().into();
        wrong.then(|| FieldError::not_supported(&group.path, &value, &[expected]))
    };
    if name.is_empty() {
        errors.push(name.required(""));
    }
    match kind.text() {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.extend(name.all_invalid(names::dns_subdomain(name.text())));
            }
            errors.extend(in_group(""));
        }
        "User" | "Group" => errors.extend(in_group(GROUP)),
        other => errors.push(FieldError::not_supported(
            &kind.path,
            &other.into(),
            &["ServiceAccount", "User", "Group"],
        )),
    }
    errors
}
