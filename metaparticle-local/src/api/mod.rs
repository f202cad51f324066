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

mod handle;
mod store;

pub use handle::{Api, Change, Changes, DeleteOptions, EventKind, Preconditions, Propagation};
