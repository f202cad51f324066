//! Names, folders, addresses and ports of the test cluster. There is one such
//! cluster on a machine, whichever checkout started it.

use std::path::{Path, PathBuf};

/// Everything the cluster keeps, removed by `down`.
pub(super) const HOME: &str = "/var/lib/metaparticle-test";
/// Sockets, namespaces and what else ends with the machine.
pub(super) const RUN: &str = "/run/metaparticle-test";
/// Held while a cluster is brought up or down.
pub(super) const LOCK: &str = "/run/lock/metaparticle-test.lock";
/// Every process started for the cluster, shims included, has this variable.
pub(super) const MARKER: (&str, &str) = ("METAPARTICLE_TEST_CLUSTER", HOME);
/// The bridge of all nodes and pods.
pub(super) const BRIDGE: &str = "mp-test0";
/// The cgroup of all pods, below the root of each hierarchy.
pub(super) const CGROUP: &str = "metaparticle-test";
/// The nft table that keeps other machines out.
pub(super) const NFT_TABLE: &str = "metaparticle-test";
/// The context in the kubeconfig.
pub(super) const CONTEXT: &str = "metaparticle-test";

/// All nodes and pods.
pub(super) const POD_RANGE: &str = "10.244.0.0/16";
/// All services.
pub(super) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The service of the API server.
pub(super) const API_SERVICE: &str = "10.96.0.1";
/// The API server, on loopback and on the bridge.
pub(super) const API_PORT: u16 = 6443;
/// The image registry, on loopback.
pub(super) const REGISTRY_PORT: u16 = 5000;

/// Ports on loopback, with what listens there.
pub(super) const PORTS: [(u16, &str); 9] = [
    (API_PORT, "the API server"),
    (REGISTRY_PORT, "the image registry"),
    (2379, "etcd"),
    (2380, "etcd's peers"),
    (10249, "kube-proxy's metrics"),
    (10256, "kube-proxy's health"),
    (10257, "the controller manager"),
    (10259, "the scheduler"),
    (10248, "the first kubelet's health"),
];

/// The most nodes that `up` makes.
pub(super) const MAX_NODES: u8 = 4;

/// A file or folder below [`HOME`].
pub(super) fn home(path: impl AsRef<Path>) -> PathBuf {
    Path::new(HOME).join(path)
}

/// The administrator's kubeconfig, for tests.
pub(super) fn kubeconfig() -> PathBuf {
    home("kubeconfig")
}

/// A kubectl of the cluster's version.
pub(super) fn kubectl() -> PathBuf {
    home("bin/kubectl")
}

/// One line a request that the registry answered.
pub(super) fn registry_access_log() -> PathBuf {
    home("logs/registry.out")
}

/// A node: its own container runtime, kubelet, address and range of pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node(u8);

impl Node {
    /// The nodes of a cluster of `count`.
    pub(super) fn all(count: u8) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// The node that every cluster has; the control plane has its address.
    pub(super) fn first() -> Self {
        Self(0)
    }

    /// `node-1` and so on.
    pub(super) fn name(self) -> String {
        format!("node-{}", self.0 + 1)
    }

    /// Its address on the bridge.
    pub(super) fn address(self) -> String {
        format!("10.244.{}.1", self.0)
    }

    /// The range of its pods.
    pub(super) fn pod_range(self) -> String {
        format!("10.244.{}.0/24", self.0)
    }

    /// Where its kubelet tells its health, on loopback.
    pub(super) fn health_port(self) -> u16 {
        10248 + 100 * u16::from(self.0)
    }

    /// Its cgroup, below the root of each hierarchy.
    pub(super) fn cgroup(self) -> String {
        format!("/{CGROUP}/{}", self.name())
    }

    /// A file or folder of this node below [`HOME`].
    pub(super) fn home(self, path: &str) -> PathBuf {
        home(self.name()).join(path)
    }

    /// A file or folder of this node below [`RUN`].
    pub(super) fn run(self, path: &str) -> PathBuf {
        Path::new(RUN).join(self.name()).join(path)
    }

    /// The container runtime's socket.
    pub(super) fn containerd_socket(self) -> PathBuf {
        self.run("containerd.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_share_no_name_address_range_or_port() {
        let all: Vec<_> = Node::all(MAX_NODES).collect();
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(one.name(), other.name());
                assert_ne!(one.address(), other.address());
                assert_ne!(one.pod_range(), other.pod_range());
                assert_ne!(one.health_port(), other.health_port());
            }
        }
    }
}
