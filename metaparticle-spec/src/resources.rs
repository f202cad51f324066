//! [`Resources`]: what the container asks for and may use at most.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{SpecError, name::checked_text};

/// Requests and limits of the container. Without requests, 50m CPU and 32Mi memory are asked for; limits are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU that is reserved, in cores (`1`, `100m`).
    pub cpu: Option<Quantity>,
    /// Memory that is reserved, in bytes (`64Mi`).
    pub memory: Option<Quantity>,
    /// CPU beyond which the container is throttled.
    pub cpu_limit: Option<Quantity>,
    /// Memory beyond which the container is killed.
    pub memory_limit: Option<Quantity>,
}

/// A quantity of Kubernetes: a decimal number with an optional suffix (`m`, `k`, `M`, `G`, `Ki`, `Mi`, `Gi`, …).
///
/// Grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(String);

impl Quantity {
    /// Checks and takes a quantity.
    ///
    /// # Errors
    /// [`SpecError::Quantity`] if it is not a positive number with a known suffix.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let positive = number.parse::<f64>().is_ok_and(|n| n > 0.0)
            && !number.starts_with('.')
            && !number.ends_with('.');
        let known = matches!(
            suffix,
            "" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"
        );
        if positive && known {
            Ok(Self(text))
        } else {
            Err(SpecError::Quantity(text))
        }
    }

    /// The quantity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked_text!(Quantity);

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
