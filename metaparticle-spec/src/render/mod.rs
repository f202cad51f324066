//! From an [`AppSpec`] to text: Dockerfile and manifests. Pure and deterministic: equal input, equal bytes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AppSpec, Build, Repository};

/// Name of the program's container in every pod.
pub const CONTAINER: &str = "app";

/// Path of the program in the image; it is also the image's entry point.
pub const ENTRYPOINT: &str = "/app";

/// User and group id of the program, in image and pod: nobody's, by the convention of distroless images.
pub const USER: u32 = 65532;

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Path below the output directory, such as `Dockerfile` or `manifests.yaml`.
    pub path: String,
    /// Whole content.
    pub text: String,
}

/// In which form manifests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// One file for `kubectl apply -f`.
    #[default]
    Yaml,
    /// A base for `kubectl apply -k`.
    Kustomize,
    /// A chart for `helm install`.
    Helm,
}

/// What is generated at build time: `Dockerfile`, `Dockerfile.dockerignore` and `manifests.yaml`, the latter for
/// [`image_reference`] of the declared repository.
#[must_use]
pub fn render(_spec: &AppSpec, _build: &Build) -> Vec<Artifact> {
    Vec::new()
}

/// The manifests for an image, as files of the given form.
#[must_use]
pub fn render_manifests(_spec: &AppSpec, _image: &str, _format: Format) -> Vec<Artifact> {
    Vec::new()
}

/// The Kubernetes objects of an application, in the order in which they are to be created.
///
/// `image` is what the pods run: by digest when deployed, by tag when rendered.
#[must_use]
pub fn manifests(_spec: &AppSpec, _image: &str) -> Vec<Value> {
    Vec::new()
}

/// [`manifests`] as one YAML stream, safe to read by YAML 1.1 and 1.2.
#[must_use]
pub fn manifests_yaml(_spec: &AppSpec, _image: &str) -> String {
    String::new()
}

/// Appends arguments to the program's container, wherever [`manifests`] has one. They reach the program as they are:
/// Kubernetes' `$(VAR)` is escaped.
pub fn append_args(_manifests: &mut [Value], _args: &[String]) {}

/// `repository/name:tag`, or `name:tag` without a repository.
#[must_use]
pub fn image_reference(spec: &AppSpec, repository: Option<&Repository>) -> String {
    let AppSpec { name, tag, .. } = spec;
    match repository {
        Some(repository) => format!("{repository}/{name}:{tag}"),
        None => format!("{name}:{tag}"),
    }
}
