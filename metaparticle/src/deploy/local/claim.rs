//! [`Claim`]: one embedded cluster an application and target directory at a time. The lock ends with the process.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
    thread,
    time::Duration,
};

use super::Error;

const FILE: &str = "lock";
/// Who only looks whether it is taken holds it for an instant.
const TRIES: usize = 5;
const WAIT: Duration = Duration::from_millis(10);

/// The right to run the cluster of one application.
#[derive(Debug)]
pub(super) struct Claim {
    _file: File,
}

impl Claim {
    /// Takes it, writes down who has it, and removes what the last one left.
    pub(super) fn take(folder: &Path, app: &str) -> Result<Self, Error> {
        let failed = |source| Error::Folder {
            path: folder.to_owned(),
            source,
        };
        let mut file = open(folder).map_err(failed)?;
        if !lock(&file).map_err(failed)? {
            let mut process = String::new();
            // Who it is helps, but is not needed.
            let _ = file.read_to_string(&mut process);
            return Err(Error::Running {
                app: app.to_owned(),
                process: process.trim().to_owned(),
            });
        }
        match fs::remove_file(folder.join("kubeconfig")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Whether the lock could be had.
fn lock(file: &File) -> io::Result<bool> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(WAIT),
            Err(TryLockError::Error(source)) => return Err(source),
        }
    }
    Ok(false)
}

/// Whether a process runs the cluster of this folder now.
pub(super) fn is_taken(folder: &Path) -> bool {
    open(folder).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn open(folder: &Path) -> io::Result<File> {
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

    #[test]
    fn the_kubeconfig_of_the_last_one_does_not_outlive_it() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("kubeconfig");
        fs::write(&old, "old").unwrap();
        let _claim = Claim::take(folder.path(), "web").unwrap();
        assert!(!old.exists());
    }
}
