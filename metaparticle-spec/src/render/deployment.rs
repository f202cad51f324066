//! Deployment: equal copies of a service, or the routers before its shards.

use serde_json::{Value, json};

use super::{
    object::{Role, name, object, selector},
    pod,
};
use crate::AppSpec;

/// Seconds without progress after which Kubernetes calls a rollout stuck; long enough for a node to be added.
const PROGRESS_DEADLINE: u32 = 180;

pub(super) fn deployment(spec: &AppSpec, role: Role, image: &str, replicas: u32) -> Value {
    let mut template = pod::template(spec, role, image);
    if replicas > 1 {
        // By node only: on a cluster whose nodes carry no zone, a constraint by zone makes the scheduler ignore both.
        template["spec"]["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector(spec, role) },
            // Counts the pods of the new revision only; else the old ones, soon gone, would unbalance it.
            "matchLabelKeys": ["pod-template-hash"],
        }]);
    }
    let body = json!({
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": pod::REVISIONS,
            "progressDeadlineSeconds": PROGRESS_DEADLINE,
            "selector": { "matchLabels": selector(spec, role) },
            // Never below the declared count; two waves: half of it more is what a cluster can be expected to spare.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "maxUnavailable": 0, "maxSurge": "50%" },
            },
            "template": template,
        },
    });
    object(spec, "apps/v1", "Deployment", &name(spec, role), body)
}
