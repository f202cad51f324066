//! [`Embedded`]: the application as the macro writes it into the host binary, found there without running it.

use memchr::memmem;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{AppSpec, Artifact};

/// All that the deployer needs to know about the program that contains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// What the attributes declare.
    pub spec: AppSpec,
    /// What cargo was told when it compiled the program.
    pub build: Build,
    /// Dockerfile and manifests, rendered at expansion.
    pub artifacts: Vec<Artifact>,
}

/// What cargo was told when it compiled the program: the inner build for the container says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Name of the package (`-p`).
    pub package: String,
    /// Version of the package.
    pub version: String,
    /// Name of the binary target (`--bin`), or of the example (`--example`).
    pub bin: String,
    /// Whether the target is an example rather than a binary.
    pub example: bool,
    /// Enabled cargo features of the package; `default` is among them if it is on.
    pub features: Vec<String>,
    /// Version of the compiling rustc, such as `1.95.0`; pins the generated Dockerfile's base.
    pub rustc: String,
    /// Absolute path of the package's directory on the machine that compiled it.
    pub manifest_dir: String,
    /// Path of the package's directory below its workspace root (empty if it is the root): for the Dockerfile.
    pub package_path: String,
}

/// Why bytes are not a record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// No record begins here (or, for a scan, anywhere).
    #[error("no embedded application found")]
    Absent,
    /// The record ends before the length it states.
    #[error("the embedded application is cut off: it states {stated} bytes, {present} are there")]
    Truncated {
        /// Length that the record states.
        stated: u64,
        /// Bytes that follow.
        present: usize,
    },
    /// The content is of another version, or damaged.
    #[error(
        "the embedded application cannot be read: was it built by another version of metaparticle?"
    )]
    Content(#[from] serde_json::Error),
}

impl Build {
    /// What cargo is told so that it builds this program again: package, target and features, but neither profile nor
    /// platform.
    #[must_use]
    pub fn cargo_args(&self) -> Vec<String> {
        let mut args = vec![
            "--package".to_owned(),
            format!("{}@{}", self.package, self.version),
            if self.example { "--example" } else { "--bin" }.to_owned(),
            self.bin.clone(),
            "--no-default-features".to_owned(),
        ];
        if !self.features.is_empty() {
            args.extend(["--features".to_owned(), self.features.join(",")]);
        }
        args
    }
}

impl Embedded {
    /// First bytes of the embedded record; a 64-bit little-endian length and that many bytes of JSON follow.
    pub const MAGIC: [u8; 24] = *b"\0metaparticle-embedded\0\x01";

    /// The record: [`Self::MAGIC`], length, JSON.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "the types have a JSON form for every value"
    )]
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self)
            .expect("strings, numbers and maps with string keys always serialize");
        let mut record = Self::MAGIC.to_vec();
        record.extend((json.len() as u64).to_le_bytes());
        record.extend(json);
        record
    }

    /// Reads the record at the start of `bytes`; what follows it is ignored.
    ///
    /// # Errors
    /// [`EmbedError`], by what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, EmbedError> {
        let rest = bytes.strip_prefix(&Self::MAGIC).ok_or(EmbedError::Absent)?;
        let (length, rest) = rest.split_first_chunk().ok_or(EmbedError::Truncated {
            stated: 8,
            present: rest.len(),
        })?;
        let stated = u64::from_le_bytes(*length);
        let json = usize::try_from(stated)
            .ok()
            .and_then(|length| rest.get(..length))
            .ok_or(EmbedError::Truncated {
                stated,
                present: rest.len(),
            })?;
        Ok(serde_json::from_slice(json)?)
    }

    /// Finds the first valid record in a whole binary. The magic alone proves nothing: this crate's own copy of it
    /// lies in every binary that scans, so a candidate that cannot be read is passed over.
    ///
    /// # Errors
    /// [`EmbedError::Content`] if the only candidates have a plausible length and unreadable content (a record of
    /// another version), else [`EmbedError::Absent`].
    pub fn find(binary: &[u8]) -> Result<Self, EmbedError> {
        let mut unreadable = EmbedError::Absent;
        for at in memmem::find_iter(binary, &Self::MAGIC) {
            match Self::decode(&binary[at..]) {
                Ok(found) => return Ok(found),
                // An object that does not fit is a record of another version; anything else is noise.
                Err(EmbedError::Content(error)) if error.is_data() => {
                    unreadable = EmbedError::Content(error);
                }
                Err(_) => {}
            }
        }
        Err(unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Name, sample};

    fn sample(name: &str) -> Embedded {
        let name = Name::parse(name).unwrap();
        Embedded {
            spec: AppSpec {
                name,
                ..sample::app()
            },
            build: sample::build(),
            artifacts: vec![Artifact {
                path: "a".to_owned(),
                text: "ä\n".to_owned(),
            }],
        }
    }

    #[test]
    fn a_record_reads_back_and_ignores_what_follows() {
        let mut bytes = sample("a").encode();
        bytes.extend(b"rest");
        assert_eq!(Embedded::decode(&bytes).unwrap(), sample("a"));
    }

    #[test]
    fn a_cut_record_is_refused_wherever_it_is_cut() {
        let bytes = sample("a").encode();
        for end in 0..bytes.len() {
            let error = Embedded::decode(&bytes[..end]).unwrap_err();
            let expected = match end {
                0..24 => matches!(error, EmbedError::Absent),
                _ => matches!(error, EmbedError::Truncated { .. }),
            };
            assert!(expected, "{end}: {error}");
        }
    }

    #[test]
    fn the_first_valid_record_is_found_behind_bogus_ones() {
        let mut binary = b"\x7fELF\0\0metaparticle-embedded".to_vec();
        binary.extend(Embedded::MAGIC); // this crate's constant
        binary.extend(Embedded::MAGIC); // directly before another
        binary.extend(u64::MAX.to_le_bytes());
        binary.extend(Embedded::MAGIC);
        binary.extend(4u64.to_le_bytes());
        binary.extend(b"{\"x\"");
        binary.extend(sample("first").encode());
        binary.extend(sample("second").encode());
        binary.extend(&sample("cut").encode()[..40]);
        assert_eq!(Embedded::find(&binary).unwrap(), sample("first"));
    }

    #[test]
    fn a_binary_without_a_record_says_so() {
        let mut binary = vec![0; 1000];
        binary.extend(Embedded::MAGIC);
        binary.extend(3u64.to_le_bytes());
        binary.extend(b"not JSON");
        assert!(matches!(Embedded::find(&binary), Err(EmbedError::Absent)));
        assert!(matches!(Embedded::find(b""), Err(EmbedError::Absent)));
    }

    #[test]
    fn a_record_of_another_version_is_told_from_none() {
        let json = String::from_utf8(sample("a").encode()[32..].to_vec()).unwrap();
        let newer = json.replace("\"public\"", "\"new_key\"");
        let mut binary = Embedded::MAGIC.to_vec();
        binary.extend((newer.len() as u64).to_le_bytes());
        binary.extend(newer.bytes());
        assert!(matches!(
            Embedded::find(&binary),
            Err(EmbedError::Content(_))
        ));
    }

    #[test]
    fn cargo_is_told_package_target_and_features() {
        let mut build = sample("a").build;
        let args = "--package p@0.1.0 --bin b --no-default-features --features default,x/y";
        assert_eq!(build.cargo_args().join(" "), args);
        build.features.clear();
        build.example = true;
        assert_eq!(
            build.cargo_args().join(" "),
            "--package p@0.1.0 --example b --no-default-features"
        );
    }
}
