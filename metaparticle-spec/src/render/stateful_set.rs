//! StatefulSet: one pod a shard, each with a name of its own.

use serde_json::{Value, json};

use super::{
    object::{Role, object, selector},
    pod,
    service::headless_name,
};
use crate::AppSpec;

pub(super) fn stateful_set(spec: &AppSpec, image: &str, shards: u32) -> Value {
    let mut template = pod::template(spec, Role::Shard, image);
    if shards > 1 {
        // A pod is replaced in place, so all revisions count together.
        template["spec"]["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector(spec, Role::Shard) },
        }]);
    }
    let body = json!({
        "spec": {
            "replicas": shards,
            "revisionHistoryLimit": pod::REVISIONS,
            "serviceName": headless_name(spec),
            // Shards do not build on each other: all start at once, and a broken one does not hold back the rest.
            "podManagementPolicy": "Parallel",
            "updateStrategy": { "type": "RollingUpdate" },
            "selector": { "matchLabels": selector(spec, Role::Shard) },
            "template": template,
        },
    });
    object(spec, "apps/v1", "StatefulSet", spec.name.as_str(), body)
}
