//! The node: pods as processes.

mod address;
mod backoff;
mod logs;
mod pod;
mod process;
