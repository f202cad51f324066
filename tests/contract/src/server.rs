//! [`Server`]: the API server that a suite talks to.

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle_local::Cluster;

/// Names the kubeconfig of a real cluster.
pub const KUBECONFIG: &str = "METAPARTICLE_TEST_KUBECONFIG";

/// An API server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Server {
    /// The embedded one, in this process.
    Embedded(Cluster),
    /// A real kube-apiserver.
    Real(Real),
}

/// A cluster that runs elsewhere.
pub struct Real {
    client: Client,
}

impl std::fmt::Debug for Real {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Real").finish_non_exhaustive()
    }
}

impl Server {
    /// The one that the environment names, else a new embedded one.
    pub async fn chosen() -> Self {
        match Self::real().await {
            Some(real) => real,
            None => Self::embedded().await,
        }
    }

    /// A new embedded one. Its history begins after its first objects, as that of a cluster that is not new.
    pub async fn embedded() -> Self {
        let cluster = Cluster::start().await;
        cluster.compact();
        Self::Embedded(cluster)
    }

    /// The one that the environment names, if it names one.
    pub async fn real() -> Option<Self> {
        let path = std::env::var_os(KUBECONFIG).filter(|path| !path.is_empty())?;
        let kubeconfig = Kubeconfig::read_from(path).expect("the kubeconfig is readable");
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .expect("the kubeconfig is complete");
        config.default_retry = false; // what the server answers, not what a second attempt makes of it
        let client = Client::try_from(config).expect("the kubeconfig makes a client");
        Some(Self::Real(Real { client }))
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        match self {
            Self::Embedded(cluster) => cluster.client(),
            Self::Real(real) => real.client.clone(),
        }
    }

    /// `embedded` or `real`, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "embedded",
            Self::Real(_) => "real",
        }
    }
}
