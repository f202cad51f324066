//! Probes: the kubelet's questions to the program.

use serde_json::{Value, json};

use super::{
    object::Role,
    sharding::{READY_PATH, has_gate},
};
use crate::{AppSpec, Port, Probe, Protocol, sharding::GATE_PORT_NAME};

/// How often, how long and how many times it is asked.
#[derive(Clone, Copy)]
struct Pace {
    /// Seconds from one question to the next.
    period: u32,
    /// Seconds in which the answer must come.
    timeout: u32,
    /// Failures in a row that count.
    failures: u32,
}

/// Short: it is the time that a rollout waits for each pod.
const READINESS: Pace = Pace {
    period: 1,
    timeout: 2,
    failures: 3,
};

/// Shorter: clients of a gate that hangs fail for as long, 3 s at most. That a port accepts says nothing of a process that is
/// frozen, so the gate is asked over HTTP.
const GATE: Pace = Pace {
    period: 1,
    timeout: 1,
    failures: 2,
};

/// Long: a restart is the last resort, and a busy program may be slow.
const LIVENESS: Pace = Pace {
    period: 10,
    timeout: 5,
    failures: 3,
};

/// Two minutes to start.
const STARTUP: Pace = Pace {
    period: 1,
    timeout: 2,
    failures: 120,
};

/// The probes of the container, by their field. A service that says nothing is ready when its TCP port accepts.
pub(super) fn probes(spec: &AppSpec, role: Role) -> Vec<(&'static str, Value)> {
    let http = |path: &str, port: &str| json!({ "httpGet": { "path": path, "port": port, "scheme": "HTTP" } });
    let gate = has_gate(spec, role).then(|| (http(READY_PATH, GATE_PORT_NAME), GATE));
    // Routers do not listen where the program does.
    let port = port(spec).filter(|_| role != Role::Router);
    let asked = |path: &Option<Probe>, pace| {
        let (path, port) = (path.as_ref()?, port?);
        Some((http(&path.to_string(), port.name()), pace))
    };
    let connect = || Some((json!({ "tcpSocket": { "port": port?.name() } }), READINESS));
    let said = &spec.probes;
    [
        (
            "readinessProbe",
            gate.or_else(|| asked(&said.readiness, READINESS))
                .or_else(connect),
        ),
        ("livenessProbe", asked(&said.liveness, LIVENESS)),
        ("startupProbe", asked(&said.startup, STARTUP)),
    ]
    .into_iter()
    .filter_map(|(field, probe)| {
        let (mut probe, pace) = probe?;
        probe["periodSeconds"] = json!(pace.period);
        probe["timeoutSeconds"] = json!(pace.timeout);
        probe["failureThreshold"] = json!(pace.failures);
        Some((field, probe))
    })
    .collect()
}

/// The port that is asked.
fn port(spec: &AppSpec) -> Option<&Port> {
    let mut tcp = spec
        .ports
        .iter()
        .filter(|port| port.protocol == Protocol::Tcp);
    match spec.probes.port {
        Some(number) => tcp.find(|port| port.number == number),
        None => tcp.next(),
    }
}
