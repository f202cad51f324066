//! Service: one address for all pods; for shards also a headless one that names each.

use serde_json::{Value, json};

use super::{
    object::{Role, object, selector},
    sharding::has_gate,
};
use crate::{AppSpec, Port, sharding::GATE_PORT_NAME};

/// The Service through which clients reach the program.
pub(super) fn service(spec: &AppSpec) -> Value {
    let kind = if spec.public {
        "LoadBalancer"
    } else {
        "ClusterIP"
    };
    let role = role(spec);
    let body = json!({
        "spec": { "type": kind, "selector": selector(spec, role), "ports": ports(spec, role) },
    });
    object(spec, "v1", "Service", spec.name.as_str(), body)
}

/// Whose pods the Service is for.
fn role(spec: &AppSpec) -> Role {
    match spec.sharding() {
        Some(sharding) if sharding.router.is_some() => Role::Router,
        _ => Role::of(spec),
    }
}

/// The pods to which the Service sends connections, as a selector of labels.
#[must_use]
pub fn service_selector(spec: &AppSpec) -> String {
    let selector = selector(spec, role(spec));
    let labels = selector.as_object().into_iter().flatten();
    let labels: Vec<_> = labels
        .filter_map(|(label, value)| Some(format!("{label}={}", value.as_str()?)))
        .collect();
    labels.join(",")
}

/// The ports of the Service, each with the one of its pods to which it sends connections.
#[must_use]
pub fn service_ports(spec: &AppSpec) -> Vec<(&Port, u16)> {
    let has_gate = has_gate(spec, role(spec));
    let target = |port: &Port| {
        if has_gate {
            spec.gate_port()
        } else {
            port.number.get()
        }
    };
    let ports = spec.service_ports().into_iter();
    ports.map(|port| (port, target(port))).collect()
}

/// The headless Service that gives each shard a DNS name, before it is ready too: shards find each other while they
/// start.
pub(super) fn headless(spec: &AppSpec) -> Value {
    let body = json!({
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": selector(spec, Role::Shard),
            "ports": ports(spec, Role::Shard),
        },
    });
    object(spec, "v1", "Service", &headless_name(spec), body)
}

pub(super) fn headless_name(spec: &AppSpec) -> String {
    format!("{}-shards", spec.name)
}

/// Before shards, the gate stands for the program's port; what else the program listens on is each pod's own.
fn ports(spec: &AppSpec, role: Role) -> Vec<Value> {
    let has_gate = has_gate(spec, role);
    let port = |port: &Port| {
        json!({
            "name": port.name(),
            "port": port.number,
            "targetPort": if has_gate { GATE_PORT_NAME } else { port.name() },
            "protocol": port.protocol.to_string(),
        })
    };
    spec.service_ports().into_iter().map(port).collect()
}
