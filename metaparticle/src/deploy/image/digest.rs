//! [`Digest`]: the SHA-256 name of content.
//!
//! Computed by `ring`, whose assembly is as fast in a debug build as in a release build: the deployer runs in both.

use std::fmt;

use ring::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

/// The SHA-256 of some content, written `sha256:<64 hexadecimal digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Text that is no [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
pub struct InvalidDigest(String);

impl Digest {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self::from_ring(&digest(&SHA256, content))
    }

    /// Reads `sha256:…`.
    ///
    /// # Errors
    /// [`InvalidDigest`] for other algorithms and malformed text.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let digits = text.strip_prefix("sha256:").unwrap_or_default().as_bytes();
        let mut bytes = [0; 32];
        let well_formed = digits.len() == 64
            && digits.chunks_exact(2).zip(&mut bytes).all(|(pair, byte)| {
                match (hex_value(pair[0]), hex_value(pair[1])) {
                    (Some(high), Some(low)) => {
                        *byte = high << 4 | low;
                        true
                    }
                    _ => false,
                }
            });
        if well_formed {
            Ok(Self(bytes))
        } else {
            Err(InvalidDigest(text.to_owned()))
        }
    }

    /// The 64 hexadecimal digits: the name of the blob's file in an OCI layout.
    #[must_use]
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from(DIGITS[usize::from(digit)]))
            .collect()
    }

    fn from_ring(digest: &ring::digest::Digest) -> Self {
        Self(
            digest
                .as_ref()
                .try_into()
                .expect("a SHA-256 digest has 32 bytes"),
        )
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Computes the digest of content that comes in pieces.
#[derive(Clone)]
pub(super) struct Hasher(Context);

impl Hasher {
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    pub(super) fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    pub(super) fn finish(self) -> Digest {
        Digest::from_ring(&self.0.finish())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn digest_of_nothing_is_the_published_constant() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Hasher::new().finish(), Digest::of(b""));
    }

    #[test]
    fn text_of_a_digest_reads_back_as_the_same_digest() {
        assert_eq!(Digest::parse(EMPTY), Ok(Digest::of(b"")));
    }

    #[test]
    fn other_algorithms_cases_and_lengths_are_refused() {
        for wrong in [
            "",
            "sha512:00",
            &EMPTY[..70],
            &EMPTY.to_uppercase(),
            &format!("{EMPTY}0"),
            &EMPTY.replace('e', "é"),
        ] {
            assert!(Digest::parse(wrong).is_err(), "{wrong}");
        }
    }
}
