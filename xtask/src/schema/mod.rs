//! `cargo xtask schema`: writes the types of the served kinds, as the test cluster describes them, into one table.

mod go_types;
mod openapi;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    cluster, command,
    file::{self, failed},
    terminal,
};

use self::{go_types::GoTypes, openapi::Types};

/// Where the table is, below the workspace.
const FOLDER: &str = "metaparticle-local/schema";

/// Every group and version with the kinds that are read; those of `metaparticle-local/src/api/resource.rs`.
const KINDS: &[(&str, &[&str])] = &[
    (
        "v1",
        &[
            "Binding",
            "ConfigMap",
            "Event",
            "Namespace",
            "Node",
            "Pod",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    (
        "apps/v1",
        &[
            "ControllerRevision",
            "Deployment",
            "ReplicaSet",
            "StatefulSet",
        ],
    ),
    ("autoscaling/v1", &["Scale"]),
    ("autoscaling/v2", &["HorizontalPodAutoscaler"]),
    ("batch/v1", &["CronJob", "Job"]),
    ("coordination.k8s.io/v1", &["Lease"]),
    ("discovery.k8s.io/v1", &["EndpointSlice"]),
    ("networking.k8s.io/v1", &["Ingress", "NetworkPolicy"]),
    ("policy/v1", &["Eviction", "PodDisruptionBudget"]),
    ("rbac.authorization.k8s.io/v1", &["Role", "RoleBinding"]),
];

/// A type that is needed and that no kind reaches.
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

/// Why the table was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// There is no cluster to ask.
    #[error("no cluster to read the types of")]
    Cluster(#[from] cluster::Error),
    /// kubectl or Go failed.
    #[error("cannot read the types")]
    Command(#[from] command::Error),
    /// What the cluster said is no JSON.
    #[error("{path} of the cluster is not JSON")]
    Json {
        /// What was asked.
        path: String,
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// The description of a type was not understood.
    #[error("the description of {at} is not understood: {what}")]
    Description {
        /// The type, or its field.
        at: String,
        /// What was found there.
        what: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] file::Error),
}

/// Reads the types and writes the table.
///
/// # Errors
/// When the cluster cannot be asked, describes a type in an unknown way, or the table cannot be written.
pub(crate) fn run() -> Result<(), Error> {
    let about = cluster::about()?;
    let text = |name: &str| about[name].as_str().unwrap_or_default().to_owned();
    let ask = |path: &str| {
        let kubeconfig = format!("--kubeconfig={}", text("kubeconfig"));
        let answer = command::run(&text("kubectl"), [&*kubeconfig, "get", "--raw", path])?;
        serde_json::from_str::<serde_json::Value>(&answer).map_err(|source| Error::Json {
            path: path.to_owned(),
            source,
        })
    };
    let version = ask("/version")?;
    let version = version["gitVersion"]
        .as_str()
        .unwrap_or("unknown")
        .to_owned();
    let mut types = Types::new(GoTypes::new(modules()?));
    for (group_version, kinds) in KINDS {
        let prefix = if group_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        types.add(&ask(&format!("/openapi/v3/{prefix}/{group_version}"))?);
        for kind in *kinds {
            types.reach_kind(group_version, kind)?;
        }
    }
    types.reach(DELETE_OPTIONS)?;
    let short = version.trim_start_matches('v');
    let short = short.rsplit_once('.').map_or(short, |(minor, _)| minor);
    let folder = workspace().join(FOLDER);
    let path = folder.join(format!("kubernetes-{short}.txt"));
    let table = format!("{}{}", head(&version), types.table());
    fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
    fs::write(&path, table).map_err(failed("write", &path))?;
    terminal::step(&format!("{} written from {version}", path.display()));
    Ok(())
}

fn head(version: &str) -> String {
    let mut head = String::new();
    for line in [
        "The types of the served kinds.",
        &format!(
            "Read from a Kubernetes {version} by `cargo xtask schema`, which renews this file; do not edit."
        ),
        "kind <apiVersion> <kind> <type>",
        "type <name> [atomic]",
        "  <field> <shape> [flag…]",
        "shapes: string, int32, …, @type, []item of a list, {}value of a map",
        "flags: pointer (Go), kept (written although empty), set or map=<keys> (a list; else atomic), atomic (a map),",
        "  patch=<strategies> and key=<key> (strategic merge), default=<JSON>, go=<Go's type>, in=<embedded Go struct>",
    ] {
        let _ = writeln!(head, "# {line}");
    }
    head
}

/// Where Go keeps the sources of `k8s.io/api` and `k8s.io/apimachinery` that the test cluster is built from.
fn modules() -> Result<[PathBuf; 2], Error> {
    let folder = workspace().join("xtask/cluster/kubernetes");
    let mut folders = Vec::new();
    for module in ["k8s.io/api", "k8s.io/apimachinery"] {
        let mut go = command::command("go", ["list", "-m", "-f", "{{.Dir}}", module]);
        folders.push(PathBuf::from(
            command::output(go.current_dir(&folder))?.trim_end(),
        ));
    }
    Ok(folders.try_into().expect("two modules were asked for"))
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is in the workspace")
}
