//! The deployer: what an annotated program does when it is started on a laptop. Compiled out of container builds.
//!
//! `main` reads the [command line](command), chooses a [target](target) and runs one command on a runtime of its own;
//! the user's runtime is built only inside the cluster.

use std::process::ExitCode;

use metaparticle_spec::Embedded;

pub mod apply;
pub mod build;
pub mod cluster;
pub mod command;
pub mod forward;
pub mod image;
pub mod logs;
mod mirror;
mod proxy;
pub mod report;
pub mod rollout;
pub mod target;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// It did what it was asked for.
    Success,
    /// The deployment, or the program that was deployed, failed.
    Failed,
    /// Command line, configuration or target are wrong; nothing was changed.
    Usage,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The exit code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Runs the deployer of the program that carries `embedded`, with the command line of this process.
///
/// The caller ends the process with the returned code; tasks that are still running are given up.
#[must_use]
pub fn main(embedded: Embedded) -> Exit {
    let _ = embedded;
    Exit::Usage
}

/// Chooses the cryptography of every TLS connection of this process, unless that is done.
///
/// With more than one provider in the graph, rustls panics instead of choosing.
pub(crate) fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may be faster; its choice is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod fixture {
    //! Applications for tests.

    use metaparticle_spec::AppSpec;

    /// A service with one port.
    pub(crate) fn spec(name: &str) -> AppSpec {
        serde_json::from_value(serde_json::json!({
            "name": name, "repository": null, "tag": "0.1.0", "namespace": null, "context": null,
            "ports": ["8080"], "public": false, "env": {}, "resources": {}, "probes": {}, "base": null,
            "on_exit": "detach", "coordination": false, "workload": {"replicated": {"replicas": 1}},
        }))
        .expect("the fixture is valid")
    }
}
