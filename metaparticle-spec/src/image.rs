//! [`Repository`], [`Tag`] and [`ImageRef`]: where images are.

use serde::{Deserialize, Serialize};

use crate::{SpecError, name::checked_text};

/// Where images are pushed, without name, tag and digest: `[host[:port]/]path`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(String);

/// A tag of an image: 1 to 128 letters, digits, `_`, `.` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// A base image: `scratch`, or a reference with optional tag and digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef(String);

impl Repository {
    /// Checks and takes a repository.
    ///
    /// # Errors
    /// [`SpecError::Repository`] if it is not a lower-case path, or carries a tag or digest.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        let mut parts = text.split('/').peekable();
        if parts.peek().is_some_and(|first| is_host(first)) {
            parts.next();
        }
        let valid = !text.is_empty() && text.len() <= 200 && parts.all(is_path_component);
        if valid {
            Ok(Self(text))
        } else {
            Err(SpecError::Repository(text))
        }
    }

    /// The repository as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tag {
    /// Checks and takes a tag.
    ///
    /// # Errors
    /// [`SpecError::Tag`] if it is not a tag as the OCI distribution specification writes it.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        if is_tag(&text) {
            Ok(Self(text))
        } else {
            Err(SpecError::Tag(text))
        }
    }

    /// The tag that a package's version gives: `+` is written as `_`, and at most 128 characters are kept.
    ///
    /// # Errors
    /// [`SpecError::Tag`] if even so it is not a tag, which no version of cargo is.
    pub fn from_version(version: &str) -> Result<Self, SpecError> {
        Self::parse(
            version
                .chars()
                .take(128)
                .collect::<String>()
                .replace('+', "_"),
        )
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ImageRef {
    /// Checks and takes an image.
    ///
    /// # Errors
    /// [`SpecError::Image`] if repository, tag or digest is malformed.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        let (rest, digest) = text
            .split_once('@')
            .map_or((text.as_str(), None), |(rest, digest)| (rest, Some(digest)));
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        let valid = Repository::parse(path).is_ok()
            && tag.is_none_or(is_tag)
            && digest.is_none_or(|digest| {
                digest.strip_prefix("sha256:").is_some_and(|hex| {
                    hex.len() == 64
                        && hex
                            .bytes()
                            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
                })
            });
        if valid {
            Ok(Self(text))
        } else {
            Err(SpecError::Image(text))
        }
    }

    /// The image as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the empty image.
    #[must_use]
    pub fn is_scratch(&self) -> bool {
        self.0 == "scratch"
    }
}

/// The first component is a host if it has a dot or port, or is `localhost` (the rule of docker's references).
fn is_host(component: &str) -> bool {
    let (host, port) = component
        .rsplit_once(':')
        .map_or((component, None), |(host, port)| (host, Some(port)));
    let looks = host.contains('.') || port.is_some() || host == "localhost";
    looks
        && !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, of the OCI distribution specification.
fn is_path_component(component: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = component.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|&b| edge(Some(&b)) || matches!(b, b'.' | b'_' | b'-'))
        && !["..", "___", "._", "_.", "-.", ".-", "-_", "_-"]
            .iter()
            .any(|wrong| component.contains(wrong))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

checked_text!(Repository, Tag, ImageRef);
