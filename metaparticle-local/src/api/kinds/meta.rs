//! `metadata`: what every object must keep to, when it is created and when it is changed.

use serde_json::{Map, Value};

use super::{
    at::At,
    labels,
    names::{self, Rule},
};
use crate::api::{failure::FieldError, resource::Resource};

/// Removes what only the server sets when it deletes, and a namespace where there is none.
pub(super) fn prepare_create(resource: &Resource, object: &mut Value) {
    let meta = of(object);
    if !resource.namespaced {
        meta.remove("namespace");
    }
    meta.remove("deletionTimestamp");
    meta.remove("deletionGracePeriodSeconds");
    meta.remove("selfLink");
    own_once(meta);
}

/// An owner that is named twice is one.
fn own_once(meta: &mut Map<String, Value>) {
    if let Some(owners) = meta
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
    {
        let mut seen: Vec<Value> = Vec::new();
        owners.retain(|owner| {
            let fresh = !seen.contains(owner);
            seen.push(owner.clone());
            fresh
        });
    }
}

/// Keeps what a client cannot change, silently, and adds the uid if the client leaves it out.
pub(super) fn prepare_update(resource: &Resource, old: &Value, new: &mut Value) {
    let old = &old["metadata"];
    let meta = of(new);
    if !resource.namespaced {
        meta.remove("namespace");
    }
    own_once(meta);
    keep(meta, old, "generation");
    if meta.get("uid").is_none_or(|it| it == "") {
        keep(meta, old, "uid");
    }
    for field in ["creationTimestamp", "deletionTimestamp"] {
        if !old[field].is_null() {
            keep(meta, old, field);
        }
    }
    if meta.get("deletionGracePeriodSeconds").is_none() {
        keep(meta, old, "deletionGracePeriodSeconds");
    }
}

/// Sets `generation`.
pub(super) fn set_generation(object: &mut Value, generation: i64) {
    of(object).insert("generation".to_owned(), generation.into());
}

/// Sets a field to what it is in `old`; absent there, absent here.
pub(super) fn keep(object: &mut Map<String, Value>, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => object.insert(field.to_owned(), value.clone()),
        None => object.remove(field),
    };
}

/// `metadata` of an object, made if it is not there.
pub(super) fn of(object: &mut Value) -> &mut Map<String, Value> {
    super::edit::object(object, "metadata")
}

/// The rules for a new object whose name keeps to `rule`.
pub(super) fn validate(resource: &Resource, object: &Value, rule: Rule) -> Vec<FieldError> {
    let meta = At::root(object, "metadata");
    let mut errors = Vec::new();
    let generate = meta.get("generateName");
    if !generate.is_empty() {
        errors.extend(generate.all_invalid(rule(&masked(generate.text()))));
    }
    let name = meta.get("name");
    if name.is_empty() {
        errors.push(name.required("name or generateName is required"));
    } else {
        errors.extend(name.all_invalid(rule(name.text())));
    }
    let namespace = meta.get("namespace");
    if !resource.namespaced && !namespace.is_empty() {
        errors.push(namespace.forbidden("not allowed on this type"));
    } else if resource.namespaced && namespace.is_empty() {
        errors.push(namespace.required(""));
    } else if resource.namespaced {
        errors.extend(namespace.all_invalid(names::dns_label(namespace.text())));
    }
    errors.extend(meta.get("generation").not_negative());
    errors.extend(labels::validate(&meta.get("labels")));
    errors.extend(labels::validate_annotations(&meta.get("annotations")));
    errors.extend(owners(&meta.get("ownerReferences")));
    errors.extend(finalizers(&meta.get("finalizers")));
    errors.extend(managed_fields(&meta.get("managedFields")));
    errors
}

/// The rules for a changed object.
pub(super) fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let old = At::root(old, "metadata");
    let new = At::root(new, "metadata");
    let mut errors = Vec::new();
    if old.get("deletionTimestamp").is_set() {
        errors.extend(no_new_finalizers(
            &old.get("finalizers"),
            &new.get("finalizers"),
        ));
    }
    if new.get("resourceVersion").is_empty() {
        errors.push(FieldError::invalid(
            "metadata.resourceVersion",
            &"".into(),
            "must be specified for an update",
        ));
    }
    let generation = new.get("generation");
    if generation.number() < old.get("generation").number() {
        errors.push(generation.invalid("must not be decremented"));
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        errors.extend(new.get(field).same_as(&old.get(field)));
    }
    errors.extend(labels::validate(&new.get("labels")));
    errors.extend(labels::validate_annotations(&new.get("annotations")));
    errors.extend(owners(&new.get("ownerReferences")));
    errors.extend(managed_fields(&new.get("managedFields")));
    errors
}

/// A name that ends in a dash has its end still to come.
fn masked(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            // As the real server does: it drops one character too many.
            let mut rest = rest.to_owned();
            rest.pop();
            rest.push('a');
            rest
        }
        _ => prefix.to_owned(),
    }
}

fn owners(owners: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut controller: Option<String> = None;
    for owner in owners.items() {
        // The paths have no index in the real server either.
        let owner = At::new(owner.value, &owners.path);
        let version = owner.get("apiVersion");
        if version.text().rsplit('/').next().is_none_or(str::is_empty) {
            errors.push(FieldError::invalid(
                version.path,
                &version.value.as_str().unwrap_or_default().into(),
                "version must not be empty",
            ));
        }
        for field in ["kind", "name", "uid"] {
            let at = owner.get(field);
            if at.is_empty() {
                errors.push(FieldError::invalid(
                    at.path,
                    &"".into(),
                    "must not be empty",
                ));
            }
        }
        if (version_of(&owner), owner.get("kind").text()) == ("v1", "Event") {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::invalid(&owners.path, owner.value, detail));
        }
        if owner.get("controller").is_true() {
            let this = format!("{}/{}", owner.get("kind").text(), owner.get("name").text());
            match &controller {
                Some(first) => errors.push(FieldError {
                    reason: "FieldValueInvalid",
                    field: owners.path.clone(),
                    message: format!(
                        "Invalid value: {}: Only one reference can have Controller set to true. Found \"true\" in \
                         references for {first} and {this}",
                        printed(owners)
                    ),
                }),
                None => controller = Some(this),
            }
        }
    }
    errors
}

/// Owners with their fields in the order in which the real server has them.
fn printed(owners: &At<'_>) -> String {
    let order = [
        "apiVersion",
        "kind",
        "name",
        "uid",
        "controller",
        "blockOwnerDeletion",
    ];
    let one = |owner: At<'_>| {
        let fields = order
            .iter()
            .filter_map(|field| Some((field, owner.value.get(field)?)));
        let fields: Vec<String> = fields
            .map(|(field, value)| format!("\"{field}\":{value}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    };
    let all: Vec<String> = owners.items().map(one).collect();
    format!("[{}]", all.join(","))
}

fn version_of<'a>(owner: &At<'a>) -> &'a str {
    owner.get("apiVersion").text()
}

fn finalizers(finalizers: &At<'_>) -> Vec<FieldError> {
    let wrong = |it: &Value| {
        let messages = names::qualified(it.as_str().unwrap_or_default());
        At::new(it, &finalizers.path).all_invalid(messages)
    };
    let mut errors: Vec<FieldError> = finalizers.list().iter().flat_map(wrong).collect();
    let has = |name: &str| finalizers.list().iter().any(|it| it == name);
    if has("foregroundDeletion") && has("orphan") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(finalizers.invalid(detail));
    }
    errors
}

/// Finalizers without a domain are those that Kubernetes has.
pub(super) fn validate_known_finalizers(object: &Value) -> Vec<FieldError> {
    let finalizers = At::root(object, "metadata").get("finalizers");
    finalizers
        .items()
        .filter_map(|it| unknown_finalizer(&it))
        .collect()
}

/// What is wrong with a finalizer that has no domain.
pub(super) fn unknown_finalizer(name: &At<'_>) -> Option<FieldError> {
    let known = ["kubernetes", "orphan", "foregroundDeletion"].contains(&name.text());
    let detail = "name is neither a standard finalizer name nor is it fully qualified";
    (!known && !name.text().contains('/')).then(|| name.invalid(detail))
}

fn no_new_finalizers(old: &At<'_>, new: &At<'_>) -> Option<FieldError> {
    let fresh = |it: &&Value| !old.list().contains(it);
    let mut fresh: Vec<String> = new
        .list()
        .iter()
        .filter(fresh)
        .map(Value::to_string)
        .collect();
    fresh.sort();
    fresh.dedup();
    (!fresh.is_empty()).then(|| {
        new.forbidden(&format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            fresh.join(", ")
        ))
    })
}

fn managed_fields(entries: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for entry in entries.items() {
        let operation = entry.get("operation");
        if !["Apply", "Update"].contains(&operation.text()) {
            let value = operation.text().into();
            let detail = "must be `Apply` or `Update`";
            errors.push(FieldError::invalid(operation.path, &value, detail));
        }
        let kind = entry.get("fieldsType");
        if !kind.is_empty() && kind.text() != "FieldsV1" {
            errors.push(kind.invalid("must be `FieldsV1`"));
        }
        let manager = entry.get("manager");
        if manager.text().len() > 128 {
            errors.push(FieldError::too_long(manager.path, 128));
        }
    }
    errors
}
