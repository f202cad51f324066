//! [`Claim`]: one embedded cluster an application and target directory at a time. The lock ends with the process.

use std::{
    fs::{File, OpenOptions, TryLockError, create_dir_all},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use super::Error;

const FILE: &str = "lock";

/// The right to run the cluster of one application.
#[derive(Debug)]
pub(super) struct Claim {
    _file: File,
}

impl Claim {
    /// Takes it, and writes down who has it.
    pub(super) fn take(folder: &Path, app: &str) -> Result<Self, Error> {
        let failed = |source| Error::Folder {
            path: folder.to_owned(),
            source,
        };
        create_dir_all(folder).map_err(failed)?;
        let mut file = open(folder).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // Who it is helps, but is not needed.
                let _ = file.read_to_string(&mut process);
                return Err(Error::Running {
                    app: app.to_owned(),
                    process: process.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Whether a process runs the cluster of this folder now.
pub(super) fn is_taken(folder: &Path) -> bool {
    open(folder).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

fn open(folder: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_taken(folder.path()));
        let first = Claim::take(folder.path(), "web").unwrap();
        assert!(is_taken(folder.path()));
        let Err(Error::Running { process, .. }) = Claim::take(folder.path(), "web") else {
            panic!("the first has it");
        };
        assert_eq!(process, std::process::id().to_string());
        drop(first);
        Claim::take(folder.path(), "web").unwrap();
    }
}
