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
    /// [`SpecError::Repository`] if it is not a lower-case path, carries a tag or digest, or is so long (191 characters)
    /// that with a name it exceeds the 255 of registries.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        let mut parts = text.split('/').peekable();
        if parts.peek().is_some_and(|first| is_host(first)) {
            parts.next();
        }
        let valid = !text.is_empty() && text.len() <= 191 && parts.all(is_path_component);
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

/// The first component is a host if it has a dot or port (the rule of docker's references; `localhost`, which it names
/// too, is a path component as well).
fn is_host(component: &str) -> bool {
    let (host, port) = match component.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (component, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if !port.is_none_or(is_port) {
        return false;
    }
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<core::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (host.contains('.') || port.is_some()) && host.split('.').all(is_label)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_with_and_without_host_are_taken() {
        for text in [
            "team",
            "team/sub",
            "registry.example.com",
            "registry.example.com/team",
            "Registry.Example.com/team",
            "127.0.0.1:5000/demo",
            "localhost/demo",
            "localhost:5000",
            "[::1]:5000/demo",
            "[::1]/demo",
            "a/b-c/d__e/f.g/h--i",
        ] {
            assert_eq!(Repository::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        for text in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "Team",
            "a/B",
            "a:tag",
            "a/b:tag",
            "a@sha256:0",
            "a b",
            "a..b",
            "a/-b",
            "a/b-",
            "a/b___c",
            "a/b._c",
            "host.:5000/a",
            "-h.com/a",
            "h.com:0/a",
            "h.com:+1/a",
            "h.com:99999/a",
            "[::g]/a",
            "https://h.com/a",
            "a\nb",
            &"a".repeat(192),
        ] {
            assert_eq!(
                Repository::parse(text),
                Err(SpecError::Repository(text.to_owned()))
            );
        }
    }

    #[test]
    fn tags_are_those_of_the_distribution_specification() {
        for text in ["v1", "1.0.0-rc.1", "_x", "A", &"a".repeat(128)] {
            assert_eq!(Tag::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            ".a",
            "-a",
            "a+b",
            "a b",
            "a/b",
            "a:b",
            "ä",
            &"a".repeat(129),
        ] {
            assert_eq!(Tag::parse(text), Err(SpecError::Tag(text.to_owned())));
        }
    }

    #[test]
    fn images_may_carry_tag_and_digest() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in [
            "scratch".to_owned(),
            "debian:12".to_owned(),
            "localhost:5000/a".to_owned(),
            format!("gcr.io/distroless/static@{digest}"),
            format!("h.com:5000/a/b:v1@{digest}"),
        ] {
            assert_eq!(ImageRef::parse(text.clone()).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let short = format!("a@sha256:{}", "0a".repeat(31));
        let upper = format!("a@sha256:{}", "0A".repeat(32));
        for text in [
            "",
            "a:",
            "a:b:c",
            "a@",
            "a@md5:00",
            "A",
            "a b",
            "scratch AS x",
            "a\nRUN x",
            &short,
            &upper,
        ] {
            assert_eq!(
                ImageRef::parse(text),
                Err(SpecError::Image(text.to_owned()))
            );
        }
    }

    #[test]
    fn only_the_bare_word_is_the_empty_image() {
        assert!(ImageRef::parse("scratch").unwrap().is_scratch());
        assert!(!ImageRef::parse("team/scratch").unwrap().is_scratch());
    }
}
