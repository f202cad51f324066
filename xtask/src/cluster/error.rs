//! Why the cluster could not be brought up or down.

use std::io;
use std::path::PathBuf;

use crate::{command, debian, go};

/// Why the cluster could not be brought up or down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The machine lacks what the cluster needs.
    #[error("this machine cannot run the test cluster:{}", list(.0))]
    Missing(Vec<String>),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] crate::file::Error),
    /// A program of the cluster could not be built.
    #[error(transparent)]
    Go(#[from] go::Error),
    /// A package could not be installed.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// A process of the cluster ended by itself.
    #[error("{name} ended by itself; the end of {}:\n{tail}", log.display())]
    Ended {
        /// Which one.
        name: String,
        /// Its log.
        log: PathBuf,
        /// The log's end.
        tail: String,
    },
    /// Something did not become ready in time.
    #[error("{what} is not ready after {seconds} s; the logs are in {}", logs.display())]
    NotReady {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// Where to look.
        logs: PathBuf,
    },
    /// A running cluster has another size than asked for.
    #[error(
        "the running cluster has {running} node(s), asked for are {asked}: \
         run `cargo xtask cluster down` first"
    )]
    OtherSize {
        /// What runs.
        running: u8,
        /// What was asked for.
        asked: u8,
    },
    /// No cluster, or an incomplete one.
    #[error("the test cluster is not running: {0}")]
    NotRunning(String),
    /// `down` could not remove everything.
    #[error("these are still there:{}", list(.0))]
    Left(Vec<String>),
}

/// Turns an error of the system into one that names the file.
pub(super) fn file(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> Error {
    let failed = crate::file::failed(action, path);
    move |source| failed(source).into()
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .fold(String::new(), |list, item| list + "\n  - " + item)
}
