//! [`enum@Error`]: why the embedded cluster is not there.

use std::{io, path::PathBuf};

use miette::Diagnostic;
use thiserror::Error;
use tower::BoxError;

/// The embedded cluster cannot be started, or is not running.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum Error {
    /// Another process of the same program runs it.
    #[error("{app} runs on the embedded cluster of process {process} already")]
    #[diagnostic(help(
        "end that one with Ctrl-C, or look at it with `-- metaparticle status` and `-- metaparticle logs`"
    ))]
    Running {
        /// The application.
        app: String,
        /// Who runs it.
        process: String,
    },
    /// No process runs it.
    #[error("{app} does not run on the embedded cluster, and no context is named")]
    #[diagnostic(help(
        "start it with `cargo run`, or name the cluster where it is with METAPARTICLE_CONTEXT or --context"
    ))]
    NotRunning {
        /// The application.
        app: String,
    },
    /// Another process is about to run it.
    #[error("{app} is just starting on the embedded cluster")]
    #[diagnostic(help("try again in a moment"))]
    Starting {
        /// The application.
        app: String,
    },
    /// It ends with this process, so this process cannot leave.
    #[error("the embedded cluster ends with this process, so --detach has no meaning for it")]
    #[diagnostic(help(
        "name a real cluster with METAPARTICLE_CONTEXT or --context, or leave --detach out"
    ))]
    Detach,
    /// The file of this program is not known.
    #[error("cannot find the file of this program, which the pods would run")]
    Executable {
        /// Why not.
        source: io::Error,
    },
    /// The folder of the kubeconfig cannot be written.
    #[error("cannot write to {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The kubeconfig that the cluster wrote cannot be read.
    #[error("cannot read {path}: {message}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// It does not start.
    #[error("the embedded cluster does not start")]
    Start {
        /// Why not.
        source: BoxError,
    },
}
