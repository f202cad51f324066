//! The Kubernetes API: one store, and the requests on it.
//!
//! Controllers and the node use [`Api`]'s own functions; clients come through `handle`. Both go the same way.

pub mod apply;
pub mod decode;
pub mod failure;
pub mod kinds;
pub mod patch;
pub mod resource;
pub mod schema;
pub mod table;

mod admission;
mod allocation;
mod binding;
mod changes;
mod event;
pub mod fault;
mod handle;
pub mod kubelet;
mod remove;
pub mod serve;
mod size;
mod stated;
mod store;
mod write;

pub use changes::{Change, Changes};
pub use event::EventKind;
pub use handle::{Api, DeleteOptions, Preconditions, Propagation};
