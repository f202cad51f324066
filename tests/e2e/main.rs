//! The main job on a real Kubernetes: `cargo xtask e2e`.
//!
//! Reads `METAPARTICLE_TEST_KUBECONFIG` (its current context is the one that the programs are told to use) and
//! `METAPARTICLE_TEST_REGISTRY` (default `127.0.0.1:5000`). Every test has a namespace of its own, with PodSecurity
//! *restricted* enforced.

mod apply;
mod failures;
mod fenced_writer;
mod harness;
mod interrupt;
mod job;
mod kubectl;
mod leader;
mod policy;
mod rbac;
mod rollout;
mod sharded;
mod up;
mod web;

#[path = "../tests/embedded/up.rs"]
#[allow(dead_code, reason = "the other suite needs more of it")]
mod embedded;
