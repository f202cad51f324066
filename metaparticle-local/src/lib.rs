//! The embedded cluster: a Kubernetes API server, its controllers and a node, in this process.
//!
//! It is for development and tests on one machine. State lives in memory and ends with the process; production is
//! Kubernetes, with the same program and the same manifests.

#[cfg(not(unix))]
compile_error!(
    "the embedded cluster runs pods as processes of Unix: depend on metaparticle with `default-features = false, \
     features = [\"deploy\"]` on other systems"
);

pub mod api;
mod client;
mod clock;
mod cluster;
mod controllers;
pub mod node;
pub mod proxy;
mod random;
mod server;

pub use cluster::{Builder, Cluster, Error};
pub use node::Program;
