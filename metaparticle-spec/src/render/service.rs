//! Service: one address for all pods; for shards also a headless one that names each.

use serde_json::{Value, json};

use super::object::{object, selector};
use crate::AppSpec;

/// The Service through which clients reach the program.
pub(super) fn service(spec: &AppSpec) -> Value {
    let kind = if spec.public {
        "LoadBalancer"
    } else {
        "ClusterIP"
    };
    let body =
        json!({ "spec": { "type": kind, "selector": selector(spec), "ports": ports(spec) } });
    object(spec, "v1", "Service", spec.name.as_str(), body)
}

/// The headless Service that gives each shard a DNS name, before it is ready too: shards find each other while they
/// start.
pub(super) fn headless(spec: &AppSpec) -> Value {
    let body = json!({
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": selector(spec),
            "ports": ports(spec),
        },
    });
    object(spec, "v1", "Service", &headless_name(spec), body)
}

pub(super) fn headless_name(spec: &AppSpec) -> String {
    format!("{}-shards", spec.name)
}

fn ports(spec: &AppSpec) -> Vec<Value> {
    let port = |port: &crate::Port| {
        json!({
            "name": port.name(),
            "port": port.number,
            "targetPort": port.name(),
            "protocol": port.protocol.to_string(),
        })
    };
    spec.ports.iter().map(port).collect()
}
