//! Where the embedded cluster of an application keeps its lock and kubeconfig: a folder that only this user can enter.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Error;

/// The folder of an application: below the target directory of this executable, else among this user's own temporary
/// files. Whatever is in the way there is not trusted.
pub(super) fn of(app: &str) -> Result<PathBuf, Error> {
    let executable = std::env::current_exe().map_err(|source| Error::Executable { source })?;
    let target = executable
        .ancestors()
        .find(|it| it.join("CACHEDIR.TAG").is_file());
    let path = match target {
        Some(target) => target.join("metaparticle").join("local").join(app),
        None => own_temporary_folder()?.join(app),
    };
    make_private(&path)?;
    Ok(path)
}

/// For programs outside of a target directory.
fn own_temporary_folder() -> Result<PathBuf, Error> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let path = match given.filter(|it| it.is_absolute()) {
        Some(given) => given.join("metaparticle"),
        None => std::env::temp_dir().join(format!("metaparticle-{}", user()?)),
    };
    make_private(&path)?;
    Ok(path)
}

/// Makes the folder, or makes sure that it is a folder of this user which nobody else may enter.
#[cfg(unix)]
fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};

    let failed = |source| Error::Folder {
        path: path.to_owned(),
        source,
    };
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(failed)?;
    let found = fs::symlink_metadata(path).map_err(failed)?;
    if !found.is_dir() || found.uid() != user()? {
        let why = "it is not a folder of this user";
        return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, why)));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Folder {
        path: path.to_owned(),
        source,
    })
}

/// The number of this user: that of the files that it makes.
#[cfg(unix)]
fn user() -> Result<u32, Error> {
    use std::os::unix::fs::MetadataExt as _;

    let own = tempfile::tempfile().and_then(|file| file.metadata());
    own.map(|it| it.uid()).map_err(|source| Error::Folder {
        path: std::env::temp_dir(),
        source,
    })
}

#[cfg(not(unix))]
fn user() -> Result<u32, Error> {
    Ok(0)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_is_made_for_this_user_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        make_private(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        make_private(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn what_somebody_put_in_the_way_is_not_followed() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("web");
        std::os::unix::fs::symlink(temporary.path(), &path).unwrap();
        assert!(matches!(make_private(&path), Err(Error::Folder { .. })));
    }
}
