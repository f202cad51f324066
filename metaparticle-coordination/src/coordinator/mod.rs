//! [`Coordinator`]: what all elections and locks of a process share: the connection, who it is, the tasks, the end.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::{Client, Config};
use metaparticle_protocol::{Budget, Identity, Name};
use tokio::{runtime::Handle, sync::watch, task::JoinSet};

use crate::{
    clock::Clock,
    connect,
    error::label,
    events::{Events, events},
    identity::{self, Whoami},
    part::Part,
    session,
    store::Store,
};

#[doc(inline)]
pub use crate::{
    error::Error,
    metrics::{Metrics, Outcome, Verb},
    part::{Health, Kind, PartMetrics},
};

/// How long work under permits may go on after it was asked to end, if nothing else is said (E4).
pub const DRAIN: Duration = Duration::from_secs(10);
/// On top of that: for the last writes.
const FAREWELL: Duration = Duration::from_secs(3);

/// What all elections and locks of a process share. Clones are the same one.
///
/// One a process is enough, and cheapest: all its locks are carried by one session.
///
/// # Examples
/// ```no_run
/// # async fn run(client: kube::Client) -> Result<(), metaparticle_coordination::Error> {
/// use metaparticle_coordination::Coordinator;
///
/// let coordinator = Coordinator::connect().await?;                                 // a connection of its own
/// let other = Coordinator::builder(client).namespace("prod").start().await?;       // a client of yours
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Coordinator {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    whoami: Whoami,
    drain: Duration,
    session_budget: Budget,
    session: session::Slot,
    /// Whether its session says of a map of shards what it owns.
    shards: AtomicBool,
    events: Events,
    handle: Handle,
    tasks: Mutex<JoinSet<()>>,
    parts: Mutex<Vec<Arc<Part>>>,
    stopping: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
}

/// How to start a [`Coordinator`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    client: Client,
    namespace: Option<String>,
    whoami: Whoami,
    drain: Duration,
    session: Duration,
    clock: Clock,
}

impl Builder {
    /// Where its Leases are. Default: the pod's namespace (`METAPARTICLE_POD_NAMESPACE`), else the client's.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        Self {
            namespace: Some(namespace.into()),
            ..self
        }
    }

    /// Under which name it is known to others, and to people. Default: the pod's name (`METAPARTICLE_POD_NAME`), else the
    /// host's. It need not be unique.
    pub fn pod_name(self, name: impl Into<String>) -> Self {
        Self {
            whoami: Whoami::new(name.into(), None),
            ..self
        }
    }

    /// How long work under permits may go on once it was asked to end. Default: 10 s. The generated manifests leave a pod
    /// 25 s from the signal on.
    pub fn drain(self, drain: Duration) -> Self {
        Self { drain, ..self }
    }

    /// How long the session lasts that carries all locks of this process: whole seconds. Default: 15 s. When it dies, others
    /// have its locks after that long; while the API server is away, it holds them for 80 % of that.
    pub fn session(self, session: Duration) -> Self {
        Self { session, ..self }
    }

    #[cfg(test)]
    pub(crate) fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Starts it. Nothing is asked of the API server before an election or a lock is used.
    ///
    /// # Errors
    /// [`Error::Name`], if the namespace is none; [`Error::Lease`], if no session can last that long;
    /// [`Error::NoRuntime`] outside of a Tokio runtime.
    ///
    /// # Cancel safety
    /// Cancel safe.
    #[allow(
        clippy::unused_async,
        reason = "runs inside a runtime, and may ask the API server in a later version"
    )]
    pub async fn start(self) -> Result<Coordinator, Error> {
        let handle = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let namespace = self
            .namespace
            .or_else(identity::namespace)
            .unwrap_or_else(|| self.client.default_namespace().to_owned());
        let namespace = label(&namespace, "a namespace")?;
        let session_budget = Budget::try_new(self.session).map_err(|source| Error::Lease {
            of: Name::from("session"),
            source,
        })?;
        let store = Store::new(self.client, namespace.as_str());
        let (events, sending) = events(store.clone(), self.whoami.pod.clone());
        // Apart from the tasks that an end waits for: an Event is worth no wait.
        handle.spawn(sending);
        tracing::debug!(identity = %self.whoami.identity(), %namespace, "coordinator started");
        let coordinator = Coordinator {
            inner: Arc::new(Inner {
                store,
                clock: self.clock,
                whoami: self.whoami,
                drain: self.drain,
                session_budget,
                session: session::Slot::default(),
                shards: AtomicBool::new(false),
                events,
                handle,
                tasks: Mutex::default(),
                parts: Mutex::default(),
                stopping: watch::Sender::new(false),
                stopped: watch::Sender::new(false),
            }),
        };
        #[cfg(unix)]
        crate::sigterm::watch(&coordinator);
        Ok(coordinator)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("namespace", &self.namespace)
            .field("pod", &self.whoami.pod)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("identity", &self.identity())
            .field("namespace", self.inner.store.namespace())
            .finish_non_exhaustive()
    }
}

impl Coordinator {
    /// With a client of yours. Its connections are shared with your other requests, and its settings are yours: prefer
    /// [`Coordinator::of_config`], unless the client is something special.
    pub fn builder(client: Client) -> Builder {
        Builder {
            client,
            namespace: None,
            whoami: Whoami::of_environment(),
            drain: DRAIN,
            session: session::LEASE,
            clock: Clock::system(),
        }
    }

    /// With connections of its own to the cluster of `config`. Whatever `config` says about them, requests are sent once,
    /// and each has a limit that follows from the lease.
    ///
    /// # Errors
    /// [`Error::Config`], if it makes no client.
    pub fn of_config(config: Config) -> Result<Builder, Error> {
        Ok(Self::builder(connect::client(config)?))
    }

    /// With connections of its own to the cluster that the program runs in, or that the variable `KUBECONFIG` names; in
    /// the pod's namespace. The current context of `~/.kube/config` is never taken.
    ///
    /// # Errors
    /// [`Error::NoCluster`] and [`Error::Config`], if there is no such cluster; and as [`Builder::start`].
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn connect() -> Result<Self, Error> {
        Self::of_environment().await?.start().await
    }

    /// As [`connect`](Self::connect), to be changed before it is started.
    ///
    /// # Errors
    /// [`Error::NoCluster`] and [`Error::Config`], if there is no such cluster.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn of_environment() -> Result<Builder, Error> {
        Self::of_config(connect::config().await?)
    }

    /// Who it is in its elections: pod name, pod uid and a word that each coordinator draws anew.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.inner.whoami.identity()
    }

    /// Where its Leases are.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.inner.store.namespace()
    }

    /// How each election, the session and the locks are doing, by kind and name. A process is well as long as nothing here
    /// has [trouble](Health::trouble): for a liveness probe, that is too much, for it includes an API server that is away.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        let mut health: Vec<_> = self.parts().iter().map(|part| part.health()).collect();
        health.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        health
    }

    /// What went wrong with the last request to the API server; `None` if nothing did.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.inner.store.trouble()
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let mut parts: Vec<_> = self.parts().iter().map(|part| part.metrics()).collect();
        parts.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Metrics {
            requests: self.inner.store.requests().snapshot(),
            parts,
        }
    }

    /// Ends everything in order: terms are handed over, locks and the session given back, once the work under permits has
    /// ended or its time is up ([`Builder::drain`]). What is asked for later fails with [`Error::Shutdown`]. May be called
    /// more than once, from everywhere: all wait for the same end.
    ///
    /// A program that ends without it loses nothing but time: what it held expires.
    ///
    /// # Cancel safety
    /// Cancel safe: the end goes on by itself, as long as the runtime lives.
    pub async fn shutdown(&self) {
        let first = !self.inner.stopping.send_replace(true);
        if first {
            tracing::info!(rule = "E4", "coordination ends");
            let inner = Arc::clone(&self.inner);
            let limit = inner.drain + FAREWELL;
            inner.handle.clone().spawn(async move {
                let mut tasks = std::mem::take(&mut *lock(&inner.tasks));
                let all = async { while tasks.join_next().await.is_some() {} };
                if tokio::time::timeout(limit, all).await.is_err() {
                    tracing::warn!("coordination ends without some of its last writes");
                }
                inner.stopped.send_replace(true);
            });
        }
        // The sender lives as long as `self`.
        let _ = self.inner.stopped.subscribe().wait_for(|it| *it).await;
    }

    #[cfg(unix)]
    /// [`shutdown`](Self::shutdown) from a thread of no runtime; waits at most as long as that may take.
    pub(crate) fn shutdown_blocking(coordinators: &[Self]) {
        let (ended, end) = std::sync::mpsc::channel();
        let mut limit = Duration::ZERO;
        for coordinator in coordinators {
            limit = limit.max(coordinator.inner.drain + FAREWELL);
            let (coordinator, ended) = (coordinator.clone(), ended.clone());
            coordinator.inner.handle.clone().spawn(async move {
                coordinator.shutdown().await;
                // Dropped unsent with its runtime.
                drop(ended);
            });
        }
        drop(ended);
        let _: Result<(), _> = end.recv_timeout(limit + Duration::from_secs(1));
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.inner.stopping.borrow()
    }

    /// Waits until [`shutdown`](Self::shutdown) is called.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.inner.stopping.subscribe();
        async move {
            // An error: the last coordinator is gone, and nothing is left that could stop.
            let _ = stopping.wait_for(|it| *it).await;
        }
    }

    /// The Leases.
    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The clock of all guards.
    pub(crate) fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// What its session costs and bears.
    pub(crate) fn session_budget(&self) -> Budget {
        self.inner.session_budget
    }

    /// Where its session is kept.
    pub(crate) fn session_slot(&self) -> &session::Slot {
        &self.inner.session
    }

    /// Whether nobody has claimed that before.
    pub(crate) fn claim_shards(&self) -> bool {
        !self.inner.shards.swap(true, Ordering::AcqRel)
    }

    /// Who it is, in parts.
    pub(crate) fn whoami(&self) -> &Whoami {
        &self.inner.whoami
    }

    /// How long permits may keep a release waiting.
    pub(crate) fn drain(&self) -> Duration {
        self.inner.drain
    }

    /// Where tasks run, also for a `Drop` outside of it.
    pub(crate) fn handle(&self) -> &Handle {
        &self.inner.handle
    }

    /// Runs a task that [`shutdown`](Self::shutdown) waits for. It must end soon after [`stopping`](Self::stopping).
    ///
    /// # Errors
    /// [`Error::Shutdown`], and it does not run.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let mut tasks = lock(&self.inner.tasks);
        // Under the lock: the end takes the tasks after it has said so.
        if self.is_stopping() {
            return Err(Error::Shutdown);
        }
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &self.inner.handle);
        Ok(())
    }

    /// A part whose counts and health are told with the others', as long as somebody else keeps it, too. Events are about
    /// `lease`, if one is named.
    pub(crate) fn part(&self, kind: Kind, name: Name, lease: Option<Name>) -> Arc<Part> {
        let part = Arc::new(Part::new(kind, name, lease, self.inner.events.clone()));
        lock(&self.inner.parts).push(Arc::clone(&part));
        part
    }

    fn parts(&self) -> Vec<Arc<Part>> {
        let mut parts = lock(&self.inner.parts);
        parts.retain(|part| Arc::strong_count(part) > 1);
        parts.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
