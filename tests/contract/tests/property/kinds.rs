//! The kinds that random operations are on: no controller touches their objects.

use serde_json::{Value, json};

use crate::random::Random;

/// Plurals, with apiVersion and kind.
pub(crate) const KINDS: [(&str, &str, &str); 7] = [
    ("configmaps", "v1", "ConfigMap"),
    ("secrets", "v1", "Secret"),
    ("leases", "coordination.k8s.io/v1", "Lease"),
    ("roles", "rbac.authorization.k8s.io/v1", "Role"),
    ("services", "v1", "Service"),
    ("cronjobs", "batch/v1", "CronJob"),
    ("networkpolicies", "networking.k8s.io/v1", "NetworkPolicy"),
];

/// Some fields of an object of a kind. `complete`: with all that a new object needs.
pub(crate) fn fields(random: &mut Random, plural: &str, complete: bool) -> Value {
    match plural {
        "configmaps" => config_map(random),
        "secrets" => secret(random),
        "leases" => lease(random),
        "roles" => json!({"rules": rules(random)}),
        "services" => service(random, complete),
        "cronjobs" => cron_job(random, complete),
        _ => network_policy(random),
    }
}

/// Labels, annotations and finalizers; each may be left out.
pub(crate) fn metadata(random: &mut Random) -> Value {
    let mut metadata = json!({});
    if random.chance(50) {
        metadata["labels"] = map(random, &["l1", "l2", "a.b/l3"], &["", "x", "y"]);
    }
    if random.chance(25) {
        metadata["annotations"] = map(random, &["n1", "a.b/n2"], &["", "x", "two words"]);
    }
    if random.chance(20) {
        metadata["finalizers"] = some(random, &["a.b/x", "a.b/y", "a.b/z"]);
    }
    if random.chance(2) {
        metadata["labels"] = json!({"not a key": "x"});
    }
    metadata
}

fn map(random: &mut Random, keys: &[&str], values: &[&str]) -> Value {
    let chosen = keys
        .iter()
        .filter(|_| random.chance(50))
        .copied()
        .collect::<Vec<_>>();
    let entries = chosen
        .into_iter()
        .map(|key| (key.to_owned(), json!(random.one(values))));
    Value::Object(entries.collect())
}

fn some(random: &mut Random, all: &[&str]) -> Value {
    let chosen: Vec<_> = all.iter().filter(|_| random.chance(50)).collect();
    json!(chosen)
}

fn config_map(random: &mut Random) -> Value {
    let mut object = json!({});
    if random.chance(80) {
        object["data"] = map(random, &["k1", "k2", "k3"], &["", "v", "w"]);
    }
    if random.chance(15) {
        object["binaryData"] = map(random, &["b1", "k1"], &["AA==", "AQID"]);
    }
    if random.chance(2) {
        object["immutable"] = true.into();
    }
    if random.chance(2) {
        object["data"] = json!({"not a key": "x"});
    }
    object
}

fn secret(random: &mut Random) -> Value {
    let mut object = json!({});
    if random.chance(70) {
        object["data"] = map(random, &["k1", "k2"], &["", "dg==", "dw=="]);
    }
    if random.chance(20) {
        object["stringData"] = map(random, &["k1", "k3"], &["", "v"]);
    }
    if random.chance(10) {
        object["type"] = (*random.one(&["Opaque", "a.b/c", "kubernetes.io/tls"])).into();
    }
    object
}

fn lease(random: &mut Random) -> Value {
    let mut spec = json!({});
    if random.chance(60) {
        spec["holderIdentity"] = (*random.one(&["a", "b"])).into();
    }
    if random.chance(60) {
        spec["leaseDurationSeconds"] = (*random.one(&[0, 1, 10, 10, 20])).into();
    }
    if random.chance(30) {
        spec["renewTime"] =
            (*random.one(&["2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.000000Z"])).into();
    }
    if random.chance(20) {
        spec["leaseTransitions"] = (*random.one(&[-1, 0, 3])).into();
    }
    json!({"spec": spec})
}

fn rules(random: &mut Random) -> Value {
    let rule = |random: &mut Random| json!({"apiGroups": [random.one(&["", "apps"])], "resources": [random.one(&["pods", "leases"])], "verbs": ["get"]});
    let count = 1 + random.below(2);
    (0..count).map(|_| rule(random)).collect::<Vec<_>>().into()
}

fn service(random: &mut Random, complete: bool) -> Value {
    let mut spec = json!({});
    if complete || random.chance(30) {
        spec["clusterIP"] = "None".into();
    }
    if complete || random.chance(70) {
        let mut ports = Vec::new();
        for (name, number) in [("a", 80), ("b", 81), ("c", 53)] {
            if random.chance(50) {
                let mut port = json!({"name": name, "port": number});
                if random.chance(30) {
                    port["protocol"] = (*random.one(&["TCP", "UDP"])).into();
                }
                if random.chance(20) {
                    port["targetPort"] = random.one(&[json!(8080), json!("http")]).clone();
                }
                ports.push(port);
            }
        }
        spec["ports"] = ports.into();
    }
    if random.chance(15) {
        spec["publishNotReadyAddresses"] = random.chance(50).into();
    }
    if random.chance(10) {
        spec["sessionAffinity"] = (*random.one(&["None", "ClientIP", "Sometimes"])).into();
    }
    json!({"spec": spec})
}

fn cron_job(random: &mut Random, complete: bool) -> Value {
    let mut spec = json!({"suspend": true});
    if complete || random.chance(30) {
        spec["schedule"] = (*random.one(&["0 0 * * *", "1 0 * * *"])).into();
    }
    if random.chance(20) {
        spec["concurrencyPolicy"] = (*random.one(&["Allow", "Forbid", "Never"])).into();
    }
    if complete || random.chance(70) {
        let mut pod = json!({});
        if complete || random.chance(20) {
            pod["restartPolicy"] = "Never".into();
        }
        if complete || random.chance(80) {
            pod["containers"] = containers(random);
        }
        if random.chance(20) {
            pod["volumes"] = volumes(random);
        }
        if random.chance(10) {
            pod["tolerations"] = json!([{"key": random.one(&["a", "b"]), "operator": "Exists"}]);
        }
        let mut template = json!({"spec": pod});
        if random.chance(30) {
            template["metadata"] = json!({"labels": map(random, &["t1", "t2"], &["x", "y"])});
        }
        spec["jobTemplate"] = json!({"spec": {"template": template}});
    }
    json!({"spec": spec})
}

fn containers(random: &mut Random) -> Value {
    let mut containers = Vec::new();
    for name in ["x", "y", "z"] {
        if random.chance(if name == "x" { 90 } else { 40 }) {
            let mut container = json!({"name": name});
            if random.chance(90) {
                container["image"] = (*random.one(&["i:1", "i:2"])).into();
            }
            if random.chance(30) {
                container["env"] = environment(random);
            }
            if random.chance(20) {
                container["ports"] = json!([{"containerPort": random.one(&[80, 81])}]);
            }
            if random.chance(20) {
                container["args"] = some(random, &["a", "b"]);
            }
            if random.chance(15) {
                container["resources"] =
                    json!({"requests": {"cpu": random.one(&["100m", "0.1", "1"])}});
            }
            containers.push(container);
        }
    }
    containers.into()
}

fn environment(random: &mut Random) -> Value {
    let mut variables = Vec::new();
    for name in ["A", "B", "C"] {
        if random.chance(50) {
            variables.push(json!({"name": name, "value": random.one(&["", "1", "2"])}));
        }
    }
    variables.into()
}

fn volumes(random: &mut Random) -> Value {
    let source = if random.chance(50) {
        json!({"name": "v", "emptyDir": {}})
    } else {
        json!({"name": "v", "configMap": {"name": random.one(&["c", "d"])}})
    };
    json!([source])
}

fn network_policy(random: &mut Random) -> Value {
    let mut spec = json!({"podSelector": {}});
    if random.chance(40) {
        spec["policyTypes"] = some(random, &["Ingress", "Egress"]);
    }
    if random.chance(30) {
        spec["ingress"] = json!([{"ports": [{"port": random.one(&[80, 81])}]}]);
    }
    json!({"spec": spec})
}
