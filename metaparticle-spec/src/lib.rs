//! What a Metaparticle application declares ([`AppSpec`]), its rules, and the text generated from it.
//!
//! This crate is pure: no I/O, no async, no clock, no environment, and no Kubernetes client types. The attribute
//! macros use it at compile time and the deployer at run time, so that one rule has one message in both places.
//! Users name only the crate `metaparticle`.

pub mod app;
pub mod check;
pub mod embed;
pub mod error;
pub mod image;
pub mod key;
pub mod name;
pub mod port;
pub mod render;
pub mod resources;
pub mod shard_key;
pub mod sharding;
pub mod workload;

#[cfg(test)]
mod sample;

pub use app::{AppSpec, OnExit};
pub use check::Violation;
pub use embed::{Build, EmbedError, Embedded};
pub use error::SpecError;
pub use image::{ImageRef, Repository, Tag};
pub use key::Key;
pub use name::{EnvName, Name, Namespace};
pub use port::{Port, Probe, Probes, Protocol};
pub use render::{Artifact, Format};
pub use resources::{Quantity, Resources};
pub use shard_key::{KeyHeader, KeyParameter, PathRegex, PathTemplate, ShardKey};
pub use sharding::{Drain, Gate, Sharding, Slots, Unmatched};
pub use workload::Workload;
