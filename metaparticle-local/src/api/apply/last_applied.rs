//! What remains of `kubectl apply` without `--server-side`: its annotation. Fields that it says were applied are the
//! manager `kubectl`'s to take over, and it is kept up to date for a way back.

use serde_json::Value;

use super::{compare, fields, set::Set, walk};
use crate::api::{resource::Resource, schema::Shape};

/// The only manager for which this counts.
pub(super) const MANAGER: &str = "kubectl";

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The fields that the annotation names and that still have its values.
pub(super) fn own_fields(resource: &Resource, shape: &'static Shape, live: &Value) -> Set {
    let text = annotations(live).and_then(|it| it.get(ANNOTATION)?.as_str());
    let applied = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    match applied {
        Some(applied) if applied["apiVersion"] == resource.api_version().as_str() => {
            let found = compare::compare(shape, &applied, live);
            let own = fields::of(shape, &applied).difference(&found.modified);
            own.difference(&found.added).difference(&found.removed)
        }
        _ => Set::default(),
    }
}

/// Puts `config` into the annotation, if there is one.
pub(super) fn renew(object: &mut Value, config: &Value) {
    let present = annotations(object).and_then(|it| it.get(ANNOTATION)?.as_str());
    if present.is_none_or(str::is_empty) {
        return;
    }
    let mut config = config.clone();
    let of_config = config.pointer_mut("/metadata/annotations");
    if let Some(annotations) = of_config.and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    object["metadata"]["annotations"][ANNOTATION] = format!("{config}\n").into();
}

fn annotations(object: &Value) -> Option<&serde_json::Map<String, Value>> {
    let annotations = walk::fields(object.pointer("/metadata/annotations"));
    (!annotations.is_empty()).then_some(annotations)
}
