//! The pod's template: the same for every workload but for what each adds.
//!
//! It passes PodSecurity *restricted* and says explicitly what the server would fill in for lists and atomic values,
//! so that applying it twice changes nothing.

use serde_json::{Value, json};

use super::{CONTAINER, USER, object::labels, probe};
use crate::{AppSpec, Quantity, Workload};

/// Old revisions that a controller keeps for a rollback.
pub(super) const REVISIONS: u32 = 3;

/// Seconds between the order to end and the signal: kube-proxy and gateways take the pod out of rotation meanwhile.
const DRAIN: u32 = 5;

/// Seconds until a pod that does not end is killed, the drain included. Elections and locks are handed over within 13 of
/// the 25 that are left after the drain.
const GRACE: u32 = 30;

/// What is requested where nothing is said.
const CPU: &str = "50m";
const MEMORY: &str = "32Mi";

/// The template of the application's pods.
pub(super) fn template(spec: &AppSpec, image: &str) -> Value {
    json!({
        "metadata": { "labels": labels(spec) },
        "spec": {
            "serviceAccountName": spec.name,
            "automountServiceAccountToken": spec.coordinates(),
            // The variables of other Services are noise, and slow down the start in large namespaces.
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": GRACE,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [container(spec, image)],
        },
    })
}

fn container(spec: &AppSpec, image: &str) -> Value {
    let mut container = json!({
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": env(spec),
        "resources": resources(spec),
        // The status of a crashed pod then holds its last words.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    if !spec.ports.is_empty() {
        let port = |port: &crate::Port| {
            json!({
                "name": port.name(),
                "containerPort": port.number,
                "protocol": port.protocol.to_string(),
            })
        };
        container["ports"] = spec.ports.iter().map(port).collect();
        // Done by the kubelet: an image from scratch has no shell that could sleep.
        container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": DRAIN } } });
    }
    for (name, probe) in probe::probes(spec) {
        container[name] = probe;
    }
    container
}

/// Who the pod is, then what the user says.
fn env(spec: &AppSpec) -> Vec<Value> {
    let field = |name: &str, path: &str| {
        json!({
            "name": name,
            "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } },
        })
    };
    let mut env = vec![
        json!({ "name": "METAPARTICLE_ROLE", "value": role(&spec.workload) }),
        field("METAPARTICLE_POD_NAME", "metadata.name"),
        field("METAPARTICLE_POD_NAMESPACE", "metadata.namespace"),
        field("METAPARTICLE_POD_UID", "metadata.uid"),
    ];
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

fn role(workload: &Workload) -> &'static str {
    match workload {
        Workload::Replicated { .. } => "replica",
        Workload::Sharded { .. } => "shard",
        Workload::Job { .. } => "job",
    }
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
