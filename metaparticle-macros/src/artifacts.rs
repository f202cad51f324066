//! The files beside the binary: `<target directory>/metaparticle/artifacts/<package>/<binary>/…`.
//!
//! Written only where cargo links a program for this machine; a directory that cannot be written is no mistake. The
//! expansion includes each file, so that cargo misses a deleted one and builds again. Nothing reads them back: what is
//! deployed is the embedded record.

use std::{
    env,
    fs::{self, File, FileTimes},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime},
};

use metaparticle_spec::{Artifact, Build, Embedded};

use crate::{invocation::Invocation, target_dir};

/// Modification time of every file, 1980-01-01. Written during the build it would be newer than cargo's own record of
/// the build, and the next one would not be fresh.
const OLD: Duration = Duration::from_secs(315_532_800);

/// Writes the files where they belong, and returns their paths for `include_bytes!`; none if there are no files.
pub fn write(embedded: &Embedded, invocation: &Invocation) -> Vec<String> {
    let is_program = env::var_os("CARGO_BIN_NAME").is_some();
    if !is_program || !is_wanted(invocation) {
        return Vec::new();
    }
    target_dir::find(invocation)
        .and_then(|target| write_all(&place(&target, &embedded.build), &embedded.artifacts))
        .unwrap_or_default()
}

/// Neither for unit tests nor for the container; `cargo check` and rust-analyzer do not link.
fn is_wanted(invocation: &Invocation) -> bool {
    invocation.links && !invocation.is_test && !invocation.is_container
}

/// A binary and an example may have one name.
fn place(target: &Path, build: &Build) -> PathBuf {
    let mut place = target.join("metaparticle/artifacts");
    place.push(&build.package);
    if build.example {
        place.push("examples");
    }
    place.join(&build.bin)
}

fn write_all(dir: &Path, artifacts: &[Artifact]) -> Option<Vec<String>> {
    let written = artifacts.iter().map(|artifact| {
        let path = dir.join(&artifact.path);
        // A path that is not UTF-8 cannot be included.
        let text = path.to_str()?.to_owned();
        keep(&path, artifact.text.as_bytes()).ok()?;
        Some(text)
    });
    written.collect()
}

/// Makes the file hold `content`, and touches nothing if it does already.
fn keep(path: &Path, content: &[u8]) -> io::Result<()> {
    let old = SystemTime::UNIX_EPOCH + OLD;
    let times = FileTimes::new().set_modified(old);
    if fs::read(path).is_ok_and(|present| present == content) {
        if fs::metadata(path)?.modified()? != old {
            // Somebody touched it; should it not be ours to set back, one more build does no harm.
            let _ = File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_times(times));
        }
        return Ok(());
    }
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir)?;
    // Two builds may write at once: each its own file, and renaming puts a whole one in place.
    let draft = dir.join(format!(".draft-{}", process::id()));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(content)?;
        file.set_times(times)?;
        fs::rename(&draft, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(text: &str) -> Artifact {
        Artifact {
            path: "Dockerfile".to_owned(),
            text: text.to_owned(),
        }
    }

    fn modified(path: &Path) -> SystemTime {
        fs::metadata(path).unwrap().modified().unwrap()
    }

    #[test]
    fn rust_analyzer_and_others_that_link_nothing_write_nothing() {
        let linking = Invocation {
            links: true,
            ..Invocation::default()
        };
        assert!(is_wanted(&linking));
        assert!(
            !is_wanted(&Invocation::default()),
            "rust-analyzer gives no arguments"
        );
    }

    #[test]
    fn file_is_written_whole_and_old() {
        let dir = tempfile::tempdir().unwrap();
        let paths = write_all(&dir.path().join("a b/ü"), &[artifact("FROM scratch")]).unwrap();
        let file = dir.path().join("a b/ü/Dockerfile");
        assert_eq!(paths, [file.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "FROM scratch");
        assert_eq!(modified(&file), SystemTime::UNIX_EPOCH + OLD);
        let entries = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1, "the draft is gone");
    }

    #[test]
    fn equal_file_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Dockerfile");
        let reader = |content: &str| {
            keep(&file, content.as_bytes()).unwrap();
            File::open(&file).unwrap()
        };
        let mut first = reader("one");
        keep(&file, b"one").unwrap();
        fs::write(&file, "two").unwrap();
        // The handle still sees the file: it was not replaced.
        assert_eq!(io::read_to_string(&mut first).unwrap(), "two");
    }

    #[test]
    fn touched_file_becomes_old_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Dockerfile");
        fs::write(&file, "one").unwrap();
        keep(&file, b"one").unwrap();
        assert_eq!(modified(&file), SystemTime::UNIX_EPOCH + OLD);
    }

    #[test]
    fn place_that_cannot_be_written_gives_no_paths() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("metaparticle");
        fs::write(&file, "not a directory").unwrap();
        assert_eq!(write_all(&file, &[artifact("FROM scratch")]), None);
    }
}
