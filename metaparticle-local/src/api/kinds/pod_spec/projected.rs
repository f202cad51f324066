//! Volumes that show a pod its own fields, and volumes of several sources.

use std::collections::BTreeSet;

use super::{super::at::At, env, volume};
use crate::api::failure::FieldError;

/// What a file may show of the pod.
const FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];

/// `downwardAPI`.
pub(super) fn downward_api(source: &At<'_>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = volume::mode(&source.get("defaultMode"))
        .into_iter()
        .collect();
    errors.extend(items(source));
    errors
}

fn items(source: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for item in source.get("items").items() {
        // The paths have no `items` in them in the real server either.
        let item = At::new(item.value, &source.path);
        let path = item.get("path");
        if path.is_empty() {
            errors.push(path.required(""));
        }
        errors.extend(volume::below(&path));
        let (field, resource) = (item.get("fieldRef"), item.get("resourceFieldRef"));
        if field.is_set() {
            errors.extend(env::field(&field, &FIELDS));
            if resource.is_set() {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(&item.path, &"resource".into(), detail));
            }
        } else if resource.is_set() {
            let container = resource.get("containerName");
            errors.extend(container.is_empty().then(|| container.required("")));
            errors.extend(env::resource(&resource));
        } else {
            errors.push(item.required("one of fieldRef and resourceFieldRef is required"));
        }
        errors.extend(volume::mode(&item.get("mode")));
    }
    errors
}

/// `projected`.
pub(super) fn validate(projected: &At<'_>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = volume::mode(&projected.get("defaultMode"))
        .into_iter()
        .collect();
    let mut paths = BTreeSet::new();
    for source in projected.get("sources").items() {
        for kind in ["secret", "configMap"] {
            let at = source.get(kind);
            if !at.is_set() {
                continue;
            }
            errors.extend(volume::files(&at, "name"));
            let name = at.get("name").text();
            for item in at.get("items").items() {
                errors.extend(taken(projected, &mut paths, item.get("path").text(), name));
            }
        }
        let own = source.get("downwardAPI");
        errors.extend(items(&own));
        for item in own.get("items").items() {
            let path = item.get("path").text();
            errors.extend(taken(projected, &mut paths, path, path));
        }
        let token = source.get("serviceAccountToken");
        if token.is_set() {
            errors.extend(lifetime(&token.get("expirationSeconds")));
            let text = token.get("path");
            // The path is not that of the source in the real server either.
            let path = At::new(text.value, format!("{}.path", projected.path));
            errors.extend(path.is_empty().then(|| path.required("")));
            errors.extend(volume::below(&path));
            errors.extend(taken(projected, &mut paths, path.text(), path.text()));
        }
    }
    errors
}

fn lifetime(seconds: &At<'_>) -> Option<FieldError> {
    let detail = match seconds.number() {
        ..600 => "may not specify a duration less than 10 minutes",
        4_294_967_297.. => "may not specify a duration larger than 2^32 seconds",
        _ => return None,
    };
    Some(seconds.invalid(detail))
}

/// A file is there once.
fn taken<'a>(
    projected: &At<'_>,
    paths: &mut BTreeSet<&'a str>,
    path: &'a str,
    shown: &str,
) -> Option<FieldError> {
    let fresh = path.is_empty() || paths.insert(path);
    let detail = "conflicting duplicate paths";
    (!fresh).then(|| FieldError::invalid(&projected.path, &shown.into(), detail))
}
