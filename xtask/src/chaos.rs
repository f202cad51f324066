//! `cargo xtask chaos`: elections and locks under faults, with separate processes on an API server of the suite's own,
//! beside client-go and, when asked, other crates. `cargo xtask peers election`: their figures on the same server.

use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use crate::{cluster, command, go, terminal};

/// client-go's leader election as a candidate.
const CLIENT_GO: go::Module = go::Module {
    name: "chaos-client-go",
    package: ".",
    tags: "",
    manifest: include_str!("../../tests/chaos/peers/client-go/go.mod"),
    sums: include_str!("../../tests/chaos/peers/client-go/go.sum"),
    source: include_str!("../../tests/chaos/peers/client-go/main.go"),
    takes: "2 minutes on 2 cores",
};

/// etcd's own mutex, measured.
const ETCD_MUTEX: go::Module = go::Module {
    name: "chaos-etcd-mutex",
    package: ".",
    tags: "",
    manifest: include_str!("../../tests/chaos/peers/etcd-mutex/go.mod"),
    sums: include_str!("../../tests/chaos/peers/etcd-mutex/go.sum"),
    source: include_str!("../../tests/chaos/peers/etcd-mutex/main.go"),
    takes: "1 minute on 2 cores",
};

/// The crates that are built as candidates.
const CRATES: [&str; 4] = [
    "kube-leader-election",
    "kubert",
    "kube-lease-manager",
    "kube-coordinate",
];

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many runs
    #[arg(long, default_value_t = 87)]
    runs: u64,
    /// One run in ten with leases of 15 s
    #[arg(long)]
    full_lease: bool,
    /// Other crates too; builds them, which takes long the first time
    #[arg(long)]
    peers: bool,
    /// What the suite gets besides, such as `--subject ours --fault pause --seed 7`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    more: Vec<String>,
}

/// Why it did not run, or did not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The program of the API server.
    #[error(transparent)]
    Go(#[from] go::Error),
    /// Cargo could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// Cargo or the suite failed.
    #[error("{0} failed: {1}")]
    Failed(&'static str, ExitStatus),
}

/// What a figure of nanoseconds is made of, and is optimised for the figures; the rest stays as it is.
const OPTIMISED: [&str; 4] = [
    "metaparticle-chaos",
    "metaparticle-coordination",
    "metaparticle-protocol",
    "rustix",
];

/// Runs the suite.
///
/// # Errors
/// When a program cannot be built, or a promise was broken.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut all: Vec<OsString> = vec!["--runs".into(), arguments.runs.to_string().into()];
    if arguments.full_lease {
        all.extend(["--full-lease-every".into(), "10".into()]);
    }
    if arguments.peers {
        all.extend(["--crates".into(), build_crates().into()]);
    }
    all.extend(arguments.more.iter().map(OsString::from));
    suite("chaos", &[], &all)
}

/// Measures ours beside client-go and etcd's mutex.
///
/// # Errors
/// When a program cannot be built or fails.
pub(crate) fn figures(runs: u32) -> Result<(), Error> {
    let all = [
        OsString::from("--etcd-mutex"),
        ETCD_MUTEX.build()?.into(),
        "--runs".into(),
        runs.to_string().into(),
    ];
    let optimised = OPTIMISED.map(|name| format!("profile.dev.package.{name}.opt-level=3"));
    let options: Vec<_> = optimised.iter().flat_map(|it| ["--config", it]).collect();
    suite("figures", &options, &all)
}

fn suite(program: &'static str, options: &[&str], arguments: &[OsString]) -> Result<(), Error> {
    let kubernetes = cluster::kubernetes()?;
    let client_go = CLIENT_GO.build()?;
    let package = ["--quiet", "--package", "metaparticle-chaos"];
    cargo(
        "the suite's build",
        command::cargo([])
            .arg("build")
            .args(package)
            .arg("--bins")
            .args(options),
    )?;
    let mut command = command::cargo([]);
    command
        .arg("run")
        .args(package)
        .args(options)
        .args(["--bin", program, "--"]);
    command
        .arg("--kubernetes")
        .arg(kubernetes)
        .arg("--client-go")
        .arg(client_go)
        .args(arguments);
    cargo("the suite", &mut command)
}

/// Builds the candidates of other crates, each from the versions that are written down; says which cannot be built.
/// Returns the folder with those that were.
fn build_crates() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = root
        .with_file_name("tests")
        .join("chaos/peers/rust/Cargo.toml");
    let target = root.with_file_name("target").join("peers");
    for name in CRATES {
        terminal::step(&format!("building {name}"));
        let mut command = command::cargo([]);
        command
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                &format!("peer-{name}"),
            ])
            .arg("--manifest-path")
            .arg(&manifest)
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "0");
        if let Err(Error::Failed(..)) = cargo("a crate's build", &mut command) {
            terminal::result(&format!("{name} does not build"));
        }
    }
    target.join("debug")
}

fn cargo(what: &'static str, command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(Error::Start)?;
    status
        .success()
        .then_some(())
        .ok_or(Error::Failed(what, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_of_pinned_versions() {
        assert!(
            CLIENT_GO
                .required_version("k8s.io/client-go")
                .starts_with("v0.36.")
        );
        assert!(
            ETCD_MUTEX
                .required_version("go.etcd.io/etcd/client/v3")
                .starts_with("v3.6.")
        );
        let crates = include_str!("../../tests/chaos/peers/rust/Cargo.toml");
        for name in CRATES {
            assert!(crates.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
