//! The inner build: the same program once more, for the container.
//!
//! It says to cargo what the outer build was told, except platform, profile and `--cfg metaparticle_container`; it has
//! a target directory of its own, so that neither build throws away the other's work. Paths of this machine are mapped
//! away, so that two checkouts give the same bytes.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use memchr::memmem;
use metaparticle_spec::Build;

use super::report::{Event, Report};
use crate::enter::container_marker;

mod cargo;
mod config;
mod environment;
mod error;
mod flags;
mod platform;
mod profile;

use self::{cargo::Cargo, config::Config, flags::Flags, platform::Platform};
pub use self::{environment::Environment, error::BuildError, flags::Origin};

/// Processor of the cluster's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

/// What the container's program is optimized for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// A short build: the profile `dev` without debug information. What `cargo run` gives.
    Fast,
    /// A small program: the profile `release`, optimized as a whole. What `cargo run --release` gives.
    Small,
}

/// A program for the container.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name of the executable.
    pub name: String,
    /// Version of its package.
    pub version: String,
    /// Processor that it is for.
    pub arch: Arch,
    /// What it is optimized for.
    pub profile: Profile,
    /// The file's content.
    pub content: Vec<u8>,
    /// Directory that deployments may keep files in, below cargo's target directory.
    pub cache: PathBuf,
}

/// Builds the program that `build` describes for a container on `arch`. Cargo gets the variables of `environment`, less
/// those that an outer cargo has set.
///
/// # Errors
/// [`BuildError`] if cargo fails (its messages went to `report`), or its result is no program for the container.
///
/// # Cancel safety
/// Dropping the future ends cargo, which can go on where it was.
pub async fn build(
    build: &Build,
    arch: Arch,
    profile: Profile,
    environment: &Environment,
    report: &Report,
) -> Result<Program, BuildError> {
    let package = Path::new(&build.manifest_dir);
    let config = Config::load(package, environment.cargo_home().as_deref())?;
    let cargo = Cargo::find(environment, &config, package);
    let (layout, sysroot) = tokio::try_join!(cargo.layout(), cargo.sysroot())?;
    let platform = Platform::choose(arch, &sysroot)?;
    if let Some(offer) = platform.offer() {
        report.event(Event::note(offer));
    }
    let user = flags::of_user(environment, &config, &cargo, &platform).await?;
    let flags = Flags::for_container(user, &platform, &layout, environment, &sysroot);
    let profile_args = profile::arguments(profile, &layout, &config, environment)?;

    let executable = cargo
        .build(build, &layout, &platform, &profile_args, &flags, report)
        .await?;
    let content = tokio::fs::read(&executable)
        .await
        .map_err(|source| BuildError::Read {
            path: executable.clone(),
            source,
        })?;
    if memmem::find(&content, &container_marker()).is_none() {
        return Err(BuildError::NoMarker {
            executable,
            origin: flags.origin,
        });
    }
    Ok(Program {
        name: build.bin.clone(),
        version: build.version.clone(),
        arch,
        profile,
        content,
        cache: layout.target_directory.join("metaparticle"),
    })
}

impl Arch {
    /// The name in images and on nodes: `amd64`, `arm64`.
    #[must_use]
    pub fn oci(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The architecture that a node reports (`kubernetes.io/arch`).
    #[must_use]
    pub fn from_oci(name: &str) -> Option<Self> {
        match name {
            "amd64" => Some(Self::Amd64),
            "arm64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl Profile {
    /// The profile that an executable was built with, by its path in cargo's target directory: everything below a
    /// directory `debug` is [`Profile::Fast`], everything else is [`Profile::Small`].
    #[must_use]
    pub fn of_executable(path: &Path) -> Self {
        let fast = path
            .parent()
            .is_some_and(|dir| dir.ends_with("debug") || dir.ends_with("debug/examples"));
        if fast { Self::Fast } else { Self::Small }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.oci())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast",
            Self::Small => "small",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_is_read_from_the_place_of_the_executable() {
        for (path, profile) in [
            ("/w/target/debug/web", Profile::Fast),
            ("/w/target/debug/examples/web", Profile::Fast),
            (
                "/w/target/x86_64-unknown-linux-gnu/debug/web",
                Profile::Fast,
            ),
            ("/w/target/release/web", Profile::Small),
            ("/w/debug/target/release/web", Profile::Small),
            ("/usr/bin/web", Profile::Small),
        ] {
            assert_eq!(Profile::of_executable(Path::new(path)), profile, "{path}");
        }
    }
}
