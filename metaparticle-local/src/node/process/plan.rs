//! [`Plan`]: what to run, and the block of memory that says so to the shim.
//!
//! The shim may not allocate, so the block is laid out as `execve` wants it: a table of words, whose offsets the shim
//! turns into pointers, and the strings behind it.

use std::{
    ffi::{CString, OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
};

/// A word is as wide as a pointer.
const WORD: usize = size_of::<usize>();

/// Where in the table which word stands.
pub(super) mod word {
    /// Length of the whole block in bytes.
    pub(in super::super) const LENGTH: usize = 0;
    /// What to do: one of [`super::RUN`], [`super::RUN_FILTERED`], [`super::TRY_FILTER`].
    #[cfg(any(target_os = "linux", test))]
    pub(in super::super) const MODE: usize = 1;
    /// Index of the first word of the environment's pointers.
    pub(in super::super) const ENV: usize = 2;
    /// Index of the first word that is no pointer any more.
    pub(in super::super) const END: usize = 3;
    /// The program's path.
    pub(in super::super) const PATH: usize = 4;
    /// The working directory.
    pub(in super::super) const FOLDER: usize = 5;
    /// The first argument; a zero ends them.
    pub(in super::super) const ARGS: usize = 6;
}

/// Run the program as it is.
pub(super) const RUN: usize = 0;
/// Run the program, and send the listener that sees its `bind`s.
pub(super) const RUN_FILTERED: usize = 1;
/// Run nothing: try whether a filtered `bind` is answered by the listener.
pub(super) const TRY_FILTER: usize = 2;

/// A program with its surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The executable file.
    pub(crate) path: PathBuf,
    /// Its arguments, the first of which is its own name.
    pub(crate) args: Vec<OsString>,
    /// Its whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Its working directory.
    pub(crate) folder: PathBuf,
}

impl Plan {
    /// The block for the shim.
    pub(super) fn encode(&self, mode: usize) -> io::Result<Vec<u8>> {
        let mut strings = Vec::new();
        let mut place = |text: &OsStr| -> io::Result<usize> {
            let text = CString::new(text.as_bytes()).map_err(io::Error::other)?;
            let at = strings.len();
            strings.extend_from_slice(text.as_bytes_with_nul());
            Ok(at)
        };
        let mut pointers = vec![
            Some(place(self.path.as_os_str())?),
            Some(place(self.folder.as_os_str())?),
        ];
        for arg in &self.args {
            pointers.push(Some(place(arg)?));
        }
        pointers.push(None);
        let env = word::PATH + pointers.len();
        for (name, value) in &self.env {
            let mut both = name.clone();
            both.push("=");
            both.push(value);
            pointers.push(Some(place(&both)?));
        }
        pointers.push(None);
        let end = word::PATH + pointers.len();
        let length = end * WORD + strings.len();
        let table = pointers
            .into_iter()
            .map(|at| at.map_or(0, |at| end * WORD + at));
        let words = [length, mode, env, end].into_iter().chain(table);
        let mut block: Vec<u8> = words.flat_map(usize::to_ne_bytes).collect();
        block.extend_from_slice(&strings);
        Ok(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(block: &[u8]) -> Vec<usize> {
        let whole = block.chunks_exact(WORD);
        whole
            .map(|it| usize::from_ne_bytes(it.try_into().unwrap()))
            .collect()
    }

    fn string(block: &[u8], at: usize) -> String {
        let end = block[at..].iter().position(|byte| *byte == 0).unwrap();
        String::from_utf8(block[at..at + end].to_vec()).unwrap()
    }

    fn plan() -> Plan {
        Plan {
            path: "/bin/echo".into(),
            args: vec!["echo".into(), "a b".into()],
            env: vec![("A".into(), "1=2".into())],
            folder: "/tmp".into(),
        }
    }

    #[test]
    fn offsets_lead_to_the_strings() {
        let block = plan().encode(RUN_FILTERED).unwrap();
        let table = words(&block);
        assert_eq!(
            (table[word::LENGTH], table[word::MODE]),
            (block.len(), RUN_FILTERED)
        );
        assert_eq!(string(&block, table[word::PATH]), "/bin/echo");
        assert_eq!(string(&block, table[word::FOLDER]), "/tmp");
        assert_eq!(string(&block, table[word::ARGS + 1]), "a b");
        assert_eq!(table[word::ARGS + 2], 0);
        let env = table[word::ENV];
        assert_eq!(string(&block, table[env]), "A=1=2");
        assert_eq!((table[env + 1], env + 2), (0, table[word::END]));
    }

    #[test]
    fn a_string_with_a_nul_byte_is_refused() {
        let mut plan = plan();
        plan.args.push("a\0b".into());
        assert!(plan.encode(RUN).is_err());
    }
}
