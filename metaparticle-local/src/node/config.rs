//! How a node is set up.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{backoff::BackoffConfig, ports::Ports, program::Program};

/// How to set up a node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The node's name. Default: `local`.
    pub name: String,
    /// What runs for which image. Default: nothing.
    pub programs: BTreeMap<String, Program>,
    /// Environment of all pods, besides what [`node`](super) lists. Default: nothing.
    pub env: BTreeMap<String, String>,
    /// `KUBECONFIG` of all pods. Default: none.
    pub kubeconfig: Option<PathBuf>,
    /// Where the node keeps the files of its pods, in a folder `pods` that it makes, empties when it starts and removes
    /// when it ends; must exist, and be no other node's. Default: a private folder among the temporary files.
    pub folder: Option<PathBuf>,
    /// Addresses of pods.
    pub addresses: Addresses,
    /// The wait before the second restart of a container, doubled by each further one. Default: 10 s, as the kubelet's.
    pub backoff: Duration,
    /// The longest wait before a restart. Default: 5 min, as the kubelet's.
    pub most_backoff: Duration,
    /// Where ports were moved to; shared with the proxy.
    pub ports: Ports,
}

/// Which addresses pods have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Each its own, where this machine allows that; else all share 127.0.0.1.
    #[default]
    OwnIfPossible,
    /// All share 127.0.0.1.
    Shared,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "local".to_owned(),
            programs: BTreeMap::new(),
            env: BTreeMap::new(),
            kubeconfig: None,
            folder: None,
            addresses: Addresses::default(),
            backoff: Duration::from_secs(10),
            most_backoff: Duration::from_secs(300),
            ports: Ports::default(),
        }
    }
}

impl NodeConfig {
    /// The waits before restarts.
    pub(super) fn backoff(&self) -> BackoffConfig {
        BackoffConfig {
            base: self.backoff,
            most: self.most_backoff,
        }
    }
}
