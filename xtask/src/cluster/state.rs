//! What is remembered between `up` and `down`: a file that is replaced whole
//! before and after each step, and a lock so that two commands take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, file};
use super::layout::{HOME, LOCK, home};
use super::machine::Trace;
use super::process::Process;
use crate::terminal;

/// What `up` did to this machine so far.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// How many nodes were asked for.
    pub(super) nodes: u8,
    /// Did `up` reach its end?
    pub(super) complete: bool,
    /// What was started, in this order.
    pub(super) processes: Vec<Process>,
    /// Kernel settings as they were before.
    pub(super) settings: BTreeMap<String, String>,
    /// What the machine had before the cluster.
    pub(super) before: BTreeSet<Trace>,
}

impl State {
    /// What an earlier `up` left; none if there was none or `down` undid it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(super) fn load() -> Result<Option<Self>, Error> {
        let text = match fs::read_to_string(path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(file("read", path()))?,
        };
        let state = serde_json::from_str(&text).map_err(io::Error::from);
        state.map(Some).map_err(file("understand", path()))
    }

    /// Writes it down, so that a later command knows even if this one is
    /// killed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&self) -> Result<(), Error> {
        fs::create_dir_all(HOME).map_err(file("create", HOME))?;
        let text = serde_json::to_string_pretty(self).expect("a state has only plain values");
        write(path(), &text)
    }

    /// Records a started process.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(super) fn add(&mut self, process: Process) -> Result<(), Error> {
        self.processes.push(process);
        self.save()
    }
}

/// Held while the cluster is brought up or down; ends with this program.
#[derive(Debug)]
#[must_use]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Lock {
    /// Waits for the lock.
    ///
    /// # Errors
    /// When the lock's file cannot be opened or locked.
    pub(super) fn take() -> Result<Self, Error> {
        let lock = File::create(LOCK).map_err(file("open", LOCK))?;
        match lock.try_lock() {
            Ok(()) => return Ok(Self(lock)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(file("lock", LOCK)(error)),
        }
        terminal::step("waiting for another `cargo xtask cluster`");
        lock.lock().map_err(file("lock", LOCK))?;
        Ok(Self(lock))
    }
}

/// Replaces a file as a whole, readable by its owner only.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: impl AsRef<Path>, text: &str) -> Result<(), Error> {
    let path = path.as_ref();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(file("create", folder))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let write = || {
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().map_err(file("write", path))
}

fn path() -> PathBuf {
    home("state.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_survives_being_written_and_read() {
        let state = State {
            nodes: 2,
            complete: true,
            processes: Process::now("own", i32::try_from(std::process::id()).unwrap())
                .into_iter()
                .collect(),
            settings: [("net/ipv4/ip_forward".to_owned(), "0".to_owned())].into(),
            before: [Trace::new(super::super::machine::Kind::Link, "lo")].into(),
        };
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
