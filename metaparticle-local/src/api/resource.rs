//! [`Resource`]: the kinds that are served, with their names and scopes.

use serde_json::{Value, json};

/// One kind in one version.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are facts about a kind, each on its own"
)]
pub struct Resource {
    /// `apps`; empty for the core group.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// `deployments`.
    pub plural: &'static str,
    /// `deploy`.
    pub short: &'static [&'static str],
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
    /// Whether it has `/status`.
    pub status: bool,
    /// Whether it has `/scale`.
    pub scale: bool,
    /// Whether controllers or the node act on it. The others are stored and served only.
    pub acted_on: bool,
}

/// `namespaces`.
pub static NAMESPACE: Resource = Resource::cluster("", "v1", "Namespace", "namespaces")
    .short(&["ns"])
    .with_status();

/// `nodes`.
pub static NODE: Resource = Resource::cluster("", "v1", "Node", "nodes")
    .short(&["no"])
    .with_status();

/// `pods`.
pub static POD: Resource = Resource::namespaced("", "v1", "Pod", "pods")
    .short(&["po"])
    .with_status();

/// `services`.
pub static SERVICE: Resource = Resource::namespaced("", "v1", "Service", "services")
    .short(&["svc"])
    .with_status();

/// `configmaps`.
pub static CONFIG_MAP: Resource =
    Resource::namespaced("", "v1", "ConfigMap", "configmaps").short(&["cm"]);

/// `secrets`.
pub static SECRET: Resource = Resource::namespaced("", "v1", "Secret", "secrets");

/// `serviceaccounts`.
pub static SERVICE_ACCOUNT: Resource =
    Resource::namespaced("", "v1", "ServiceAccount", "serviceaccounts").short(&["sa"]);

/// `events`.
pub static EVENT: Resource = Resource::namespaced("", "v1", "Event", "events").short(&["ev"]);

/// `deployments`.
pub static DEPLOYMENT: Resource = Resource::namespaced("apps", "v1", "Deployment", "deployments")
    .short(&["deploy"])
    .with_status()
    .with_scale();

/// `replicasets`.
pub static REPLICA_SET: Resource = Resource::namespaced("apps", "v1", "ReplicaSet", "replicasets")
    .short(&["rs"])
    .with_status()
    .with_scale();

/// `statefulsets`.
pub static STATEFUL_SET: Resource =
    Resource::namespaced("apps", "v1", "StatefulSet", "statefulsets")
        .short(&["sts"])
        .with_status()
        .with_scale();

/// `controllerrevisions`.
pub static CONTROLLER_REVISION: Resource =
    Resource::namespaced("apps", "v1", "ControllerRevision", "controllerrevisions");

/// `jobs`.
pub static JOB: Resource = Resource::namespaced("batch", "v1", "Job", "jobs").with_status();

/// `cronjobs`.
pub static CRON_JOB: Resource = Resource::namespaced("batch", "v1", "CronJob", "cronjobs")
    .short(&["cj"])
    .with_status()
    .stored_only();

/// `endpointslices`.
pub static ENDPOINT_SLICE: Resource =
    Resource::namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");

/// `leases`.
pub static LEASE: Resource = Resource::namespaced("coordination.k8s.io", "v1", "Lease", "leases");

/// `roles`.
pub static ROLE: Resource =
    Resource::namespaced("rbac.authorization.k8s.io", "v1", "Role", "roles").stored_only();

/// `rolebindings`.
pub static ROLE_BINDING: Resource = Resource::namespaced(
    "rbac.authorization.k8s.io",
    "v1",
    "RoleBinding",
    "rolebindings",
)
.stored_only();

/// `poddisruptionbudgets`.
pub static POD_DISRUPTION_BUDGET: Resource = Resource::namespaced(
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
)
.short(&["pdb"])
.with_status()
.stored_only();

/// `horizontalpodautoscalers`.
pub static HORIZONTAL_POD_AUTOSCALER: Resource = Resource::namespaced(
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
)
.short(&["hpa"])
.with_status()
.stored_only();

/// `ingresses`.
pub static INGRESS: Resource =
    Resource::namespaced("networking.k8s.io", "v1", "Ingress", "ingresses")
        .short(&["ing"])
        .with_status()
        .stored_only();

/// `networkpolicies`.
pub static NETWORK_POLICY: Resource = Resource::namespaced(
    "networking.k8s.io",
    "v1",
    "NetworkPolicy",
    "networkpolicies",
)
.short(&["netpol"])
.stored_only();

/// What is sent to `pods/…/binding`: no resource of its own.
pub(crate) static BINDING: Resource = Resource::namespaced("", "v1", "Binding", "bindings");

/// What is sent to `pods/…/eviction`: no resource of its own.
pub(crate) static EVICTION: Resource =
    Resource::namespaced("policy", "v1", "Eviction", "evictions");

/// `/scale` of workloads: a part of them, so none of [`ALL`].
pub static SCALE: Resource = Resource::namespaced("autoscaling", "v1", "Scale", "scales");

/// Every resource.
pub static ALL: &[&Resource] = &[
    &NAMESPACE,
    &NODE,
    &POD,
    &SERVICE,
    &CONFIG_MAP,
    &SECRET,
    &SERVICE_ACCOUNT,
    &EVENT,
    &DEPLOYMENT,
    &REPLICA_SET,
    &STATEFUL_SET,
    &CONTROLLER_REVISION,
    &JOB,
    &CRON_JOB,
    &ENDPOINT_SLICE,
    &LEASE,
    &ROLE,
    &ROLE_BINDING,
    &POD_DISRUPTION_BUDGET,
    &HORIZONTAL_POD_AUTOSCALER,
    &INGRESS,
    &NETWORK_POLICY,
];

impl Resource {
    const fn namespaced(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            group,
            version,
            kind,
            plural,
            short: &[],
            namespaced: true,
            status: false,
            scale: false,
            acted_on: true,
        }
    }

    const fn cluster(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            namespaced: false,
            ..Self::namespaced(group, version, kind, plural)
        }
    }

    const fn short(self, short: &'static [&'static str]) -> Self {
        Self { short, ..self }
    }

    const fn with_status(self) -> Self {
        Self {
            status: true,
            ..self
        }
    }

    const fn with_scale(self) -> Self {
        Self {
            scale: true,
            ..self
        }
    }

    const fn stored_only(self) -> Self {
        Self {
            acted_on: false,
            ..self
        }
    }

    /// Its place in [`ALL`].
    pub(crate) fn index(&'static self) -> usize {
        ALL.iter()
            .position(|it| std::ptr::eq(*it, self))
            .expect("every resource is in ALL")
    }

    /// Whether a PUT on a name that is free creates the object.
    pub(crate) fn is_created_by_put(&self) -> bool {
        matches!(
            self.kind,
            "Service" | "Event" | "Lease" | "Role" | "RoleBinding"
        )
    }

    /// Whether the answer to a deletion is the object instead of a Status.
    pub(crate) fn is_returned_by_delete(&self) -> bool {
        matches!(self.kind, "Pod" | "Service" | "ServiceAccount")
    }

    /// Whether `DELETE` of all its objects at once is served.
    #[must_use]
    pub fn is_deleted_as_collection(&self) -> bool {
        self.kind != NAMESPACE.kind
    }

    /// `deployment`.
    #[must_use]
    pub fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    /// By group, version and plural, as in a path.
    #[must_use]
    pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        ALL.iter()
            .copied()
            .find(|it| it.group == group && it.version == version && it.plural == plural)
    }

    /// By `apiVersion` and `kind`, as in an object.
    #[must_use]
    pub fn of_kind(api_version: &str, kind: &str) -> Option<&'static Self> {
        ALL.iter()
            .copied()
            .find(|it| it.kind == kind && it.api_version() == api_version)
    }

    /// `apps/v1`, `v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, `pods`: as errors name it.
    #[must_use]
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `Deployment.apps`, `Pod`.
    pub(crate) fn kind_and_group(&self) -> String {
        if self.group.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// `details` of a Status about one object.
    #[must_use]
    pub fn details(&self, name: &str) -> Value {
        let mut details = json!({"kind": self.plural});
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !self.group.is_empty() {
            details["group"] = self.group.into();
        }
        details
    }
}
