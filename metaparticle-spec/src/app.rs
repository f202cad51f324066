//! [`AppSpec`]: everything that the attributes on `main` can say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    EnvName, ImageRef, Name, Namespace, Port, Probes, Repository, Resources, Tag, Workload,
};

/// A checked application. Every value in it is valid by its type; rules between values are in [`AppSpec::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSpec {
    /// Name of every generated object; default: the binary's name.
    pub name: Name,
    /// Where the image is pushed, without name and tag: `registry.example.com/team`.
    pub repository: Option<Repository>,
    /// Tag written beside the digest; default: the package's version.
    pub tag: Tag,
    /// Namespace; default: the one of the kubeconfig context.
    pub namespace: Option<Namespace>,
    /// The kubeconfig context to deploy to. Nothing is ever deployed to a context that was not named.
    pub context: Option<String>,
    /// Ports on which the program listens.
    pub ports: Vec<Port>,
    /// Whether the Service is reachable from outside the cluster (`type: LoadBalancer`).
    pub public: bool,
    /// Environment of the container, by value.
    pub env: BTreeMap<EnvName, String>,
    /// Requests and limits.
    pub resources: Resources,
    /// Readiness, liveness and startup probes.
    pub probes: Probes,
    /// Base image; default: `scratch` plus CA certificates for static programs.
    pub base: Option<ImageRef>,
    /// What the first Ctrl-C does to what was deployed.
    pub on_exit: OnExit,
    /// Whether the program calls elections, locks or shards: gives it a token and the smallest Role.
    pub coordination: bool,
    /// Whether the API server is asked to refuse what deposed holders write: `coordination(policy)`.
    pub policy: bool,
    /// What kind of program it is, and how many copies run.
    pub workload: Workload,
}

impl AppSpec {
    /// Whether the program speaks to Kubernetes: asked for by `coordination`, implied by shards.
    #[must_use]
    pub fn coordinates(&self) -> bool {
        self.coordination || self.policy || matches!(self.workload, Workload::Sharded(..))
    }
}

/// What the first Ctrl-C after a deployment does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExit {
    /// Leaves everything running (default on clusters).
    #[default]
    Detach,
    /// Deletes exactly what this application deployed.
    Delete,
}
