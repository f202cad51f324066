//! Role and RoleBinding of a program that coordinates: the smallest set of rights with which elections, locks and
//! shards work.

use serde_json::{Value, json};

use super::object::object;
use crate::{AppSpec, Workload};

/// `create`, `list` and `watch` cannot be narrowed to names or labels by RBAC, and names of locks are the program's own:
/// within its namespace the program reaches every Lease.
///
/// No `patch`: every write says which version it replaces.
const VERBS: [&str; 6] = ["create", "delete", "get", "list", "update", "watch"];

pub(super) fn role(spec: &AppSpec) -> Value {
    let mut rules = vec![
        json!({
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": VERBS,
        }),
        // The kubelet's report that a leader's container has ended, which spares the others the wait (rule P1).
        json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "watch"] }),
        // What happened, for `kubectl describe lease`; nothing depends on it.
        json!({ "apiGroups": [""], "resources": ["events"], "verbs": ["create"] }),
    ];
    if let Workload::Sharded(..) = spec.workload {
        // The shard map is a ConfigMap.
        rules.push(json!({ "apiGroups": [""], "resources": ["configmaps"], "verbs": VERBS }));
    }
    object(
        spec,
        "rbac.authorization.k8s.io/v1",
        "Role",
        spec.name.as_str(),
        json!({ "rules": rules }),
    )
}

pub(super) fn role_binding(spec: &AppSpec) -> Value {
    let body = json!({
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": spec.name,
        },
        // Without a namespace: the account in the binding's own, wherever that is deployed.
        "subjects": [{ "kind": "ServiceAccount", "name": spec.name }],
    });
    object(
        spec,
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        spec.name.as_str(),
        body,
    )
}
