//! What the container binary of a web service is, and what it is not. Compiles the service, so `cargo test` leaves it
//! out: `cargo test -p metaparticle-tests --features slow --test container`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed, which is its job"
)]

use std::{fs, path::Path, process::Command};

use metaparticle::deploy::{
    build::{self, Arch, Environment, Profile, Program},
    image::digest::Digest,
    report::Report,
};
use metaparticle_tests::service::Service;
use tokio::sync::{Mutex, MutexGuard};

/// Crates of the deployer.
const DEPLOYER: [&str; 5] = [
    "reqwest",
    "indicatif",
    "miette",
    "clap_builder",
    "zstd_safe",
];

/// Crates of a client of Kubernetes. In the container's graph for elections and locks; in the binary of a program that
/// has none, there is no code of theirs.
const CLIENT: [&str; 3] = ["kube_client", "k8s_openapi", "rustls"];

/// The service in one of two places, with a target directory of its own. It stays there, so that the next run is short.
/// Whoever has the guard may edit it.
async fn checkout(name: &str) -> (Service, MutexGuard<'static, ()>) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    (Service::at(&path).unwrap(), alone)
}

async fn build(service: &Service, profile: Profile, variables: &[(&str, &str)]) -> Program {
    let mut environment = Environment::of_process()
        .with("RUSTFLAGS", None)
        .with("CARGO_ENCODED_RUSTFLAGS", None)
        .with("CARGO_TARGET_DIR", None);
    for (name, value) in variables {
        environment = environment.with(name, Some(value));
    }
    let report = Report::capture();
    let description = service.embedded().build;
    let built = build::build(&description, Arch::Amd64, profile, &environment, &report).await;
    built.unwrap_or_else(|error| panic!("{error}: {:#?}", report.captured()))
}

fn names(program: &[u8], needle: &str) -> bool {
    memchr::memmem::find(program, needle.as_bytes()).is_some()
}

/// Whether a binary holds the name of a function of a crate, or of one for a type of it: symbols write the first as the
/// crate's length and name, the second as its path with dots.
fn has_code_of(program: &[u8], name: &str) -> bool {
    names(program, &format!("{}{name}", name.len())) || names(program, &format!("{name}.."))
}

#[tokio::test]
async fn small_web_service_has_at_most_1200_kilobytes() {
    let (service, _alone) = checkout("here").await;
    let program = build(&service, Profile::Small, &[]).await;
    let size = program.content.len();
    println!("container binary, small profile: {size} bytes");
    assert!(size <= 1_200_000, "{size} bytes");
}

#[tokio::test]
async fn two_checkouts_give_the_same_bytes() {
    let mut digests = Vec::new();
    for name in ["here", "there"] {
        let (service, _alone) = checkout(name).await;
        for profile in [Profile::Fast, Profile::Small] {
            let program = build(&service, profile, &[]).await;
            digests.push((profile, Digest::of(&program.content)));
        }
    }
    assert_eq!(digests[..2], digests[2..]);
}

#[tokio::test]
async fn program_holds_no_path_of_the_machine() {
    let (service, _alone) = checkout("here").await;
    let program = build(&service, Profile::Small, &[]).await.content;
    let home = std::env::var("HOME").unwrap();
    assert!(!names(&program, service.path().to_str().unwrap()));
    assert!(!names(&program, &format!("{home}/.cargo")));
}

#[tokio::test]
async fn what_the_attributes_say_is_no_part_of_the_program() {
    let (service, _alone) = checkout("here").await;
    let mut digests = Vec::new();
    for attributes in [
        "#[metaparticle::replicated(replicas = 2, ports = [8080])]",
        "#[metaparticle::replicated(replicas = 5, ports = [9090], env(A = \"b\"))]",
    ] {
        service.source(attributes, "Hello!").unwrap();
        digests.push(Digest::of(
            &build(&service, Profile::Fast, &[]).await.content,
        ));
    }
    assert_eq!(digests[0], digests[1]);
}

/// The names of functions are in a binary that is not stripped; those of the host binary show that they would be found.
#[tokio::test]
async fn deployer_and_client_are_in_the_host_binary_alone() {
    let (service, _alone) = checkout("here").await;
    let unstripped = [("CARGO_PROFILE_DEV_STRIP", "none")];
    let container = build(&service, Profile::Fast, &unstripped).await.content;
    assert!(has_code_of(&container, "tokio"), "it is not stripped");
    for name in DEPLOYER.into_iter().chain(CLIENT) {
        assert!(
            !has_code_of(&container, name),
            "{name} is in the container binary"
        );
    }
    // Any binary that links the deployer does: this test is one, by this mention.
    std::hint::black_box(metaparticle::deploy::main as fn(_) -> _);
    let host = fs::read(std::env::current_exe().unwrap()).unwrap();
    for name in DEPLOYER.into_iter().chain(CLIENT) {
        assert!(has_code_of(&host, name), "{name} is not in the host binary");
    }
}

#[tokio::test]
async fn container_graph_has_no_crate_of_the_deployer() {
    let (service, _alone) = checkout("here").await;
    let tree = |flags: &str| {
        let output = Command::new("cargo")
            .args(["tree", "--edges=normal,no-proc-macro", "--prefix=none"])
            .args(["--target=x86_64-unknown-linux-musl"])
            .env("RUSTFLAGS", flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(service.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().replace('_', "-")
    };
    let (container, host) = (tree("--cfg metaparticle_container"), tree(""));
    for name in DEPLOYER {
        let line = format!("\n{} v", name.replace('_', "-"));
        assert!(!container.contains(&line), "{name}\n{container}");
        assert!(host.contains(&line), "{name}\n{host}");
    }
}
