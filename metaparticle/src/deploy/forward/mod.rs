//! The program's ports on this machine: [`serve`] listens on loopback and carries each connection to a ready pod.
//!
//! # Guarantees
//! Connections go to the ready pods in turn, and pods may come and go: a connection that a pod does not take goes to the
//! next before the program has seen a byte of it. While no pod is ready, connections are held for ten seconds. A
//! connection that breaks on the way is reset, so that what arrived is not taken for the whole.
//!
//! # Caveats
//! The API server's protocol cannot end one direction of a connection alone. A program that answers only after its
//! client has ended its side is not reached; the end of the client's side is passed on after the answer.

mod bind;
mod pods;
mod tunnel;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};
use metaparticle_spec::{Port, Protocol};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use self::{
    bind::bind,
    pods::{Ready, keep},
    tunnel::{Attempt, attempt},
};
use super::{
    mirror::mirror,
    report::{Event, Report},
};

/// Connections at a time, over all ports; more wait.
const CONNECTIONS: usize = 512;
/// How long a connection is held while no pod takes it.
const HELD: Duration = Duration::from_secs(10);
/// How long to wait before a pod that refused is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// A port that cannot be forwarded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No port of this machine is free.
    #[error("cannot listen on 127.0.0.1 for port {port}")]
    Listen {
        /// The program's port.
        port: u16,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// Ports that are forwarded for as long as this lives.
#[derive(Debug)]
#[must_use = "ports are forwarded only as long as this lives"]
pub struct Forward {
    addresses: Vec<Address>,
    _tasks: JoinSet<()>,
}

/// A port that is to be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The port that the program declares.
    pub port: Port,
    /// The number of the pods' port to which its connections go: its own, or that of the gate before it.
    pub pod: u16,
}

impl From<Port> for Target {
    fn from(port: Port) -> Self {
        let pod = port.number.get();
        Self { port, pod }
    }
}

/// A port of the program on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// The port that the program declares.
    pub port: Port,
    /// Where it is reached from this machine.
    pub local: SocketAddr,
}

impl Forward {
    /// Where each TCP port is reached, in the order of declaration.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

/// Forwards the TCP ports among `ports` to the ready pods that match `selector`, and tells `report` where they are and
/// what keeps them from being reached.
///
/// # Errors
/// [`Error::Listen`] if no port of this machine is free. Everything later is told, and survived.
///
/// # Cancel safety
/// Dropping the future, or the [`Forward`], closes all ports and connections and leaves no task behind.
pub async fn serve(
    client: &Client,
    namespace: &str,
    selector: &str,
    ports: &[Target],
    report: &Report,
) -> Result<Forward, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let (names, ready) = watch::channel(Vec::new());
    let ready = Ready::new(ready);
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut addresses = Vec::new();
    let mut tasks = JoinSet::new();
    for Target { port, pod } in ports {
        let number = port.number.get();
        if port.protocol == Protocol::Udp {
            report.event(Event::note(format!(
                "port {number}/udp is not forwarded: the API server carries TCP only"
            )));
            continue;
        }
        let listening = bind(number).await.and_then(|listener| {
            let local = listener.local_addr()?;
            Ok((listener, local))
        });
        let (listener, local) = listening.map_err(|source| Error::Listen {
            port: number,
            source,
        })?;
        if local.port() != number {
            report.event(Event::note(format!(
                "port {number} is taken on this machine; it is forwarded from {local}"
            )));
        }
        let carrier = Carrier {
            pods: pods.clone(),
            ready: ready.clone(),
            port: *pod,
            report: report.clone(),
            told: Arc::default(),
        };
        tasks.spawn(listen(listener, carrier, permits.clone()));
        report.event(Event::Forwarded {
            port: number,
            url: format!("http://{local}"),
        });
        addresses.push(Address {
            port: port.clone(),
            local,
        });
    }
    if !addresses.is_empty() {
        let updates = mirror(pods, ListParams::default().labels(selector));
        let report = report.clone();
        tasks.spawn(async move {
            if let Err(error) = keep(updates, &names).await {
                report.event(Event::warning(format!(
                    "ports are no longer forwarded to new pods: {error}"
                )));
            }
        });
    }
    Ok(Forward {
        addresses,
        _tasks: tasks,
    })
}

/// Accepts connections, as many at a time as there are permits.
async fn listen(listener: TcpListener, carrier: Carrier, permits: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        let permit = permits.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let carrier = carrier.clone();
                    connections.spawn(async move {
                        carrier.carry(stream).await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, mostly: connections that end give some back.
                Err(_) => sleep(RETRY).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What a connection needs to find a pod.
#[derive(Clone)]
struct Carrier {
    pods: Api<Pod>,
    ready: Ready,
    /// Of the pods.
    port: u16,
    report: Report,
    /// Whether it was told that no pod takes connections; told again after one was carried.
    told: Arc<AtomicBool>,
}

impl Carrier {
    async fn carry(mut self, mut client: TcpStream) {
        let until = Instant::now() + HELD;
        let mut tried = Vec::new();
        let mut early = BytesMut::new();
        let mut why = "no pod is ready".to_owned();
        let _ = client.set_nodelay(true);
        loop {
            let Some(pod) = self.ready.next(&tried) else {
                // None, or all have refused: until one comes, or is worth another try.
                let pause = async {
                    if tried.is_empty() {
                        std::future::pending::<()>().await;
                    } else {
                        sleep(RETRY).await;
                    }
                };
                let changed = async {
                    tokio::select! {
                        () = self.ready.changed() => {}
                        () = pause => {}
                    }
                };
                if timeout_at(until, changed).await.is_err() {
                    return self.give_up(client, &why);
                }
                tried.clear();
                continue;
            };
            match attempt(&self.pods, &pod, self.port, &mut client, &mut early).await {
                Attempt::Carried => {
                    self.told.store(false, Ordering::Relaxed);
                    return;
                }
                Attempt::Refused(reason) => {
                    why = format!("pod {pod} does not take it: {}", reason.trim());
                    tried.push(pod);
                }
            }
            if Instant::now() >= until {
                return self.give_up(client, &why);
            }
        }
    }

    /// Closes a connection that no pod has taken, and says so once until one is taken again.
    fn give_up(&self, client: TcpStream, why: &str) {
        let _ = client.set_zero_linger();
        drop(client);
        if !self.told.swap(true, Ordering::Relaxed) {
            self.report.event(Event::warning(format!(
                "a connection to port {} was closed after {} s: {why}",
                self.port,
                HELD.as_secs()
            )));
        }
    }
}
