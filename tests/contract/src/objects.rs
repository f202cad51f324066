//! Objects to send, as small as the API allows.

use serde_json::{Value, json};

/// A ConfigMap with `k: v`.
#[must_use]
pub fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

/// A Secret with `k: v`.
#[must_use]
pub fn secret(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"k": "dg=="}})
}

/// A Lease without a holder.
#[must_use]
pub fn lease(name: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        "spec": {"leaseDurationSeconds": 10},
    })
}

/// A Lease with labels.
#[must_use]
pub fn labelled(name: &str, labels: &Value) -> Value {
    let mut lease = lease(name);
    lease["metadata"]["labels"] = labels.clone();
    lease
}

/// A Service without a selector and without an address.
#[must_use]
pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]},
    })
}

/// A Deployment that controllers leave alone: paused, without replicas.
#[must_use]
pub fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": 0, "paused": true,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    })
}

/// A Pod that no scheduler looks at.
#[must_use]
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "schedulerName": "nobody", "automountServiceAccountToken": false,
            "containers": [{"name": "app", "image": "app:1"}],
        },
    })
}

/// A `CronJob` that never runs.
#[must_use]
pub fn cron_job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {
            "schedule": "0 0 * * *", "suspend": true,
            "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}],
            }}}},
        },
    })
}

/// With a label, an annotation, a finalizer or anything else at a JSON pointer below the object.
#[must_use]
pub fn with(mut object: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let mut at = &mut object;
    for part in pointer.trim_start_matches('/').split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        at = match part.parse::<usize>() {
            Ok(index) if at.is_array() => &mut at[index],
            _ => &mut at[part],
        };
    }
    *at = value.into();
    object
}

/// The text of a JSON string; empty for anything else.
#[must_use]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The resourceVersion of an object or a list, as the number that it is.
#[must_use]
pub fn version(object: &Value) -> u64 {
    let version = text(&object["metadata"]["resourceVersion"]);
    version.parse().expect("a resourceVersion is a number")
}
