//! [`Error`]: why a command failed, and with which exit code.

use std::fmt::Display;

use miette::Diagnostic;
use thiserror::Error;

use super::{Exit, apply, cluster, forward, image, logs, nodes, render, rollout, target};

/// Why a command failed.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// No target, or a wrong one.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Target(#[from] target::Error),
    /// The embedded cluster is not there.
    #[cfg(feature = "local")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Local(#[from] super::local::Error),
    /// The API server could not be asked, or refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] cluster::Error),
    /// Objects could not be applied or deleted.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Apply(#[from] apply::Error),
    /// No image can be built for the cluster's nodes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nodes(#[from] nodes::Unsupported),
    /// The image could not be built or published.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Image(#[from] Publish),
    /// The rollout failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rollout(#[from] rollout::Failure),
    /// The logs cannot be read.
    #[error(transparent)]
    #[diagnostic(help("get, list and watch of pods, and get of pods/log, are needed"))]
    Logs(#[from] logs::Error),
    /// A port cannot be forwarded.
    #[error(transparent)]
    #[diagnostic(help("free the port, or deploy with `-- metaparticle up --no-port-forward`"))]
    Forward(#[from] forward::Error),
    /// Files could not be written or compared.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Render(#[from] render::Error),
    /// A value in the environment is wrong.
    #[error("{name} has a wrong value: {rule}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// The value, and what is allowed.
        rule: String,
    },
    /// The operating system refuses what every command needs.
    #[error("cannot {doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    /// How the command ended.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            #[cfg(feature = "local")]
            Self::Local(
                super::local::Error::Running { .. }
                | super::local::Error::NotRunning { .. }
                | super::local::Error::Starting { .. }
                | super::local::Error::Detach,
            ) => Exit::Usage,
            Self::Target(_)
            | Self::Environment { .. }
            | Self::Image(Publish(image::Error::NoRepository { .. }))
            | Self::Cluster(cluster::Error::Config { .. })
            | Self::Apply(apply::Error::NoNamespace { .. }) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// An image that could not be built or published, with what to do about it.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct Publish(#[from] image::Error);

impl Diagnostic for Publish {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.0.help()?))
    }
}
