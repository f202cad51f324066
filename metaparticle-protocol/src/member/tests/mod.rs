//! Members in one namespace, against a store in memory.

mod deaths;
mod locks;
mod losses;
mod world;

use world::{LEASE, World, semaphore};
