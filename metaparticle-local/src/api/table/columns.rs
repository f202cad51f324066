//! Names, types and order of the columns: those of the real server, described in fewer words.

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// `string`, `integer`, …
    pub(super) kind: &'static str,
    /// Whether it is shown with `-o wide` only.
    pub(super) wide: bool,
    pub(super) description: &'static str,
}

const fn column(name: &'static str, description: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        wide: false,
        description,
    }
}

const fn wide(name: &'static str, description: &'static str) -> Column {
    Column {
        wide: true,
        ..column(name, description)
    }
}

const fn typed(name: &'static str, kind: &'static str, description: &'static str) -> Column {
    Column {
        kind,
        ..column(name, description)
    }
}

const NAME: Column = column("Name", "Name of the object.");
const AGE: Column = column("Age", "How long ago it was created.");
const CONTAINERS: Column = wide("Containers", "Names of the containers in the template.");
const IMAGES: Column = wide("Images", "Images of the containers in the template.");
const SELECTOR: Column = wide("Selector", "Which pods belong to it.");

/// The columns of a kind.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn of(kind: &str) -> Vec<Column> {
    match kind {
        "Namespace" => vec![NAME, column("Status", "Phase of the namespace."), AGE],
        "Node" => vec![
            NAME,
            column("Status", "Whether it takes pods."),
            column("Roles", "Roles of the node."),
            AGE,
            column("Version", "Version of its kubelet."),
            wide("Internal-IP", "Address inside."),
            wide("External-IP", "Address outside."),
            wide("OS-Image", "Operating system."),
            wide("Kernel-Version", "Kernel."),
            wide("Container-Runtime", "What runs its containers."),
        ],
        "Pod" => vec![
            NAME,
            column("Ready", "Containers that are ready, of all."),
            column("Status", "What its containers do."),
            column("Restarts", "How often containers were restarted."),
            AGE,
            wide("IP", "Address of the pod."),
            wide("Node", "Node it runs on."),
            wide("Nominated Node", "Node that is being freed for it."),
            wide("Readiness Gates", "Readiness gates that are open, of all."),
        ],
        "Service" => vec![
            NAME,
            column("Type", "How it is exposed."),
            column("Cluster-IP", "Address inside the cluster."),
            column("External-IP", "Address outside the cluster."),
            column("Port(s)", "Ports and protocols."),
            AGE,
            SELECTOR,
        ],
        "ConfigMap" => vec![NAME, column("Data", "Number of keys."), AGE],
        "Secret" => vec![
            NAME,
            column("Type", "What it is for."),
            column("Data", "Number of keys."),
            AGE,
        ],
        "Event" => vec![
            column("Last Seen", "When it was seen last."),
            column("Type", "Normal or Warning."),
            column("Reason", "Why, in a word."),
            column("Object", "What it is about."),
            wide("Subobject", "Which part of it."),
            wide("Source", "Who saw it."),
            column("Message", "What happened."),
            wide("First Seen", "When it was seen first."),
            wide("Count", "How often it was seen."),
            wide("Name", "Name of the object."),
        ],
        "Deployment" => vec![
            NAME,
            column("Ready", "Pods that are ready, of those wanted."),
            column("Up-to-date", "Pods of the current template."),
            column("Available", "Pods that have been ready for long enough."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        "ReplicaSet" => vec![
            NAME,
            typed("Desired", "integer", "Pods wanted."),
            typed("Current", "integer", "Pods there are."),
            typed("Ready", "integer", "Pods that are ready."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        "StatefulSet" => vec![
            NAME,
            column("Ready", "Pods that are ready, of those wanted."),
            AGE,
            CONTAINERS,
            IMAGES,
        ],
        "ControllerRevision" => vec![
            NAME,
            column("Controller", "Whose state it is."),
            column("Revision", "Number of the state."),
            AGE,
        ],
        "Job" => vec![
            NAME,
            column("Status", "How it goes."),
            column("Completions", "Pods that succeeded, of those wanted."),
            column("Duration", "How long it took."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        "CronJob" => vec![
            NAME,
            column("Schedule", "When its Jobs start."),
            column("Timezone", "Time zone of the schedule."),
            typed("Suspend", "boolean", "Whether it starts no Jobs."),
            typed("Active", "integer", "Jobs that run."),
            column("Last Schedule", "When a Job was started last."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ],
        "EndpointSlice" => vec![
            NAME,
            column("AddressType", "Kind of the addresses."),
            column("Ports", "Ports."),
            column("Endpoints", "Addresses."),
            AGE,
        ],
        "Lease" => vec![NAME, column("Holder", "Who holds it."), AGE],
        "Role" => vec![NAME, typed("Created At", "date", "When it was created.")],
        "RoleBinding" => vec![
            NAME,
            column("Role", "Role that it gives."),
            AGE,
            wide("Users", "Users it is given to."),
            wide("Groups", "Groups it is given to."),
            wide("ServiceAccounts", "ServiceAccounts it is given to."),
        ],
        "PodDisruptionBudget" => vec![
            NAME,
            column("Min Available", "Pods that must stay."),
            column("Max Unavailable", "Pods that may be missing."),
            typed("Allowed Disruptions", "integer", "Pods that may go now."),
            AGE,
        ],
        "HorizontalPodAutoscaler" => vec![
            NAME,
            column("Reference", "What it scales."),
            column("Targets", "Metrics, and what they should be."),
            column("MinPods", "Least pods."),
            column("MaxPods", "Most pods."),
            column("Replicas", "Pods there are."),
            AGE,
        ],
        "Ingress" => vec![
            NAME,
            column("Class", "Who serves it."),
            column("Hosts", "Hosts it is for."),
            column("Address", "Where it is reached."),
            column("Ports", "Ports it listens on."),
            AGE,
        ],
        "NetworkPolicy" => vec![NAME, column("Pod-Selector", "Pods it is for."), AGE],
        _ => vec![NAME, AGE],
    }
}
