//! Errors of the file system that name the file.

use std::io;
use std::path::PathBuf;

/// A file or folder could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub(crate) struct Error {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Says what was tried with which file when the system refused it.
pub(crate) fn failed(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error {
        action,
        path,
        source,
    }
}
