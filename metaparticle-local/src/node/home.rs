//! The folder of a node: what its pods write, below a folder that only this user may look into.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

/// The name of what the node makes in a folder that is given to it.
const NAME: &str = "pods";

/// How often the folder is removed, if something is written to it meanwhile.
const ATTEMPTS: u32 = 10;

/// A folder that goes with its node, with all that is in it.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Taken while files are made; false when none may be any more.
    is_open: Mutex<bool>,
    /// Holds it, if it was not given.
    _own: Option<TempDir>,
}

impl Home {
    /// Makes one in the folder that is given, without what an earlier node left there, or anywhere.
    pub(super) fn create(given: Option<&Path>) -> io::Result<Self> {
        let own = match given {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("metaparticle-")
                    .permissions(fs::Permissions::from_mode(0o700))
                    .tempdir()?,
            ),
        };
        let parent = given.or(own.as_ref().map(TempDir::path));
        let path = parent.unwrap_or(Path::new("")).join(NAME);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::DirBuilder::new().mode(0o700).create(&path)?,
        }
        Ok(Self {
            path,
            is_open: Mutex::new(true),
            _own: own,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes files, unless the node has ended.
    pub(super) fn make<T>(&self, make: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_open {
            make(&self.path)
        } else {
            Err(io::Error::other("the node has ended"))
        }
    }

    /// Removes it with all that is in it. To be called when no process of it is left.
    pub(super) fn remove(&self) {
        let mut is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *is_open, false) {
            return;
        }
        let result = (0..ATTEMPTS).find_map(|attempt| match fs::remove_dir_all(&self.path) {
            // A file came while the others went.
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && attempt + 1 < ATTEMPTS =>
            {
                None
            }
            result => Some(result),
        });
        if let Some(Err(error)) = result {
            tracing::warn!(%error, folder = %self.path.display(), "the folder of the pods is left");
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_an_earlier_node_left_goes_and_the_rest_of_the_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("pods/old")).unwrap();
        fs::write(folder.path().join("kubeconfig"), "").unwrap();
        let home = Home::create(Some(folder.path())).unwrap();
        assert_eq!(mode(home.path()), 0o700);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        fs::write(home.path().join("new"), "").unwrap();
        drop(home);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "kubeconfig");
    }

    #[test]
    fn without_a_folder_it_has_a_private_one_that_goes_as_well() {
        let home = Home::create(None).unwrap();
        let parent = home.path().parent().unwrap().to_owned();
        assert_eq!((mode(&parent), mode(home.path())), (0o700, 0o700));
        drop(home);
        assert!(!parent.exists());
    }

    #[test]
    fn nothing_is_made_after_the_end() {
        let home = Home::create(None).unwrap();
        home.remove();
        let made = home.make(|path| fs::create_dir_all(path.join("late")));
        assert!(made.is_err() && !home.path().exists());
    }
}
