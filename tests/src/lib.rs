//! Applications that the suites share.

pub mod apps;
pub mod service;
