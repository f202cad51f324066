//! What rustc and cargo make of annotated programs: generated packages, built by the real cargo.
//!
//! All packages share one build directory, so that what they depend on is compiled once. They depend on `metaparticle`
//! without the deployer.

#![allow(clippy::missing_panics_doc, reason = "a suite panics where it fails")]

pub mod cargo;
pub mod diagnostics;
pub mod package;

pub use cargo::{Cargo, Outcome};
pub use package::Package;
