//! Removes everything that `up` made, in an order in which nothing comes back,
//! and then looks whether anything is left.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};

use super::error::{Error, file};
use super::layout::{HOME, Node, RUN};
use super::machine::{self, FOREIGN_FOLDERS, Kind, Trace};
use super::process::{self, Process};
use super::state::State;
use super::{cgroups, containerd, network, settings};
use crate::terminal;

/// Removes the cluster that `state` tells of, or what is left of one whose
/// state is lost. `state` is forgotten last, so that a killed `down` can be
/// run again.
///
/// # Errors
/// [`Error::Left`] with what could not be removed.
pub(super) fn remove(state: Option<&State>) -> Result<(), Error> {
    let empty = State::default();
    let state = state.unwrap_or(&empty);
    let sockets: Vec<_> = Node::all(super::layout::MAX_NODES)
        .flat_map(containerd::shim_sockets)
        .collect();
    let mut failures = Vec::new();
    end_processes(state);
    failures.extend(unmount_all());
    failures.extend(network::remove());
    failures.extend(cgroups::remove());
    failures.extend(remove_paths(&sockets, &state.before));
    let unrestored = settings::restore(&state.settings);
    for other in others(&state.before) {
        terminal::step(&format!(
            "new on this machine since `up`, but not the cluster's: {other}"
        ));
    }
    let mut own: Vec<_> = own().map(|trace| trace.to_string()).collect();
    own.extend(unrestored.iter().map(ToString::to_string));
    if !own.is_empty() {
        // What matters is what is left; these tell why.
        for failure in &failures {
            terminal::failure(failure);
        }
        return Err(Error::Left(own));
    }
    for folder in [RUN, HOME] {
        remove_folder(Path::new(folder))?;
    }
    Ok(())
}

/// What of the cluster's is left, its own folders aside.
fn own() -> impl Iterator<Item = Trace> {
    let folders = [HOME, RUN].map(|folder| Trace::new(Kind::Path, folder));
    let own = machine::own().into_iter();
    own.filter(move |trace| !folders.contains(trace))
}

/// What is not known to be the cluster's, but was not there before it.
fn others(before: &BTreeSet<Trace>) -> Vec<Trace> {
    if before.is_empty() {
        return Vec::new();
    }
    let new = machine::comparable()
        .into_iter()
        .filter(|trace| !before.contains(trace));
    let own = machine::own();
    new.filter(|trace| !own.contains(trace)).collect()
}

/// Those who start others first: kubelets, then the runtimes, then the pods
/// and shims that are left. Nobody gets much time: all that they could save is
/// thrown away.
fn end_processes(state: &State) {
    let (kubelets, others): (Vec<Process>, Vec<Process>) = state
        .processes
        .iter()
        .cloned()
        .partition(|process| process.name.starts_with("kubelet"));
    let grace = Duration::from_secs(2);
    process::end(&kubelets, grace);
    process::end(&others, grace);
    // Whatever started meanwhile or was not recorded is found by its mark or
    // its cgroup.
    for _ in 0..5 {
        let left = machine::processes();
        if left.is_empty() {
            return;
        }
        process::end(&left, Duration::from_secs(1));
    }
}

fn unmount_all() -> Vec<Error> {
    let unmount = |path: PathBuf| {
        let result = unmount(&path, UnmountFlags::DETACH).map_err(io::Error::from);
        result.map_err(file("unmount", path)).err()
    };
    machine::own_mounts()
        .into_iter()
        .filter_map(unmount)
        .collect()
}

/// Removes what programs of the cluster left in folders that they share with
/// others of their kind, and those of these folders that were not there before.
fn remove_paths(sockets: &[String], before: &BTreeSet<Trace>) -> Vec<Error> {
    let mut failures = Vec::new();
    let own = machine::own_paths()
        .into_iter()
        .filter(|path| path.is_symlink() || path.is_file());
    for path in own.chain(sockets.iter().map(PathBuf::from)) {
        failures.extend(
            gone(fs::remove_file(&path))
                .map_err(file("remove", &path))
                .err(),
        );
    }
    let is_new = |path: &Path| {
        !before.is_empty() && !before.contains(&Trace::new(Kind::Path, path.to_string_lossy()))
    };
    for folder in FOREIGN_FOLDERS
        .map(Path::new)
        .into_iter()
        // With files in it, it is by now somebody else's, too: it is named, and stays.
        .filter(|folder| is_new(folder) && !holds_files(folder))
    {
        failures.extend(remove_folder(folder).err());
    }
    failures
}

/// Whether there is a regular file anywhere below; what cannot be read counts as one.
fn holds_files(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return folder.exists();
    };
    entries.into_iter().any(|entry| {
        entry.is_ok_and(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => holds_files(&entry.path()),
            Ok(kind) => kind.is_file(),
            Err(_) => true,
        })
    })
}

fn remove_folder(path: &Path) -> Result<(), Error> {
    gone(fs::remove_dir_all(path)).map_err(file("remove", path))
}

/// Not to be there is as good as removed.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_files_however_deep_they_are_and_links_are_none() {
        let folder = std::env::temp_dir().join(format!("xtask-down-{}", std::process::id()));
        assert!(!holds_files(&folder), "it does not exist");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.join("a/link")).unwrap();
        assert!(!holds_files(&folder));
        fs::write(folder.join("a/b/images.db"), "").unwrap();
        assert!(holds_files(&folder));
        remove_folder(&folder).unwrap();
    }
}
