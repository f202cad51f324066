//! What the pods of a sharded application are told, and who may reach them.

use serde_json::{Value, json};

use super::object::{Role, object, selector};
use crate::{AppSpec, Gate, Protocol, Sharding};

/// The path on which a gate says whether it is ready.
pub const READY_PATH: &str = "/.metaparticle/ready";

/// Whether pods of that role have a gate with a port of its own.
pub(super) fn has_gate(spec: &AppSpec, role: Role) -> bool {
    spec.sharding()
        .is_some_and(|sharding| role == Role::Router || sharding.gate == Gate::Pod)
}

/// What the entry of the program reads in `METAPARTICLE_SHARDING`: the name of the map, how many slots it has if it is
/// not there yet, the key, the ports of gate and program, and the time to drain in seconds. Without a port of the
/// program, none is to be started before it.
pub(super) fn settings(spec: &AppSpec, sharding: &Sharding, role: Role) -> Value {
    let program = spec.first_tcp_port().map(|port| port.number.get());
    let (gate, program) = if has_gate(spec, role) {
        (
            Some(spec.gate_port()),
            program.filter(|_| role == Role::Shard),
        )
    } else {
        (program, None)
    };
    json!({
        "map": spec.name,
        "slots": sharding.slots,
        "key": sharding.key,
        "unmatched": sharding.unmatched,
        "gate": gate,
        "app": program,
        "drain": sharding.drain,
    })
}

/// Closes the port behind the gate to everybody else, where a network plugin goes by it. Ports beside it stay open, and
/// so does everything to the kubelet.
pub(super) fn network_policy(spec: &AppSpec) -> Value {
    let behind = spec.first_tcp_port();
    let beside = spec.ports.iter().filter(|port| Some(*port) != behind);
    let mut ports =
        vec![json!({ "port": spec.gate_port(), "protocol": Protocol::Tcp.to_string() })];
    ports.extend(
        beside.map(|port| json!({ "port": port.number, "protocol": port.protocol.to_string() })),
    );
    let body = json!({
        "spec": {
            "podSelector": { "matchLabels": selector(spec, Role::Shard) },
            "policyTypes": ["Ingress"],
            "ingress": [{ "ports": ports }],
        },
    });
    object(
        spec,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec.name.as_str(),
        body,
    )
}
