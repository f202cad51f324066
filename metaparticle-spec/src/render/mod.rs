//! From an [`AppSpec`] to text: Dockerfile and manifests. Pure and deterministic: equal input, equal bytes.
//!
//! One Kubernetes kind a file. The manifests want Kubernetes 1.33 or newer (`sleep` in `preStop`) and are JSON values:
//! no client's types, so that no version of them is forced on anyone.

mod deployment;
mod disruption_budget;
mod dockerfile;
mod helm;
mod job;
mod kustomize;
mod object;
mod pod;
mod policy;
mod probe;
mod role;
mod service;
mod service_account;
mod sharding;
mod stateful_set;
mod yaml;

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::object::Role;
pub use self::{
    object::{APP_LABEL, ROLE_LABEL},
    policy::is_shared,
    service::{service_ports, service_selector},
    sharding::READY_PATH,
};
use crate::{AppSpec, Build, Gate, Repository, Workload};

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
    /// One file for `kubectl apply -f`: `manifests.yaml`.
    #[default]
    Yaml,
    /// A base for `kubectl apply -k`: `kustomization.yaml` and `manifests.yaml`.
    Kustomize,
    /// A chart for `helm install`: `Chart.yaml`, `values.yaml` and `templates/manifests.yaml`.
    Helm,
}

/// What is generated at build time: `Dockerfile`, `Dockerfile.dockerignore` and `manifests.yaml`, the latter for
/// [`image_reference`] of the declared repository.
#[must_use]
pub fn render(spec: &AppSpec, build: &Build) -> Vec<Artifact> {
    let image = image_reference(spec, spec.repository.as_ref());
    let artifact = |path: &str, text| Artifact {
        path: path.to_owned(),
        text,
    };
    let mut artifacts = vec![
        artifact("Dockerfile", dockerfile::dockerfile(spec, build)),
        artifact("Dockerfile.dockerignore", dockerfile::dockerignore()),
    ];
    artifacts.extend(render_manifests(spec, &image, Format::Yaml));
    artifacts
}

/// The manifests for an image, as files of the given form.
#[must_use]
pub fn render_manifests(spec: &AppSpec, image: &str, format: Format) -> Vec<Artifact> {
    let objects = manifests(spec, image);
    match format {
        Format::Yaml => vec![Artifact {
            path: "manifests.yaml".to_owned(),
            text: yaml::stream(&objects),
        }],
        Format::Kustomize => kustomize::base(&objects, image),
        Format::Helm => helm::chart(spec, &objects, image),
    }
}

/// The Kubernetes objects of an application, in the order in which they are to be created.
///
/// `image` is what the pods run: by digest when deployed, by tag when rendered.
#[must_use]
pub fn manifests(spec: &AppSpec, image: &str) -> Vec<Value> {
    let mut objects = vec![service_account::service_account(spec)];
    if spec.coordinates() {
        objects.extend([role::role(spec), role::role_binding(spec)]);
    }
    if spec.policy {
        objects.extend(policy::fencing());
    }
    if !spec.ports.is_empty() && !matches!(spec.workload, Workload::Job { .. }) {
        objects.push(service::service(spec));
    }
    match &spec.workload {
        Workload::Replicated { replicas } => {
            objects.extend(deployment(spec, Role::Replica, image, *replicas));
        }
        Workload::Sharded(sharding) => {
            objects.push(service::headless(spec));
            if sharding.gate == Gate::Pod {
                objects.push(sharding::network_policy(spec));
            }
            if sharding.shards.get() > 1 {
                objects.push(disruption_budget::disruption_budget(spec, Role::Shard));
            }
            objects.push(stateful_set::stateful_set(
                spec,
                image,
                sharding.shards.get(),
            ));
            if let Some(routers) = sharding.router {
                objects.extend(deployment(spec, Role::Router, image, routers));
            }
        }
        Workload::Job {
            completions,
            parallelism,
        } => {
            objects.push(job::job(spec, image, completions.get(), parallelism.get()));
        }
    }
    objects
}

/// Equal copies, with a budget from two on.
fn deployment(
    spec: &AppSpec,
    role: Role,
    image: &str,
    replicas: NonZeroU32,
) -> impl Iterator<Item = Value> {
    let budget = (replicas.get() > 1).then(|| disruption_budget::disruption_budget(spec, role));
    let deployment = deployment::deployment(spec, role, image, replicas.get());
    budget.into_iter().chain([deployment])
}

/// [`manifests`] as one YAML stream, read alike by YAML 1.1 and 1.2.
#[must_use]
pub fn manifests_yaml(spec: &AppSpec, image: &str) -> String {
    yaml::stream(&manifests(spec, image))
}

/// Appends arguments to the program's container, wherever [`manifests`] has one. They reach the program as they are:
/// the `$(VAR)` of Kubernetes is escaped.
pub fn append_args(manifests: &mut [Value], args: &[String]) {
    if args.is_empty() {
        return;
    }
    let args = || args.iter().map(|arg| json!(pod::literal(arg)));
    let containers = manifests
        .iter_mut()
        .filter_map(|object| object.pointer_mut("/spec/template/spec/containers/0"));
    for container in containers {
        match &mut container["args"] {
            Value::Array(present) => present.extend(args()),
            absent => *absent = args().collect(),
        }
    }
}

/// `repository/name:tag`, or `name:tag` without a repository.
#[must_use]
pub fn image_reference(spec: &AppSpec, repository: Option<&Repository>) -> String {
    let AppSpec { name, tag, .. } = spec;
    match repository {
        Some(repository) => format!("{repository}/{name}:{tag}"),
        None => format!("{name}:{tag}"),
    }
}
