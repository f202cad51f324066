//! [`Embedded`]: the application as the macro writes it into the host binary, found there without running it.

use serde::{Deserialize, Serialize};

use crate::{AppSpec, Artifact};

/// All that the deployer needs to know about the program that contains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// What the attributes declare.
    pub spec: AppSpec,
    /// What cargo was told when it compiled the program.
    pub build: Build,
    /// Dockerfile and manifests, rendered at expansion.
    pub artifacts: Vec<Artifact>,
}

/// What cargo was told when it compiled the program: the inner build for the container says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Name of the package (`-p`).
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Name of the binary target (`--bin`), or of the example (`--example`).
    pub bin: String,
    /// Whether the target is an example rather than a binary.
    pub example: bool,
    /// Enabled cargo features of the package.
    pub features: Vec<String>,
    /// Version of the compiling rustc, such as `1.95.0`; pins the generated Dockerfile's base.
    pub rustc: String,
    /// Absolute path of the package's directory on the machine that compiled it.
    pub manifest_dir: String,
    /// Path of the package's directory below its workspace root (empty if it is the root): for the Dockerfile.
    pub package_path: String,
}

impl Embedded {
    /// First bytes of the embedded record; a 64-bit little-endian length and that many bytes of JSON follow.
    pub const MAGIC: [u8; 24] = *b"\0metaparticle-embedded\0\x01";
}
