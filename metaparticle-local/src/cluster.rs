//! [`Cluster`]: an embedded cluster that runs until it is dropped.

use kube::Client;
use tokio::task::JoinSet;

use crate::{
    api::{
        Api,
        fault::{Asked, Faults},
    },
    client, controllers,
};

/// How to start a [`Cluster`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    seed: Option<u64>,
    without_controllers: bool,
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

    /// Starts it.
    ///
    /// # Cancel safety
    /// Cancel safe: what was started ends.
    #[expect(
        clippy::unused_async,
        reason = "the node will have to wait for its first process"
    )]
    pub async fn start(self) -> Cluster {
        let api = Api::new(self.seed);
        let controllers = if self.without_controllers {
            JoinSet::new()
        } else {
            controllers::start(&api)
        };
        Cluster {
            api,
            _controllers: controllers,
        }
    }
}

/// A running embedded cluster. Dropping it ends everything that it started.
#[derive(Debug)]
pub struct Cluster {
    api: Api,
    _controllers: JoinSet<()>,
}

impl Cluster {
    /// A builder with the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts one with the defaults.
    ///
    /// # Cancel safety
    /// Cancel safe: what was started ends.
    pub async fn start() -> Self {
        Self::builder().start().await
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
}
