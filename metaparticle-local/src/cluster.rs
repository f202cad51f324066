//! [`Cluster`]: an embedded cluster that runs until it is dropped.

/// How to start a [`Cluster`].
#[derive(Debug, Default)]
#[must_use]
pub struct Builder;

/// A running embedded cluster. Dropping it ends everything that it started.
#[derive(Debug)]
pub struct Cluster;
