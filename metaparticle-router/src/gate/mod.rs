//! [`Gate`]: what every process of a sharded program listens with. It runs on threads of its own, so that the program's
//! runtime, if it has one, knows nothing of it.

mod conn;
mod listen;
mod open;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::{self, Runtime},
    sync::{mpsc, watch},
    time::{self, Instant},
};

pub(crate) use self::conn::Activity;
use crate::{
    Client, Config, ConfigError, KeySource, Metrics, Ownership,
    budget::Budget,
    forward::{Router, Worker},
    hold::Hold,
    pool::{Limits, Pool},
};

/// Connections that wait to be accepted, a thread.
const BACKLOG: u32 = 1024;
/// Requests at a time on a connection of HTTP/2 to another process, which may allow no more than 100 (RFC 9113, 6.5.2).
const STREAMS: usize = 100;

/// A listener that serves what is owned here and forwards the rest. Ends when it is dropped, at once: what is under way is
/// cut. See [`shutdown`](Self::shutdown) for the other way.
///
/// # Guarantees
/// - A request with a key reaches the application of whoever owns the key's slot, or none: by one hop to another gate at
///   most, which proves first that it is who the map says.
/// - While a response is under way, its slot is not given away, until the drain's deadline.
/// - A request is sent again only if nothing of it was delivered, or if its method may be repeated (`GET`, `HEAD`, `PUT`,
///   `DELETE`, `OPTIONS`, `TRACE`), and only before the first byte of its response.
/// - What one client does not read is kept for nobody else to wait for: a connection carries the next request when the
///   response's body has ended.
///
/// # What a client sees
/// With the limits of [`Config`]'s defaults. The reason is in the header [`wire::REASON`](crate::wire::REASON) and a label of
/// `requests_total`; each 503 has `Retry-After`.
///
/// | what happens | status | [reason](crate::Reason) |
/// |---|---|---|
/// | the key's slot moves, before the request was sent | none: it waits | |
/// | it takes longer than 5 s, or too many wait | 503 | `hold-timeout`, `hold-overflow` |
/// | a peer turned it away, and more of its body was read than is kept | 503 | `not-delivered` |
/// | nobody owns the slot, or nobody can prove it, or there is no map | 503 | `no-owner`, `ownership-unproven`, `no-map` |
/// | the slot is lost while the application works on it | none: sent to the new owner; 503 if that may not be | `cut` |
/// | the application, or the owner's gate, accepts no connection within 1 s | 503 | `upstream-unreachable` |
/// | the connection breaks before there is an answer, or what comes is no HTTP | none: sent once more; 502 if that may not be | `upstream-failed` |
/// | no answer for 60 s | 504 | `upstream-timeout` |
/// | no byte of the request's body for 300 s | 408 | `body-timeout` |
/// | no byte of the response's body for 300 s | the response breaks off | `upstream-timeout` |
/// | a response is under way, and its slot moves | it breaks off 1 s later (gRPC: `UNAVAILABLE`) | `cut` |
/// | a WebSocket is open, and its slot moves | it ends at once | `cut` |
/// | the head of a request takes longer than 10 s, or none comes for 75 s | the connection ends | |
#[derive(Debug)]
#[must_use = "a gate ends when it is dropped"]
pub struct Gate {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: watch::Sender<Stop>,
    ended: mpsc::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Whether a gate goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// It does.
    Run,
    /// No new connections, and no new requests on others.
    Drain,
    /// It ends.
    Now,
}

/// A [`Gate`] that was not started yet.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder<O> {
    ownership: Arc<O>,
    app: Option<SocketAddr>,
    keys: KeySource,
    config: Config,
    threads: NonZeroUsize,
}

/// Why a gate does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// A limit or time makes no sense.
    #[error("the configuration of the gate makes no sense")]
    Config(#[from] ConfigError),
    /// Nothing can listen there.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A thread or its runtime cannot be made.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Gate {
    /// A gate before the application that listens at `app`. `ownership` knows who owns which slot, `keys` finds the key of
    /// a request.
    pub fn builder<O: Ownership>(
        ownership: Arc<O>,
        app: SocketAddr,
        keys: KeySource,
        config: Config,
    ) -> Builder<O> {
        Builder {
            app: Some(app),
            ..Self::router(ownership, keys, config)
        }
    }

    /// A gate before no application, which sends all requests to others; those without a key to anyone who owns a slot.
    pub fn router<O: Ownership>(ownership: Arc<O>, keys: KeySource, config: Config) -> Builder<O> {
        Builder {
            ownership,
            app: None,
            keys,
            config,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counts.
    #[must_use]
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Accepts no more connections, waits until the requests that are under way have ended, for at most `grace`, and cuts
    /// what is left then. Returns when all threads have ended.
    ///
    /// # Cancel safety
    /// Dropped, the gate ends at once.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stop.send_replace(Stop::Drain);
        let _ = time::timeout(grace, self.ended.recv()).await;
        self.stop.send_replace(Stop::Now);
        self.ended.recv().await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::Now);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl<O: Ownership> Builder<O> {
    /// On so many threads: one a core, unless said otherwise.
    pub const fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Listens at that address; port 0 lets the system choose ([`Gate::address`]).
    ///
    /// # Errors
    /// If the configuration makes no sense, or the address cannot be listened at.
    pub fn start(self, listen: SocketAddr) -> Result<Gate, GateError> {
        let count = self.threads;
        let workers = self.workers(count)?;
        let (stop, stopped) = watch::channel(Stop::Run);
        let (running, ended) = mpsc::channel(1);
        alone(listen).map_err(|source| GateError::Listen {
            address: listen,
            source,
        })?;
        let mut address = listen;
        let mut lanes = Vec::with_capacity(count.get());
        for index in 0..count.get() {
            let (runtime, listener) = lane(address)?;
            address = listener.local_addr().map_err(|source| GateError::Listen {
                address: listen,
                source,
            })?;
            lanes.push((runtime, listener, Arc::new(workers.worker(index))));
        }
        let mut gate = Gate {
            address,
            metrics: workers.metrics,
            stop,
            ended,
            threads: Vec::with_capacity(lanes.len()),
        };
        for (index, (runtime, listener, worker)) in lanes.into_iter().enumerate() {
            let (running, stopped) = (running.clone(), stopped.clone());
            let thread = thread::Builder::new()
                .name(format!("gate-{index}"))
                .spawn(move || {
                    runtime.block_on(listen::run(worker, listener, stopped));
                    // The tasks end before the gate is said to have ended.
                    drop(runtime);
                    drop(running);
                })
                .map_err(GateError::Thread)?;
            gate.threads.push(thread);
        }
        Ok(gate)
    }

    /// Listens nowhere: for requests of this process itself.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn client(self) -> Result<Client<O>, GateError> {
        let workers = self.workers(NonZeroUsize::MIN)?;
        Ok(Client::new(workers.worker(0), workers.metrics))
    }

    fn workers(self, count: NonZeroUsize) -> Result<Workers<O>, GateError> {
        self.config.check()?;
        let count = count.get();
        let limits = Limits {
            connect: self.config.connect_timeout,
            idle: self.config.pool_idle_timeout,
            idle_connections: self.config.pool_idle,
            streams: STREAMS,
        };
        let retries = self.config.retries_per_second;
        Ok(Workers {
            metrics: Arc::new(Metrics::new(count)),
            // Nobody asks a router for its application.
            app: self.app.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()),
            limits,
            retries: retries.div_ceil(u32::try_from(count).unwrap_or(u32::MAX)),
            router: Arc::new(Router {
                hold: Hold::new(self.config.hold_requests, self.config.hold_bytes),
                ownership: self.ownership,
                keys: self.keys,
                config: self.config,
                turn: self.app.is_none().then(AtomicU64::default),
            }),
        })
    }
}

/// What the workers of all threads are made of.
struct Workers<O> {
    router: Arc<Router<O>>,
    metrics: Arc<Metrics>,
    app: SocketAddr,
    limits: Limits,
    /// A second, for each of them.
    retries: u32,
}

impl<O> Workers<O> {
    fn worker(&self, index: usize) -> Worker<O> {
        let percent = self.router.config.retry_percent;
        Worker {
            router: self.router.clone(),
            pool: Pool::new(self.app, self.limits),
            budget: Budget::new(percent, self.retries, Instant::now()),
            recorder: self.metrics.recorder(index),
        }
    }
}

/// Whether nobody listens there. The listeners of a gate share their address, and would share it with another gate's.
fn alone(address: SocketAddr) -> io::Result<()> {
    std::net::TcpListener::bind(address).map(drop)
}

/// A runtime for one thread, with a listener of its own: the system divides the connections among those of an address.
fn lane(address: SocketAddr) -> Result<(Runtime, TcpListener), GateError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(GateError::Thread)?;
    let guard = runtime.enter();
    let listening = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        socket.set_reuseaddr(true)?;
        #[cfg(unix)]
        socket.set_reuseport(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    let listener = listening().map_err(|source| GateError::Listen { address, source })?;
    drop(guard);
    Ok((runtime, listener))
}
