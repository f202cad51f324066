//! A real Kubernetes on one machine, for tests: its programs built from Go
//! modules, container runtime and registry from Debian, everything in folders,
//! namespaces, cgroups and a bridge of its own.

mod certificates;
mod cgroups;
mod containerd;
mod control_plane;
mod down;
mod error;
mod kubeconfig;
mod kubelet;
mod layout;
mod machine;
mod network;
mod pause;
mod prerequisites;
mod process;
mod programs;
mod registry;
mod settings;
mod state;
mod up;
mod wait;

use std::ffi::OsString;

use clap::Subcommand;

use self::layout::{CONTEXT, MAX_NODES, Node};
use self::state::{Lock, State};
use crate::terminal;

pub(crate) use self::error::Error;

/// Names a cluster to be used instead of the one that `up` makes.
pub(crate) const OTHER_CLUSTER: &str = "METAPARTICLE_TEST_KUBECONFIG";

/// The program that has all of Kubernetes in it, built at the first use.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn kubernetes() -> Result<std::path::PathBuf, crate::go::Error> {
    programs::KUBERNETES.build()
}

/// What to do with the test cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Bring it up; does nothing if it runs
    Up {
        /// How many nodes
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_NODES)))]
        nodes: u8,
    },
    /// Remove it and everything it left on the machine
    Down,
    /// Tell where it is and whether it works
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// List everything of it that is on the machine
    Traces,
}

/// Does it.
///
/// # Errors
/// When it cannot be done; the cluster may be half up or half down then, and
/// the same command can be run again.
pub(crate) fn run(action: &Action) -> Result<(), Error> {
    if let Some(other) = std::env::var_os(OTHER_CLUSTER).filter(|other| !other.is_empty())
        && !matches!(action, Action::Traces)
    {
        say_other(&other, action);
        return Ok(());
    }
    match action {
        Action::Up { nodes } => up::up(*nodes),
        Action::Down => down(),
        Action::Status { json } => status(*json),
        Action::Traces => {
            for trace in machine::own() {
                terminal::result(&trace.to_string());
            }
            Ok(())
        }
    }
}

fn down() -> Result<(), Error> {
    prerequisites::check_root()?;
    let _lock = Lock::take()?;
    let found = machine::own().len();
    if found == 0 {
        terminal::step("there is no test cluster on this machine");
        return Ok(());
    }
    down::remove(State::load()?.as_ref())?;
    terminal::step(&format!(
        "the test cluster is gone: {found} things of it were here, none is left"
    ));
    Ok(())
}

/// Where everything of the running cluster is, once all of it works.
///
/// # Errors
/// When there is none, or not all of it works.
pub(crate) fn about() -> Result<serde_json::Value, Error> {
    let not_running = |why: &str| Error::NotRunning(why.to_owned());
    let state = State::load()?.ok_or_else(|| not_running("`cargo xtask cluster up` starts one"))?;
    if !state.complete {
        return Err(not_running("`up` did not reach its end; run it again"));
    }
    if let Some(ended) = state.processes.iter().find(|process| !process.is_running()) {
        return Err(not_running(&format!(
            "{} has ended; run `up` again",
            ended.name
        )));
    }
    let ready = control_plane::ready_nodes();
    if ready != usize::from(state.nodes) {
        return Err(not_running(&format!(
            "{ready} of {} nodes are ready",
            state.nodes
        )));
    }
    Ok(describe(&state))
}

fn describe(state: &State) -> serde_json::Value {
    let nodes: Vec<_> = Node::all(state.nodes).map(Node::name).collect();
    let parts = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    ];
    let control_plane = state.processes.iter();
    let control_plane = control_plane.filter(|it| parts.contains(&it.name.as_str()));
    let control_plane: Vec<_> = control_plane.map(|it| it.pid.to_string()).collect();
    serde_json::json!({
        "kubeconfig": layout::kubeconfig(),
        "context": CONTEXT,
        "kubectl": layout::kubectl(),
        "kubernetes": programs::kubernetes_version(),
        "registry": registry::address(),
        "registryAccessLog": layout::registry_access_log(),
        "logs": layout::home("logs"),
        "nodes": nodes,
        "controlPlane": control_plane,
    })
}

fn status(json: bool) -> Result<(), Error> {
    say(&about()?, json);
    Ok(())
}

/// Says where everything is.
fn say(about: &serde_json::Value, json: bool) {
    if json {
        terminal::result(&about.to_string());
        return;
    }
    for (name, value) in about.as_object().into_iter().flatten() {
        let many = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        let words: Vec<_> = many.iter().filter_map(serde_json::Value::as_str).collect();
        terminal::result(&format!("{name:<18} {}", words.join(" ")));
    }
}

fn say_other(kubeconfig: &OsString, action: &Action) {
    let kubeconfig = kubeconfig.display();
    if matches!(action, Action::Status { json: true }) {
        let kubeconfig = kubeconfig.to_string();
        terminal::result(&serde_json::json!({ "kubeconfig": kubeconfig }).to_string());
    } else {
        terminal::step(&format!(
            "{OTHER_CLUSTER} names {kubeconfig}: tests use that cluster, nothing is done here"
        ));
    }
}
