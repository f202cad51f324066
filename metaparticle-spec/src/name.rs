//! [`Name`] and [`Namespace`]: DNS labels, and [`EnvName`]: the name of an environment variable.

use serde::{Deserialize, Serialize};

use crate::SpecError;

/// A DNS label as Services demand it (RFC 1035): 1 to 63 lower-case letters, digits and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`SpecError::Name`] if it is not a DNS label.
    pub fn parse(name: impl Into<String>) -> Result<Self, SpecError> {
        let name = name.into();
        if is_label(&name) && name.starts_with(|first: char| first.is_ascii_lowercase()) {
            Ok(Self(name))
        } else {
            Err(SpecError::Name(name))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A namespace: a DNS label (RFC 1123), which may also begin with a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(String);

impl Namespace {
    /// Checks and takes a namespace.
    ///
    /// # Errors
    /// [`SpecError::Namespace`] if it is not a DNS label.
    pub fn parse(namespace: impl Into<String>) -> Result<Self, SpecError> {
        let namespace = namespace.into();
        if is_label(&namespace) {
            Ok(Self(namespace))
        } else {
            Err(SpecError::Namespace(namespace))
        }
    }

    /// The namespace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is a DNS label of RFC 1123.
fn is_label(text: &str) -> bool {
    let letter_or_digit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && letter_or_digit(bytes[0])
        && letter_or_digit(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| letter_or_digit(b) || b == b'-')
}

/// The name of an environment variable as Kubernetes takes it: printable ASCII without `=`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvName(String);

impl EnvName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`SpecError::EnvName`] if it is empty or holds `=` or anything but printable ASCII;
    /// [`SpecError::ReservedEnv`] if it begins with `METAPARTICLE_`.
    pub fn parse(name: impl Into<String>) -> Result<Self, SpecError> {
        let name = name.into();
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'=')
        {
            return Err(SpecError::EnvName(name));
        }
        if name.starts_with("METAPARTICLE_") {
            return Err(SpecError::ReservedEnv(name));
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Implements what every checked text has in common: `Display`, `FromStr` and conversions.
macro_rules! checked_text {
    ($($type:ty),+) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        $crate::name::conversions!($type);
    )+};
}
pub(crate) use checked_text;

/// Conversions between a checked type and text, for types that have `parse` and `Display`.
macro_rules! conversions {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = $crate::SpecError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(text)
            }
        }
        impl std::str::FromStr for $type {
            type Err = $crate::SpecError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
pub(crate) use conversions;

checked_text!(Name, Namespace, EnvName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_taken() {
        for text in ["a", "web", "web-2", "a--b", &"a".repeat(63)] {
            assert_eq!(Name::parse(text).unwrap().as_str(), text);
            assert_eq!(Namespace::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_no_label_is_refused() {
        for text in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "ä",
            "a b",
            "a\n",
            &"a".repeat(64),
        ] {
            assert_eq!(Name::parse(text), Err(SpecError::Name(text.to_owned())));
            assert_eq!(
                Namespace::parse(text),
                Err(SpecError::Namespace(text.to_owned()))
            );
        }
    }

    #[test]
    fn only_a_namespace_may_begin_with_a_digit() {
        assert!(Namespace::parse("2nd").is_ok());
        assert_eq!(Name::parse("2nd"), Err(SpecError::Name("2nd".to_owned())));
    }

    #[test]
    fn printable_ascii_names_a_variable() {
        for text in ["A", "my.var", "2x", "a b", "a-b", "~", "METAPARTICLE"] {
            assert_eq!(EnvName::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "A=B", "ä", "a\n", "\0", "a\u{7f}"] {
            assert_eq!(
                EnvName::parse(text),
                Err(SpecError::EnvName(text.to_owned()))
            );
        }
    }

    #[test]
    fn variables_of_metaparticle_are_reserved() {
        let name = "METAPARTICLE_ROLE".to_owned();
        assert_eq!(
            EnvName::parse(name.clone()),
            Err(SpecError::ReservedEnv(name))
        );
    }

    #[test]
    fn invalid_json_is_refused_by_the_same_rule() {
        let error = serde_json::from_str::<Name>("\"A\"").unwrap_err();
        assert!(
            error.to_string().starts_with("`A` is not a valid name"),
            "{error}"
        );
        assert_eq!(
            serde_json::to_string(&Name::parse("a").unwrap()).unwrap(),
            "\"a\""
        );
    }
}
