//! The proxy: Services on loopback, balanced over their ready pods.
//!
//! A port of a Service is listened on at its own number if that is free and allowed, else at the next one that is (80
//! becomes 8080, then 8081, …): see [`Proxy::addresses`]. Connections go to the endpoints in turn; one that refuses is
//! passed over. A connection lives until one side ends it, whatever becomes of its endpoint meanwhile.

mod forward;
mod plan;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use serde::{Deserialize as _, de::DeserializeOwned};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use self::plan::Port;
use crate::{
    api::{Api, Change, EventKind, resource},
    node::Ports,
};

/// How to set up a proxy.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Where Services are listened for. Default: 127.0.0.1.
    pub address: IpAddr,
    /// Whether pods listen at the same address ([`Node::shares_address`](crate::node::Node::shares_address)): then their
    /// ports are left to them, and that of a Service is looked for from 10,000 above on. Default: no.
    pub shared: bool,
    /// Where ports of pods were moved to; shared with the node.
    pub ports: Ports,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            shared: false,
            ports: Ports::default(),
        }
    }
}

/// Where a port of a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port's name.
    pub port_name: Option<String>,
    /// The port's number.
    pub asked: u16,
    /// What is listened on: the number that was asked for, or the next one that was free.
    pub actual: SocketAddr,
}

/// A running proxy. Dropping it ends all connections through it.
#[derive(Debug)]
#[must_use]
pub struct Proxy {
    addresses: watch::Receiver<Arc<[Listening]>>,
    task: JoinHandle<()>,
}

/// Starts a proxy for all Services. To be called in a Tokio runtime.
pub fn start(api: &Api, config: ProxyConfig) -> Proxy {
    let (sender, addresses) = watch::channel(Arc::default());
    let state = State {
        api: api.clone(),
        config,
        services: BTreeMap::new(),
        slices: BTreeMap::new(),
        doors: BTreeMap::new(),
        tasks: JoinSet::new(),
        addresses: sender,
    };
    let task = tokio::spawn(state.run());
    Proxy { addresses, task }
}

impl Proxy {
    /// Where Services are reached, by namespace and name, as it changes.
    #[must_use]
    pub fn addresses(&self) -> watch::Receiver<Arc<[Listening]>> {
        self.addresses.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An object's namespace and name.
type Key = (String, String);

struct State {
    api: Api,
    config: ProxyConfig,
    services: BTreeMap<Key, Service>,
    slices: BTreeMap<Key, EndpointSlice>,
    doors: BTreeMap<Port, Door>,
    /// Listeners; each holds its connections.
    tasks: JoinSet<()>,
    addresses: watch::Sender<Arc<[Listening]>>,
}

/// An open port. Dropping it closes the port, and leaves its connections.
struct Door {
    actual: SocketAddr,
    backends: watch::Sender<Arc<[SocketAddr]>>,
}

impl State {
    async fn run(mut self) {
        let resources = [&resource::SERVICE, &resource::ENDPOINT_SLICE];
        let mut changes = self.api.changes(&resources);
        let mut moved = self.config.ports.changes();
        loop {
            tokio::select! {
                change = changes.next() => self.note(&change),
                Ok(()) = moved.changed() => {}
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => continue,
            }
            while let Some(change) = changes.try_next() {
                self.note(&change);
            }
            self.open_and_close().await;
        }
    }

    fn note(&mut self, change: &Change) {
        let key = (change.namespace.clone(), change.name.clone());
        if change.resource == &resource::SERVICE {
            if !change.deleted && change.previous.is_none() {
                self.say_what_is_ignored(change);
            }
            keep(&mut self.services, key, change);
        } else {
            keep(&mut self.slices, key, change);
        }
    }

    fn say_what_is_ignored(&self, change: &Change) {
        let Ok(service) = Service::deserialize(&*change.object) else {
            return;
        };
        let ignored = plan::ignored(&service);
        if !ignored.is_empty() {
            let message = format!("the embedded cluster ignores {}", ignored.join("; "));
            let api = &self.api;
            api.event(
                &change.object,
                "kube-proxy",
                EventKind::Warning,
                "Ignored",
                &message,
            );
            tracing::warn!(service = change.name, "{message}");
        }
    }

    /// Makes the open ports those that the Services have, with their endpoints behind them.
    async fn open_and_close(&mut self) {
        let wanted: Vec<Port> = self.services.values().flat_map(plan::ports).collect();
        self.doors.retain(|port, _| wanted.contains(port));
        for port in wanted {
            let slices = self.slices.values();
            let backends = plan::backends(&port, slices, &self.config.ports);
            if let Some(door) = self.doors.get(&port) {
                door.backends.send_if_modified(|now| {
                    let changes = **now != *backends;
                    *now = backends.into();
                    changes
                });
            } else if let Some(door) = self.open(&port, backends).await {
                self.doors.insert(port, door);
            }
        }
        let listening: Arc<[Listening]> = self.doors.iter().map(listening).collect();
        self.addresses.send_if_modified(|now| {
            let changes = *now != listening;
            *now = listening;
            changes
        });
    }

    async fn open(&mut self, port: &Port, backends: Vec<SocketAddr>) -> Option<Door> {
        let listener = self.bind(port.number).await?;
        let actual = listener.local_addr().ok()?;
        if actual.port() != port.number {
            let service = &port.service;
            tracing::info!(service, asked = port.number, %actual, "a port is not free");
        }
        let (backends, receiver) = watch::channel(backends.into());
        self.tasks.spawn(forward::serve(listener, receiver));
        Some(Door { actual, backends })
    }

    async fn bind(&self, asked: u16) -> Option<TcpListener> {
        for number in plan::candidates(asked, self.config.shared) {
            if let Ok(listener) = TcpListener::bind((self.config.address, number)).await {
                return Some(listener);
            }
        }
        tracing::warn!(asked, "no port is free for a Service");
        None
    }
}

fn keep<T: DeserializeOwned>(all: &mut BTreeMap<Key, T>, key: Key, change: &Change) {
    match T::deserialize(&*change.object) {
        Ok(object) if !change.deleted => {
            all.insert(key, object);
        }
        _ => {
            all.remove(&key);
        }
    }
}

fn listening((port, door): (&Port, &Door)) -> Listening {
    Listening {
        namespace: port.namespace.clone(),
        service: port.service.clone(),
        port_name: port.name.clone(),
        asked: port.number,
        actual: door.actual,
    }
}

#[cfg(test)]
mod tests;
