//! [`BuildError`]: why there is no program for the container.

use std::{io, path::PathBuf, process::ExitStatus};

use super::{Arch, flags::Origin};

/// Why the inner build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A program of the toolchain cannot be started.
    #[error("`{program}` cannot be run")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A question to the toolchain failed.
    #[error("`{command}` failed: {message}")]
    Ask {
        /// The command.
        command: String,
        /// What it said.
        message: String,
    },
    /// The build failed; its messages have been told.
    #[error("cargo could not build `{bin}` for the container ({status})")]
    Cargo {
        /// The binary or example.
        bin: String,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// Cargo ended well, but named no executable.
    #[error("cargo built `{bin}` without naming its executable")]
    NoExecutable {
        /// The binary or example.
        bin: String,
    },
    /// The executable was not built for the container.
    #[error(
        "{} was not built for a container: `--cfg metaparticle_container`, given {origin}, did not reach the compiler",
        executable.display()
    )]
    NoMarker {
        /// The executable.
        executable: PathBuf,
        /// Where the flags came from.
        origin: Origin,
    },
    /// The standard library for the platform is not installed.
    #[error("the standard library for {arch} Linux is not installed")]
    NoPlatform {
        /// The architecture.
        arch: Arch,
        /// The target to install.
        triple: &'static str,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A configuration of cargo is malformed.
    #[error("{} is not valid", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// Configurations of cargo include each other.
    #[error("{} includes itself", path.display())]
    Cycle {
        /// The file.
        path: PathBuf,
    },
}

impl BuildError {
    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Start { .. } => {
                Some("deploying compiles the program; install Rust, or set CARGO".to_owned())
            }
            Self::NoPlatform { triple, .. } => Some(format!("rustup target add {triple}")),
            Self::NoMarker { .. } => Some(
                "a rustc wrapper may drop flags, or a configuration of cargo that cannot be seen from here; the \
                 program must also call the attribute of the same version of metaparticle"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
