//! [`Cluster`]: an embedded cluster that runs until it is dropped.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::task::JoinSet;

use crate::{
    api::{
        Api,
        fault::{Asked, Faults},
    },
    client, controllers,
    node::{self, Node, NodeConfig, Ports, Program},
    proxy::{self, Listening, Proxy, ProxyConfig},
    server::{Caller, Server},
};

/// How to start a [`Cluster`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    seed: Option<u64>,
    without_controllers: bool,
    programs: BTreeMap<String, Program>,
    kubeconfig: Option<PathBuf>,
    job_backoff: Option<Duration>,
    folder: Option<PathBuf>,
}

/// A cluster that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot listen on loopback, or make its certificate.
    #[error("cannot serve the API on loopback")]
    Serve(#[source] io::Error),
    /// The kubeconfig cannot be written.
    #[error("cannot write the kubeconfig {path}")]
    Kubeconfig {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No process can be started.
    #[error("cannot start the node")]
    Node(#[source] io::Error),
}

impl Builder {
    /// Fixes everything random: uids, generated names, faults; and the time at the start. Default: random.
    ///
    /// With tokio's paused clock and a current-thread runtime, the same program sends the same requests.
    pub fn seed(self, seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..self
        }
    }

    /// The API alone, as `kube-apiserver` without `kube-controller-manager`. Default: with controllers.
    pub fn without_controllers(self) -> Self {
        Self {
            without_controllers: true,
            ..self
        }
    }

    /// Runs this program for pods that name `image`; may be said for several images. Default: none, and then there is
    /// no node: pods stay pending, as in a cluster without machines.
    pub fn program(mut self, image: impl Into<String>, program: Program) -> Self {
        self.programs.insert(image.into(), program);
        self
    }

    /// How long a Job waits after its first failure; the wait doubles with each. Default: 10 s, as the real controller's.
    pub fn job_backoff(self, first: Duration) -> Self {
        Self {
            job_backoff: Some(first),
            ..self
        }
    }

    /// Serves the API over HTTPS on loopback as well, and writes a kubeconfig (mode 0600) that says how to reach it.
    /// Default: only clients in this process.
    pub fn listen(self, kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            kubeconfig: Some(kubeconfig.into()),
            ..self
        }
    }

    /// Keeps the files of pods in this folder, which must exist and be no other cluster's: see [`NodeConfig::folder`].
    /// Default: a private folder among the temporary files, which is left there if this process is killed.
    pub fn folder(self, folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            ..self
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`enum@Error`], if the operating system refuses a listener, a file or a process. Without [`Builder::program`] and
    /// [`Builder::listen`], nothing is asked of it.
    ///
    /// # Cancel safety
    /// Cancel safe: what was started ends.
    pub async fn start(self) -> Result<Cluster, Error> {
        let api = Api::new(self.seed);
        // First of all, while the process is small: the node forks.
        let ports = Ports::default();
        let node = if self.programs.is_empty() {
            None
        } else {
            let config = NodeConfig {
                programs: self.programs,
                kubeconfig: self.kubeconfig.clone(),
                folder: self.folder,
                ports: ports.clone(),
                ..NodeConfig::default()
            };
            Some(node::start(&api, config).await.map_err(Error::Node)?)
        };
        let proxy = node.as_ref().map(|node| {
            let proxy = proxy::start(
                &api,
                ProxyConfig {
                    shared: node.shares_address(),
                    ports,
                    ..ProxyConfig::default()
                },
            );
            node.set_services(proxy.addresses());
            proxy
        });
        let server = match &self.kubeconfig {
            Some(path) => Some(serve(&api, path).await?),
            None => None,
        };
        let controllers = if self.without_controllers {
            JoinSet::new()
        } else {
            controllers::start(&api, self.job_backoff.unwrap_or(controllers::JOB_BACKOFF))
        };
        Ok(Cluster {
            proxy,
            _controllers: controllers,
            server,
            pod_addresses: node.as_ref().is_some_and(|node| !node.shares_address()),
            node: Mutex::new(node),
            api,
        })
    }
}

async fn serve(api: &Api, kubeconfig: &Path) -> Result<Server, Error> {
    let server = Server::start(Arc::new(Caller::new(api, "https")))
        .await
        .map_err(Error::Serve)?;
    let written = server.write_kubeconfig(kubeconfig, "default");
    written.map_err(|source| Error::Kubeconfig {
        path: kubeconfig.to_owned(),
        source,
    })?;
    Ok(server)
}

/// A running embedded cluster. Dropping it ends everything that it started.
#[derive(Debug)]
pub struct Cluster {
    proxy: Option<Proxy>,
    _controllers: JoinSet<()>,
    server: Option<Server>,
    node: Mutex<Option<Node>>,
    pod_addresses: bool,
    api: Api,
}

impl Cluster {
    /// A builder with the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts one in this process, with controllers, without a node.
    ///
    /// # Panics
    /// Never: the operating system is asked for nothing.
    ///
    /// # Cancel safety
    /// Cancel safe: what was started ends.
    pub async fn start() -> Self {
        match Self::builder().start().await {
            Ok(cluster) => cluster,
            Err(error) => unreachable!("the operating system is asked for nothing: {error}"),
        }
    }

    /// A client in this process, named `test`, of the namespace `default`. May do everything.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_named("test")
    }

    /// A client in this process, by whose name faults and the log of requests tell it from others.
    #[must_use]
    pub fn client_named(&self, name: &str) -> Client {
        client::client(&self.api, name)
    }

    /// What goes wrong from now on.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.api.faults()
    }

    /// The requests of all clients so far, in the order of their arrival; the last 10,000.
    #[must_use]
    pub fn requests(&self) -> Vec<Asked> {
        self.faults().log()
    }

    /// Forgets the past: watches and lists of older revisions are answered with 410 from now on.
    pub fn compact(&self) {
        self.api.compact();
    }

    /// The API without HTTP, in the name of the cluster itself.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// How to reach it over HTTPS, if it listens: what is in the file of [`Builder::listen`], with the token.
    #[must_use]
    pub fn kubeconfig(&self) -> Option<String> {
        Some(self.server.as_ref()?.kubeconfig("default"))
    }

    /// Whether every pod has an address of its own. If not, pods that bind the same port collide.
    #[must_use]
    pub fn has_pod_addresses(&self) -> bool {
        self.pod_addresses
    }

    /// Where port `port` of a Service is reached on this machine; waits until it is.
    ///
    /// # Panics
    /// Never: it was waited for.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn service(&self, namespace: &str, name: &str, port: u16) -> SocketAddr {
        let Some(proxy) = &self.proxy else {
            return std::future::pending().await;
        };
        let mut addresses = proxy.addresses();
        loop {
            let is_it = |it: &&Listening| {
                it.namespace == namespace && it.service == name && it.asked == port
            };
            if let Some(found) = addresses.borrow_and_update().iter().find(is_it) {
                return found.actual;
            }
            if addresses.changed().await.is_err() {
                // The proxy has ended; nothing will listen.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends all pods in order, and kills what has not ended after `grace`. New ones do not start.
    ///
    /// # Cancel safety
    /// Cancel safe: what still runs is killed.
    pub async fn stop(&self, grace: Duration) {
        let node = self
            .node
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(node) = node {
            node.shutdown(grace).await;
        }
    }
}
