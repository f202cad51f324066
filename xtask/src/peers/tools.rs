//! The peers themselves, installed at pinned versions.

use std::path::PathBuf;

use super::Error;
use crate::debian::{self, Package, any, pinned};
use crate::go::Module;

/// Where the peers are.
#[derive(Debug)]
pub(super) struct Tools {
    /// Builds images of Go programs without a daemon.
    pub(super) ko: PathBuf,
    /// Its version.
    pub(super) ko_version: &'static str,
}

const KO: Module = Module {
    name: "ko",
    package: "github.com/google/ko",
    tags: "",
    manifest: include_str!("../../peers/ko/go.mod"),
    sums: include_str!("../../peers/ko/go.sum"),
    source: "",
    takes: "2 minutes on 2 cores",
};

/// Builds images of anything without a daemon, and copies them.
const PACKAGES: [Package; 3] = [
    pinned("buildah", "1.28.2"),
    pinned("skopeo", "1.9.3"),
    any("ca-certificates"),
];

/// Installs what is missing.
///
/// # Errors
/// When a package or program cannot be installed.
pub(super) fn install() -> Result<Tools, Error> {
    debian::install(&PACKAGES)?;
    Ok(Tools {
        ko: KO.build()?,
        ko_version: KO.required_version("github.com/google/ko"),
    })
}
