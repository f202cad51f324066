//! Annotate `main`, and `cargo run` turns the program into a distributed application on Kubernetes.

#[cfg(all(feature = "deploy", not(metaparticle_container)))]
pub mod deploy;
