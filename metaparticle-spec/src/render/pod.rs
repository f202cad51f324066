//! The pod's template: the same for every workload but for what each adds.
//!
//! It passes PodSecurity *restricted* and says explicitly what the server would fill in for lists and atomic values,
//! so that applying it twice changes nothing.

use serde_json::{Value, json};

use super::{
    CONTAINER, USER,
    object::{Role, pod_labels},
    probe, sharding,
};
use crate::{AppSpec, Protocol, Quantity, sharding::GATE_PORT_NAME};

/// Old revisions that a controller keeps for a rollback.
pub(super) const REVISIONS: u32 = 3;

/// Seconds between the order to end and the signal: kube-proxy and gateways take the pod out of rotation meanwhile.
const DRAIN: u32 = 5;

/// Seconds until a pod that does not end is killed, the drain included. Elections and locks are handed over within 13 of
/// the 25 that are left after the drain.
const GRACE: u32 = 30;

/// The same for shards, after the time in which their slots drain: two seconds until one that hangs is taken from it, five
/// in which others learn that the pod is gone, and thirteen in which elections and locks are handed over.
const LEAVE: u32 = 20;

/// What is requested where nothing is said.
const CPU: &str = "50m";
const MEMORY: &str = "32Mi";

/// The template of the application's pods of a role.
pub(super) fn template(spec: &AppSpec, role: Role, image: &str) -> Value {
    let grace = spec
        .sharding()
        .map_or(GRACE, |sharding| sharding.drain.seconds() + LEAVE);
    json!({
        "metadata": { "labels": pod_labels(spec, role) },
        "spec": {
            "serviceAccountName": spec.name,
            "automountServiceAccountToken": spec.coordinates(),
            // The variables of other Services are noise, and slow down the start in large namespaces.
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": grace,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [container(spec, role, image)],
        },
    })
}

fn container(spec: &AppSpec, role: Role, image: &str) -> Value {
    let mut container = json!({
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": env(spec, role),
        "resources": resources(spec),
        // The status of a crashed pod then holds its last words.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    let ports = ports(spec, role);
    if !ports.is_empty() {
        container["ports"] = json!(ports);
        // Done by the kubelet: an image from scratch has no shell that could sleep. A gate needs it not: it hands over its
        // slots first, and goes on taking requests for as long.
        if spec.sharding().is_none() {
            container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": DRAIN } } });
        }
    }
    for (name, probe) in probe::probes(spec, role) {
        container[name] = probe;
    }
    container
}

/// What the pod listens on: the program's ports, but in a router, and the gate's.
fn ports(spec: &AppSpec, role: Role) -> Vec<Value> {
    let port = |name: &str, number: u16, protocol: String| json!({ "name": name, "containerPort": number, "protocol": protocol });
    let declared = spec.ports.iter().filter(|_| role != Role::Router);
    let mut ports: Vec<_> = declared
        .map(|it| port(it.name(), it.number.get(), it.protocol.to_string()))
        .collect();
    if sharding::has_gate(spec, role) {
        ports.push(port(
            GATE_PORT_NAME,
            spec.gate_port(),
            Protocol::Tcp.to_string(),
        ));
    }
    ports
}

/// Who the pod is, then what the user says.
fn env(spec: &AppSpec, role: Role) -> Vec<Value> {
    let field = |name: &str, path: &str| {
        json!({
            "name": name,
            "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } },
        })
    };
    let mut env = vec![
        json!({ "name": "METAPARTICLE_ROLE", "value": role.as_str() }),
        field("METAPARTICLE_POD_NAME", "metadata.name"),
        field("METAPARTICLE_POD_NAMESPACE", "metadata.namespace"),
        field("METAPARTICLE_POD_UID", "metadata.uid"),
    ];
    if let Some(sharding) = spec.sharding() {
        // Where the others of the application reach this one.
        env.push(field("METAPARTICLE_POD_IP", "status.podIP"));
        let settings = sharding::settings(spec, sharding, role).to_string();
        env.push(json!({ "name": "METAPARTICLE_SHARDING", "value": literal(&settings) }));
    }
    env.extend(spec.env.iter().map(|(name, value)| {
        // An empty value is what a variable without one has; the server drops it.
        if value.is_empty() {
            json!({ "name": name })
        } else {
            json!({ "name": name, "value": literal(value) })
        }
    }));
    env
}

/// Protects a value against the expansion of `$(VAR)` that Kubernetes does in `env` and `args`.
///
/// There `$$` stands for `$`, `$(` begins a reference, and releases that go by bytes garble a character beyond ASCII
/// after `$`; every other `$` is itself and stays readable.
/// <https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go>
pub(super) fn literal(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let mut rest = value.chars().peekable();
    while let Some(character) = rest.next() {
        escaped.push(character);
        let special = |next: &char| matches!(next, '$' | '(') || !next.is_ascii();
        if character == '$' && rest.peek().is_some_and(special) {
            escaped.push('$');
        }
    }
    escaped
}

fn resources(spec: &AppSpec) -> Value {
    let said = &spec.resources;
    let mut resources = json!({
        "requests": {
            "cpu": request(said.cpu.as_ref(), said.cpu_limit.as_ref(), CPU),
            "memory": request(said.memory.as_ref(), said.memory_limit.as_ref(), MEMORY),
        },
    });
    for (name, limit) in [("cpu", &said.cpu_limit), ("memory", &said.memory_limit)] {
        if let Some(limit) = limit {
            resources["limits"][name] = json!(limit.canonical());
        }
    }
    resources
}

/// The request, the default, or the limit if that is below the default.
fn request(said: Option<&Quantity>, limit: Option<&Quantity>, default: &str) -> String {
    let default = Quantity::parse(default).expect("the defaults are quantities");
    let unsaid = limit
        .filter(|limit| limit.billionths() < default.billionths())
        .unwrap_or(&default);
    said.unwrap_or(unsaid).canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Resources, sample};

    /// What Kubernetes makes of a value when no variable is known (`Expand`, byte by byte as there).
    fn expand(value: &str) -> String {
        let bytes = value.as_bytes();
        let mut out = String::new();
        let mut at = 0;
        while at < bytes.len() {
            match (bytes[at], bytes.get(at + 1)) {
                (b'$', Some(b'$')) => {
                    out.push('$');
                    at += 2;
                }
                (b'$', Some(b'(')) => {
                    let end = bytes[at..].iter().position(|b| *b == b')');
                    out.push_str(if end.is_some() { "<reference>" } else { "$(" });
                    at += end.map_or(2, |end| end + 1);
                }
                (b'$', Some(next)) => {
                    out.push('$');
                    out.push(char::from(*next)); // a byte taken for a character
                    at += 2;
                }
                _ => {
                    let next = value[at..].chars().next().unwrap();
                    out.push(next);
                    at += next.len_utf8();
                }
            }
            if !value.is_char_boundary(at) {
                return format!("{out}<garbled>");
            }
        }
        out
    }

    #[test]
    fn a_literal_survives_the_expansion_of_kubernetes() {
        for value in [
            "", "$", "$$", "$$$", "$(A)", "$$(A)", "$$$(A)", "$(A", "a$", "$A", "${A}", "$é",
            "$$é", "é$(é)$", "$ (A)", "$(A)$(B)", "100 %$", "$1", "$$1",
        ] {
            assert_eq!(
                expand(&literal(value)),
                value,
                "{value} as {}",
                literal(value)
            );
        }
    }

    #[test]
    fn a_dollar_without_meaning_stays_readable() {
        assert_eq!(literal("$HOME ${x} $"), "$HOME ${x} $");
        assert_eq!(literal("$(A)"), "$$(A)");
    }

    fn resources_of(said: [&str; 4]) -> Value {
        let [cpu, memory, cpu_limit, memory_limit] = said.map(|text| Quantity::parse(text).ok());
        let said = Resources {
            cpu,
            memory,
            cpu_limit,
            memory_limit,
        };
        resources(&AppSpec {
            resources: said,
            ..sample::app()
        })
    }

    #[test]
    fn a_request_unsaid_is_the_default_or_a_smaller_limit() {
        assert_eq!(
            resources_of(["", "", "", ""]),
            json!({ "requests": { "cpu": "50m", "memory": "32Mi" } })
        );
        assert_eq!(
            resources_of(["", "", "20m", "1Gi"]),
            json!({
                "requests": { "cpu": "20m", "memory": "32Mi" },
                "limits": { "cpu": "20m", "memory": "1Gi" },
            })
        );
    }

    #[test]
    fn quantities_are_sent_as_the_server_returns_them() {
        assert_eq!(
            resources_of(["0.5", "1024Mi", "1000m", "1.5Gi"]),
            json!({
                "requests": { "cpu": "500m", "memory": "1Gi" },
                "limits": { "cpu": "1", "memory": "1536Mi" },
            })
        );
    }
}
