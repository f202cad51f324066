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

    /// The name that a cargo target gives: lower case, `_` written as `-`.
    ///
    /// # Errors
    /// [`SpecError::Name`] if even so it is not a DNS label.
    pub fn from_target(target: &str) -> Result<Self, SpecError> {
        Self::parse(target.to_ascii_lowercase().replace('_', "-"))
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
