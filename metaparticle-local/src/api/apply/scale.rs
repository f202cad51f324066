//! Who owns the number of replicas: owners of fields of a workload as those of its `/scale`, and back.
//!
//! As the real server's `ScaleHandler` does it: a Scale has owners of `spec.replicas` only, and none of them is the one
//! of the same name that updates the workload itself.

use serde_json::Value;

use super::{
    managers::{Entry, Identity, Managers},
    set::{self, Set},
};
use crate::api::resource::{Resource, SCALE};

/// Gives a Scale the owners of `spec.replicas` of its workload.
pub fn own_scale(resource: &Resource, workload: &Value, scale: &mut Value) {
    let mut owners = Managers::default();
    let version = resource.api_version();
    for entry in Managers::read(workload).unwrap_or_default().iter() {
        if entry.api_version == version && has_replicas(entry) {
            owners.put(with_replicas(entry, &SCALE));
        }
    }
    owners.write(scale);
}

/// Gives a workload the owners of `spec.replicas` that its Scale has now.
pub fn own_workload(resource: &Resource, workload: &mut Value, scale: &Value) {
    let mut left = Managers::read(scale).unwrap_or_default();
    let mut owners = Managers::default();
    let version = resource.api_version();
    for entry in Managers::read(workload).unwrap_or_default().iter() {
        if entry.api_version != version {
            continue;
        }
        let mut entry = entry.clone();
        if has_replicas(&entry) && left.take(&entry.who).is_none() {
            entry.fields = entry.fields.difference(&replicas());
        }
        owners.put(entry);
    }
    for entry in left.iter().filter(|it| has_replicas(it)) {
        owners.push(with_replicas(entry, resource));
    }
    owners.drop_empty();
    owners.write(workload);
}

fn replicas() -> Set {
    let mut set = Set::default();
    set.insert(&[set::field("spec"), set::field("replicas")]);
    set
}

fn has_replicas(entry: &Entry) -> bool {
    let spec = entry.fields.below(&set::field("spec"));
    spec.is_some_and(|it| it.has(&set::field("replicas")))
}

/// The same owner of nothing but the replicas, of an object of that kind.
fn with_replicas(entry: &Entry, resource: &Resource) -> Entry {
    let (who, version) = (&entry.who, resource.api_version());
    Entry {
        who: Identity::new(&who.manager, who.applies, &version, &who.subresource),
        api_version: version,
        time: entry.time.clone(),
        fields: replicas(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::resource::DEPLOYMENT;

    fn entry(manager: &str, operation: &str, version: &str, fields: &Value) -> Value {
        json!({
            "manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        })
    }

    #[test]
    fn an_owner_of_the_replicas_keeps_what_else_it_owns() {
        let both = json!({"f:spec": {"f:paused": {}, "f:replicas": {}}});
        let (rest, one) = (
            json!({"f:spec": {"f:paused": {}}}),
            json!({"f:spec": {"f:replicas": {}}}),
        );
        let owners = json!([
            entry("a", "Apply", "apps/v1", &both),
            entry("b", "Update", "apps/v1", &both),
            entry("c", "Update", "apps/v1", &rest),
        ]);
        let mut workload = json!({"metadata": {"managedFields": owners}});
        let mut scale = json!({"metadata": {}});
        own_scale(&DEPLOYMENT, &workload, &mut scale);
        let (a, b) = (
            entry("a", "Apply", "autoscaling/v1", &one),
            entry("b", "Update", "autoscaling/v1", &one),
        );
        assert_eq!(scale["metadata"]["managedFields"], json!([a, b]));
        scale["metadata"]["managedFields"] = json!([a]);
        own_workload(&DEPLOYMENT, &mut workload, &scale);
        let left = json!([
            entry("a", "Apply", "apps/v1", &both),
            entry("b", "Update", "apps/v1", &rest),
            entry("c", "Update", "apps/v1", &rest),
        ]);
        assert_eq!(workload["metadata"]["managedFields"], left);
    }
}
