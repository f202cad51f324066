//! What is in the container's binary and in the host's: the marker, the record, and nothing more than needed.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use metaparticle_compile_tests::{
    Cargo, Outcome, Package,
    cargo::{host, shared},
    package::repository,
};
use metaparticle_spec::Embedded;

const MAIN: &str =
    "#[metaparticle::replicated(4, ports = [8080])]\nfn main() {\n    println!(\"main ran\");\n}\n";
const MARKER: &[u8] = b"metaparticle-container-v1";

/// The hardest profile: whatever is not used is gone. Given as flags, because a profile would compile the macros anew.
const SMALL: &str =
    "-Copt-level=z -Clto=fat -Cembed-bitcode=yes -Ccodegen-units=1 -Cpanic=abort -Cstrip=symbols";
const CONTAINER: &str = "--cfg metaparticle_container";

#[test]
fn host_binary_carries_the_record_and_no_marker_even_if_it_looks_for_one() {
    let package = program("host");
    package.edit(
        "src/main.rs",
        "println!",
        "let marker = metaparticle::__private::container_marker();\n    \
         assert!(!std::env::args().any(|arg| arg.as_bytes() == marker));\n    println!",
    );
    let binary = build(&package, "").bytes("host");
    let embedded = Embedded::find(&binary).unwrap();
    assert_eq!(embedded.spec.name.as_str(), "host");
    assert_eq!(embedded.build.bin, "host");
    assert_eq!(embedded.build.version, "0.1.0");
    assert_eq!(embedded.build.features, ["default", "gated"]);
    assert_eq!(embedded.build.manifest_dir, package.dir.to_str().unwrap());
    assert!(!embedded.artifacts.is_empty());
    assert!(!contains(&binary, MARKER));
}

#[test]
fn container_binary_carries_the_marker_and_no_record_and_runs_main_without_a_role() {
    let package = program("container");
    let executable = build(&package, CONTAINER).executable("container");
    let binary = fs::read(&executable).unwrap();
    assert!(Embedded::find(&binary).is_err());
    assert!(contains(&binary, MARKER));
    assert!(contains(
        &binary,
        &metaparticle::__private::container_marker()
    ));
    for trace in [
        &b"METAPARTICLE_ROLE"[..],
        b"replicas",
        b"manifests.yaml",
        b"8080",
    ] {
        assert!(
            !contains(&binary, trace),
            "{}",
            String::from_utf8_lossy(trace)
        );
    }
    let output = Command::new(executable)
        .env_remove("METAPARTICLE_ROLE")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "main ran\n");
}

#[cfg(unix)]
#[test]
fn sigterm_ends_a_container_binary_unless_it_takes_the_signal() {
    let package = program("ends");
    package.write(
        "src/main.rs",
        "#[metaparticle::job]
        #[tokio::main(flavor = \"current_thread\")]
        async fn main() {
            if std::env::args().count() > 1 {
                let mut shutdown = std::pin::pin!(metaparticle::shutdown());
                std::future::poll_fn(|cx| {
                    let _ = shutdown.as_mut().poll(cx);
                    std::task::Poll::Ready(())
                }).await;
                println!(\"ready\");
                shutdown.await;
            } else {
                println!(\"ready\");
                std::thread::park();
            }
        }",
    );
    let executable = build(&package, CONTAINER).executable("ends");
    assert_eq!(terminated(Command::new(&executable)), Some(143));
    let mut taking = Command::new(&executable);
    taking.arg("take");
    assert_eq!(terminated(taking), Some(0));
}

#[test]
fn changed_replicas_leave_the_container_binary_as_it_is() {
    let package = program("steady");
    let before = build(&package, CONTAINER).bytes("steady");
    let edited = MAIN.replace("replicated(4", "replicated(12345, name = \"other\"");
    package.write("src/main.rs", &edited);
    let after = build(&package, CONTAINER);
    assert!(!after.is_fresh("steady"));
    assert!(before == after.bytes("steady"));
}

/// Procedural macros run in the compiler.
const LEAN: [&str; 11] = [
    "bytes",
    "errno",
    "libc",
    "metaparticle",
    "metaparticle-macros",
    "mio",
    "pin-project-lite",
    "signal-hook-registry",
    "socket2", // of tokio's net, for `listen`
    "tokio",
    "tokio-macros",
];

/// What elections and locks add on Linux: ours, and a client of Kubernetes with TLS.
const COORDINATION: &str = "
    metaparticle-coordination metaparticle-protocol form-urlencoded futures http jiff k8s-openapi kube rustix serde
    serde-json thiserror tracing
    aho-corasick annotate-snippets anstyle arraydeque atomic-waker base64 bitflags cfg-if core-detect derive-more either
    encoding-rs encoding-rs-io futures-channel futures-core futures-io futures-sink futures-task futures-util getrandom
    granit-parser http-body http-body-util httparse hyper hyper-rustls hyper-timeout hyper-util itoa jiff-core
    jsonpath-rust kube-client kube-core linux-raw-sys log memchr mime nohash-hasher num-traits once-cell openssl-probe
    ordered-float pem percent-encoding pest pest-stack-guard psm regex regex-automata regex-syntax ring rustls
    rustls-native-certs rustls-pki-types rustls-platform-verifier scopeguard secrecy serde-core serde-saphyr serde-value
    simdutf8 slab smallvec stacker subtle sync-wrapper tokio-rustls tokio-util tower tower-http tower-layer
    tower-service tracing-core try-lock ucd-trie unicode-width untrusted want webpki zeroize zmij
";

/// What the map of shards adds.
const SHARD: &str = "
    metaparticle-shard arc-swap consistent-hash rapidhash serde serde-core siphasher splay-tree thiserror
";

/// What the gate adds.
const ROUTER: &str = "metaparticle-router h2 fnv indexmap equivalent hashbrown httpdate";

#[test]
fn container_graph_is_lean_without_coordination() {
    let features = ["--no-default-features", "--features=deploy,local,k8s"];
    let tree = tree(&features, CONTAINER);
    let more: Vec<_> = tree
        .iter()
        .filter(|name| !LEAN.contains(&name.as_str()))
        .collect();
    assert!(more.is_empty(), "{more:?}");
}

#[test]
fn shards_add_a_table_to_the_container_graph_and_nothing_else() {
    let tree = tree(&["--no-default-features", "--features=shard"], CONTAINER);
    let shard: Vec<_> = SHARD.split_whitespace().collect();
    let is_known = |name: &&String| LEAN.contains(&name.as_str()) || shard.contains(&name.as_str());
    let more: Vec<_> = tree.iter().filter(|name| !is_known(name)).collect();
    assert!(more.is_empty(), "{more:?}");
    assert!(tree.iter().any(|name| name == "metaparticle-shard"));
}

#[cfg(target_os = "linux")]
#[test]
fn coordination_adds_a_client_and_the_gate_a_server_to_the_container_graph_and_nothing_else() {
    let tree = tree(&["--all-features"], CONTAINER);
    let client: Vec<_> = [COORDINATION, SHARD, ROUTER]
        .iter()
        .flat_map(|all| all.split_whitespace())
        .collect();
    let is_known =
        |name: &&String| LEAN.contains(&name.as_str()) || client.contains(&name.as_str());
    let more: Vec<_> = tree.iter().filter(|name| !is_known(name)).collect();
    assert!(more.is_empty(), "{more:?}");
    assert!(tree.iter().any(|name| name == "metaparticle-coordination"));
}

#[test]
fn host_graph_holds_the_deployer() {
    let tree = tree(&["--all-features"], "");
    for name in ["kube", "k8s-openapi", "metaparticle-spec"] {
        assert!(tree.iter().any(|present| present == name), "{name}");
    }
}

/// Names of the packages that are linked into a program that uses `metaparticle`.
fn tree(features: &[&str], flags: &str) -> Vec<String> {
    let host = host();
    let args = [
        &[
            "tree",
            "--package=metaparticle",
            "--edges=normal,no-proc-macro",
            "--prefix=none",
        ][..],
        &["--format={lib}", "--target", &host],
        features,
    ];
    let outcome = Cargo::new(&repository(), &args.concat())
        .env("RUSTFLAGS", flags)
        .succeed();
    let mut names: Vec<String> = outcome
        .stdout
        .lines()
        .map(|line| line.trim_end_matches(" (*)").replace('_', "-"))
        .collect();
    names.retain(|name| !name.is_empty());
    names
}

fn program(name: &str) -> Package {
    let package = Package::alone(&shared().join("packages").join(name), name);
    package.write("src/main.rs", MAIN);
    package.append(
        "Cargo.toml",
        "[features]\ndefault = ['gated']\ngated = []\nother = []\n",
    );
    package
}

/// Sends SIGTERM once the program has said a line, and returns its exit code.
#[cfg(unix)]
fn terminated(mut command: Command) -> Option<i32> {
    let mut program = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(program.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let pid = program.id().to_string();
    let kill = Command::new("sh")
        .args(["-c", "kill -s TERM $0", &pid])
        .status();
    assert!(kill.unwrap().success());
    program.wait().unwrap().code()
}

fn build(package: &Package, flags: &str) -> Outcome {
    Cargo::new(&package.dir, &["build", "--message-format=json"])
        .env("CARGO_BUILD_TARGET", host())
        .env("RUSTFLAGS", format!("{SMALL} {flags}"))
        .succeed()
}

fn contains(binary: &[u8], text: &[u8]) -> bool {
    binary.windows(text.len()).any(|window| window == text)
}
