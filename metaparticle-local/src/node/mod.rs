//! The node: pods as processes.
//!
//! What the kubelet does, it does as the kubelet (order, restarts, probes, status, events); what a container has and a
//! process has not is said once per pod, in an Event.
//!
//! # Addresses
//! Each pod has its own address of 127.0.0.0/8. Programs bind `0.0.0.0` or `::` as always, and get the pod's address
//! instead; binds of other addresses, also of 127.0.0.1, stay as they are, so `localhost` is the machine's and not the
//! pod's. Where that cannot be done (outside Linux, or where seccomp notification is refused) all pods share 127.0.0.1 and
//! need different ports: see [`Ports`].
//!
//! A port that another program of this machine has on all addresses is taken at the pods' as well. Then the pod listens on
//! another one, which is noted in [`Ports`] and said in an Event.
//!
//! # Files
//! A container starts in an empty folder of its own, or in its `workingDir`, a folder of this machine. Volumes are folders
//! in `METAPARTICLE_VOLUMES`; nothing is mounted. All of it goes with the pod or the node: see [`NodeConfig::folder`].
//!
//! # Environment
//! Later ones override earlier ones:
//! 1. of this process: `PATH`, `HOME`, `USER`, `LANG`, `LC_ALL`, `TZ`, `TMPDIR`, `RUST_LOG`, `RUST_BACKTRACE`, `LD_LIBRARY_PATH`,
//!    `DYLD_FALLBACK_LIBRARY_PATH` (as `cargo run` sets them), and what
//!    [`NodeConfig::env`] adds; nothing else of it is seen by pods;
//! 2. of the node: `HOSTNAME`, `KUBECONFIG`, `METAPARTICLE_LISTEN_ADDRESS` (the pod's own address), `METAPARTICLE_SESSION`
//!    (seconds of a session of shards, which starts sooner with short ones), `METAPARTICLE_VOLUMES` (the folder that has each volume by its name) and, where pods share one address,
//!    `METAPARTICLE_PORT_<n>` for each `containerPort` n: the port to listen on instead;
//! 3. of the Services in the pod's namespace: `<NAME>_SERVICE_HOST`, `<NAME>_SERVICE_PORT`, `<NAME>_SERVICE_PORT_<PORT>`,
//!    unless `enableServiceLinks: false`;
//! 4. of the [`Program`]; 5. `envFrom`; 6. `env`.
//!
//! # Probes
//! Until a startup or readiness probe succeeds for the first time it is tried after 50, 100, 200, … milliseconds, up to
//! its period; a failure counts once a period.
//!
//! # Security
//! The cluster keeps nobody out; it is for programs that you trust, on a machine whose users you trust. Any user of the
//! machine may connect to the addresses of pods and Services, as to everything on loopback. Whoever may create a pod may
//! run any program of this machine as you, by `command`, `workingDir`, probes and hooks with `exec`. Every pod has the
//! kubeconfig. What is above about addresses and processes is for order, no boundary.
//!
//! # Processes
//! All processes of a pod end with its container, its node and this process, even if that is killed.

mod address;
mod backoff;
mod config;
mod container;
pub(crate) mod environment;
mod home;
mod ignored;
mod kubelet;
mod logs;
mod pod;
mod ports;
mod probe;
mod process;
mod program;
mod quantity;
mod register;
mod volumes;
mod worker;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize as _;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use self::{
    address::Subnet,
    home::Home,
    kubelet::PodLogs,
    process::Spawner,
    worker::{Update, Worker},
};
pub use self::{
    config::{Addresses, NodeConfig},
    ports::Ports,
    program::Program,
};
use crate::{
    api::{Api, Change, resource},
    proxy::Listening,
};

/// A running node. Dropping it kills all pods and removes their files, before it returns.
#[derive(Debug)]
#[must_use]
pub struct Node {
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

/// What the pods' workers share.
#[derive(Debug)]
struct Inner {
    api: Api,
    config: NodeConfig,
    /// Where Services are reached, if there is a proxy.
    services: OnceLock<watch::Receiver<Arc<[Listening]>>>,
    spawner: Arc<Spawner>,
    home: Arc<Home>,
    /// None: pods share 127.0.0.1.
    subnet: Option<Subnet>,
    capacity: BTreeMap<String, String>,
    programs: watch::Sender<BTreeMap<String, Program>>,
    /// How long pods have to end, when the node does.
    shutdown: watch::Sender<Option<Duration>>,
    /// By the pods' uids.
    logs: Mutex<HashMap<String, PodLogs>>,
    /// What was said already that concerns more than one pod.
    said: Mutex<Vec<String>>,
}

/// Starts a node: registers it, and runs the pods that are bound to it.
///
/// # Errors
/// If no process can be started, or no folder made.
///
/// # Cancel safety
/// Cancel safe: what was started ends.
pub async fn start(api: &Api, config: NodeConfig) -> io::Result<Node> {
    let spawner = Arc::new(Spawner::new()?);
    let home = Arc::new(Home::create(config.folder.as_deref())?);
    let subnet = match config.addresses {
        Addresses::Shared => Err("as they were told to".to_owned()),
        Addresses::OwnIfPossible if !spawner.can_rewrite().await => {
            Err("seccomp notification is refused here, or this is not Linux".to_owned())
        }
        Addresses::OwnIfPossible => Subnet::claim().map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => "the subnets that were tried are taken".to_owned(),
            _ => format!("127.0.0.0/8 cannot be used: {error}"),
        }),
    };
    let subnet = subnet.inspect_err(|why| tracing::info!(why, "pods share 127.0.0.1"));
    let subnet = subnet.ok();
    let inner = Arc::new(Inner {
        api: api.clone(),
        spawner,
        home,
        subnet,
        capacity: register::capacity(),
        programs: watch::Sender::new(config.programs.clone()),
        shutdown: watch::Sender::default(),
        logs: Mutex::default(),
        said: Mutex::default(),
        services: OnceLock::new(),
        config,
    });
    register::register(&inner);
    api.set_kubelet(Arc::new(kubelet::Handle(Arc::downgrade(&inner))));
    let task = tokio::spawn(run(inner.clone()));
    Ok(Node { inner, task })
}

impl Node {
    /// Adds images, or changes what runs for them from the next start on.
    pub fn add_programs(&self, programs: impl IntoIterator<Item = (String, Program)>) {
        let programs = programs.into_iter();
        self.inner.programs.send_modify(|all| all.extend(programs));
    }

    /// Tells pods that start from now on where Services are reached. For once, before the first pod.
    pub fn set_services(&self, services: watch::Receiver<Arc<[Listening]>>) {
        // There is one proxy.
        let _ = self.inner.services.set(services);
    }

    /// Whether all pods share one address.
    #[must_use]
    pub fn shares_address(&self) -> bool {
        self.inner.subnet.is_none()
    }

    /// The node's address: with addresses for each pod, one of the cluster's own.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.inner.host_ip()
    }

    /// Ends all pods in order, as if they were deleted: what has not ended after `grace` is killed.
    ///
    /// # Cancel safety
    /// Cancel safe: what still runs is killed.
    pub async fn shutdown(mut self, grace: Duration) {
        self.inner.shutdown.send_replace(Some(grace));
        let _ = timeout(grace + Duration::from_secs(1), &mut self.task).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
        self.inner.spawner.end();
        self.inner.home.remove();
    }
}

impl Inner {
    fn host_ip(&self) -> IpAddr {
        let host = self.subnet.as_ref().map(Subnet::host);
        host.unwrap_or(Ipv4Addr::LOCALHOST).into()
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<String, PodLogs>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something to whoever watches the program, once.
    fn say_once(&self, what: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if !said.iter().any(|it| it == what) {
            tracing::warn!("{what}");
            said.push(what.to_owned());
        }
    }
}

/// Gives each pod of this node a worker, until the node is shut down and the last one has ended.
async fn run(node: Arc<Inner>) {
    let mut changes = node.api.changes(&[&resource::POD]);
    let mut shutdown = node.shutdown.subscribe();
    let mut workers = JoinSet::new();
    let mut pods: HashMap<String, watch::Sender<Update>> = HashMap::new();
    loop {
        tokio::select! {
            change = changes.next() => {
                if let Some((uid, update)) = start_or_update(&node, &mut pods, &change) {
                    workers.spawn(Worker::new(node.clone(), &uid, update.subscribe()).run());
                    pods.insert(uid, update);
                }
            }
            Some(_) = workers.join_next(), if !workers.is_empty() => {}
            _ = shutdown.wait_for(Option::is_some) => break,
        }
    }
    while workers.join_next().await.is_some() {}
}

/// Tells the worker of a pod of its change; the pod's uid and its first state if it needs a worker.
fn start_or_update(
    node: &Inner,
    pods: &mut HashMap<String, watch::Sender<Update>>,
    change: &Change,
) -> Option<(String, watch::Sender<Update>)> {
    let object = &change.object;
    let uid = object["metadata"]["uid"].as_str()?;
    if object["spec"]["nodeName"] != node.config.name.as_str() {
        return None;
    }
    let update = Update {
        pod: Arc::new(Pod::deserialize(&**object).ok()?),
        object: object.clone(),
        gone: change.deleted,
    };
    if let Some(known) = pods.get(uid) {
        known.send_replace(update);
        if change.deleted {
            pods.remove(uid);
        }
        return None;
    }
    let phase = object["status"]["phase"].as_str();
    let is_over = matches!(phase, Some("Succeeded" | "Failed"));
    (!change.deleted && !is_over).then(|| (uid.to_owned(), watch::Sender::new(update)))
}

/// Ends a test that this machine cannot do, unless it must.
#[cfg(test)]
fn skip(why: &str) {
    let must = std::env::var_os("METAPARTICLE_REQUIRE_ADDRESSES");
    assert!(must.is_none_or(|it| it != "1"), "skipped: {why}");
    eprintln!("skipped: {why}");
}

#[cfg(test)]
mod tests;
