//! From an [`AppSpec`] to text: Dockerfile and manifests.

use serde::{Deserialize, Serialize};

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name: `Dockerfile`, `Dockerfile.dockerignore` or `manifests.yaml`.
    pub path: String,
    /// Whole content.
    pub text: String,
}
