//! What the attributes say arrives in the record that the program carries.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use metaparticle_compile_tests::{
    Cargo, Package,
    cargo::shared,
    package::{NO_FEATURES, WITH_ROUTER},
};
use metaparticle_spec::{AppSpec, Embedded};
use serde_json::json;

const ALL_KEYS: &str = r#"
#[metaparticle::containerize(
    name = "web",
    repository = "127.0.0.1:5000/demo",
    tag = "v1",
    namespace = "prod",
    context = "kind",
    ports = [8080, "9090/udp", "admin:9000", "dns:53/udp"],
    public,
    env(LOG = "info", "my.var" = "x"),
    resources(cpu = "100m", memory = "64Mi", cpu_limit = "1", memory_limit = "128Mi"),
    probes(readiness = "/ready", liveness = "/live", startup = "/up", port = 8080),
    base = "debian:13",
    on_exit = "delete",
    coordination(policy),
)]
#[metaparticle::replicated(4)]
fn main() {}
"#;

const ORDERS: [&str; 4] = [
    "#[metaparticle::containerize(name = \"web\", ports = [8080])] #[metaparticle::replicated(4)] fn main() {}",
    "#[metaparticle::replicated(4)] #[metaparticle::containerize(name = \"web\", ports = [8080])] fn main() {}",
    "#[metaparticle::replicated(4, name = \"web\", ports = [8080])] fn main() {}",
    "#[metaparticle::replicated(name = \"web\")] #[tokio::main] #[metaparticle::replicated(replicas = 4)] \
     #[cfg_attr(all(), metaparticle::containerize(ports = [8080]))] async fn main() {}",
];

#[test]
fn every_key_arrives() {
    let specs = specs("keys", &[ALL_KEYS]);
    let expected = json!({
        "name": "web",
        "repository": "127.0.0.1:5000/demo",
        "tag": "v1",
        "namespace": "prod",
        "context": "kind",
        "ports": ["tcp-8080:8080/tcp", "udp-9090:9090/udp", "admin:9000/tcp", "dns:53/udp"],
        "public": true,
        "env": { "LOG": "info", "my.var": "x" },
        "resources": { "cpu": "100m", "memory": "64Mi", "cpu_limit": "1", "memory_limit": "128Mi" },
        "probes": { "readiness": "/ready", "liveness": "/live", "startup": "/up", "port": 8080 },
        "base": "debian:13",
        "on_exit": "delete",
        "coordination": true,
        "policy": true,
        "workload": { "replicated": { "replicas": 4 } },
    });
    assert_eq!(serde_json::to_value(&specs[0]).unwrap(), expected);
}

#[test]
fn order_of_the_stack_makes_no_difference() {
    let specs = specs("orders", &ORDERS);
    for spec in &specs {
        assert_eq!(spec, &specs[0]);
    }
}

#[test]
fn ports_make_a_service_and_their_absence_a_job() {
    let specs = specs(
        "kinds",
        &[
            "#[metaparticle::containerize(ports = [8080])] fn main() {}",
            "#[metaparticle::containerize] fn main() {}",
            "#[metaparticle::containerize(public = false)] fn main() {}",
            "#[metaparticle::job(completions = 4, parallelism = 2)] fn main() {}",
            "#[metaparticle::sharded(shards = 3, key = \"/users/{id}/…\", ports = [8080])] fn main() {}",
        ],
    );
    let workloads: Vec<_> = specs
        .iter()
        .map(|spec| serde_json::to_value(&spec.workload).unwrap())
        .collect();
    let expected = [
        json!({ "replicated": { "replicas": 1 } }),
        json!({ "job": { "completions": 1, "parallelism": 1 } }),
        json!({ "job": { "completions": 1, "parallelism": 1 } }),
        json!({ "job": { "completions": 4, "parallelism": 2 } }),
        json!({ "sharded": {
            "shards": 3, "key": { "path": "/users/{id}/…" }, "slots": 4096, "unmatched": "any",
            "gate": "pod", "drain": 10,
        } }),
    ];
    assert_eq!(workloads, expected);
    // Without a word about it, the binary names the application, and the package's version is the tag.
    assert_eq!(specs[0].name.as_str(), "kinds-0");
    assert_eq!(specs[0].tag.as_str(), "0.1.0");
}

/// What each of the sources, a program of its own, says in its record.
fn specs(name: &str, sources: &[&str]) -> Vec<AppSpec> {
    let package = Package::alone(&shared().join("packages").join(name), name);
    if sources.iter().any(|source| source.contains("sharded")) {
        package.edit("Cargo.toml", NO_FEATURES, WITH_ROUTER);
    }
    let bins = 0..sources.len();
    for (bin, source) in bins.clone().zip(sources) {
        package.write(&format!("src/bin/{name}_{bin}.rs"), source);
    }
    let outcome = Cargo::new(&package.dir, &["build", "--message-format=json"]).succeed();
    let record = |bin| Embedded::find(&outcome.bytes(&format!("{name}_{bin}")));
    bins.map(|bin| record(bin).unwrap().spec).collect()
}
