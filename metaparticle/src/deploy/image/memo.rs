//! [`Memo`]: what a layer was the last time, so that an unchanged program is neither archived nor compressed again.
//!
//! It saves work on this machine only; whether a registry has the layer is asked every time. A memo that is missing,
//! damaged or of another program costs the work again and nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    layer::{Key, LayerId},
    reference::Location,
};

/// What is remembered about one layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memo {
    /// What the layer is made of.
    pub(super) key: Key,
    /// The layer.
    pub(super) layer: LayerId,
    /// Where it was last seen: a registry can take it from there into another repository.
    pub(super) seen: Option<String>,
}

/// The file of a memo.
#[derive(Clone, Debug)]
pub(super) struct MemoFile(PathBuf);

impl MemoFile {
    pub(super) fn new(cache: &Path, name: &str) -> Self {
        Self(cache.join("image").join(format!("{name}.json")))
    }

    /// The memo, if it is about `key`.
    pub(super) fn read(&self, key: Key) -> Option<Memo> {
        let memo: Memo = serde_json::from_slice(&fs::read(&self.0).ok()?).ok()?;
        (memo.key == key).then_some(memo)
    }

    /// Takes the memo away.
    pub(super) fn forget(&self) {
        let _ = fs::remove_file(&self.0);
    }

    /// Keeps a memo. A target directory that cannot be written is no reason to stop.
    pub(super) fn write(&self, memo: &Memo) {
        let write = || -> Option<()> {
            let directory = self.0.parent()?;
            fs::create_dir_all(directory).ok()?;
            let mut file = tempfile::NamedTempFile::new_in(directory).ok()?;
            serde_json::to_writer(&mut file, memo).ok()?;
            file.persist(&self.0).ok()?;
            Some(())
        };
        let _ = write();
    }
}

impl Memo {
    /// The repository of the same registry from which the layer can be taken.
    pub(super) fn elsewhere(&self, location: &Location) -> Option<String> {
        let seen = Location::parse(self.seen.as_ref()?);
        (seen.host == location.host && seen.repository != location.repository)
            .then_some(seen.repository)
    }
}
