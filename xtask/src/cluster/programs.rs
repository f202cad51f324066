//! What the cluster is made of, and where each comes from.

use crate::debian::{Package, any, pinned};
use crate::go::Module;

/// All programs of Kubernetes in one, from its Go modules.
pub(super) const KUBERNETES: Module = Module {
    name: "kubernetes",
    package: ".",
    tags: "providerless",
    manifest: include_str!("../../cluster/kubernetes/go.mod"),
    sums: include_str!("../../cluster/kubernetes/go.sum"),
    source: include_str!("../../cluster/kubernetes/main.go"),
    takes: "6 minutes on 2 cores",
};

/// The name server.
pub(super) const COREDNS: Module = Module {
    name: "coredns",
    package: ".",
    tags: "",
    manifest: include_str!("../../cluster/coredns/go.mod"),
    sums: include_str!("../../cluster/coredns/go.sum"),
    source: include_str!("../../cluster/coredns/main.go"),
    takes: "1 minute on 2 cores",
};

/// The container runtime, the registry and tools.
pub(super) const PACKAGES: [Package; 12] = [
    pinned("containerd", "1.6.20"),
    pinned("runc", "1.1.5"),
    pinned("containernetworking-plugins", "1.1.1"),
    pinned("docker-registry", "2.8.2"),
    pinned("nftables", "1.0.6"),
    pinned("conntrack", "1:1.4.7"),
    any("iproute2"),
    any("openssl"),
    any("kmod"),
    any("gcc"),
    any("libc6-dev"),
    any("mount"),
];

/// The version of Kubernetes.
pub(super) fn kubernetes_version() -> &'static str {
    KUBERNETES.required_version("k8s.io/kubernetes")
}
