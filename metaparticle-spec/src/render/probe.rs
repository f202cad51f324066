//! Probes: the kubelet's questions to the program.

use serde_json::{Value, json};

use crate::{AppSpec, Port, Probe, Protocol};

/// How often, how long and how many times it is asked.
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
pub(super) fn probes(spec: &AppSpec) -> Vec<(&'static str, Value)> {
    let Some(port) = port(spec) else {
        return Vec::new();
    };
    let said = &spec.probes;
    let http = |path: &Probe| json!({ "httpGet": { "path": path, "port": port.name(), "scheme": "HTTP" } });
    let connect = || json!({ "tcpSocket": { "port": port.name() } });
    [
        (
            "readinessProbe",
            Some(said.readiness.as_ref().map_or_else(connect, http)),
            READINESS,
        ),
        ("livenessProbe", said.liveness.as_ref().map(http), LIVENESS),
        ("startupProbe", said.startup.as_ref().map(http), STARTUP),
    ]
    .into_iter()
    .filter_map(|(field, probe, pace)| {
        let mut probe = probe?;
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
