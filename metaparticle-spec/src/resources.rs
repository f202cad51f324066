//! [`Resources`]: what the container asks for and may use at most.

use serde::{Deserialize, Serialize};

use crate::{SpecError, name::checked_text};

/// Requests and limits of the container. Without requests, 50m CPU and 32Mi memory are asked for, or the limit if that
/// is less; limits are optional.
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

/// A positive quantity of Kubernetes: a decimal number with an optional suffix: `m`, `k`, `M`, `G`, `T`, `P`, `E` or
/// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`. Signs and exponents are left out: nobody needs them for CPU and memory.
///
/// Grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
///
/// # Examples
/// ```
/// use metaparticle_spec::Quantity;
///
/// assert_eq!(Quantity::parse("0.5")?.canonical(), "500m");
/// assert!(Quantity::parse("64MB").is_err());
/// # Ok::<(), metaparticle_spec::SpecError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity(String);

/// One, in billionths.
const ONE: u128 = 1_000_000_000;

/// Suffixes and what they stand for, in billionths, from small to large.
const DECIMAL: [(&str, u128); 10] = [
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("", ONE),
    ("k", ONE * 1_000),
    ("M", ONE * 1_000_000),
    ("G", ONE * 1_000_000_000),
    ("T", ONE * 1_000_000_000_000),
    ("P", ONE * 1_000_000_000_000_000),
    ("E", ONE * 1_000_000_000_000_000_000),
];
const BINARY: [(&str, u128); 6] = [
    ("Ki", ONE << 10),
    ("Mi", ONE << 20),
    ("Gi", ONE << 30),
    ("Ti", ONE << 40),
    ("Pi", ONE << 50),
    ("Ei", ONE << 60),
];

impl Quantity {
    /// Checks and takes a quantity.
    ///
    /// # Errors
    /// [`SpecError::Quantity`] if it is not a positive number with a known suffix, needs more than nine decimals, or
    /// exceeds the 2⁶³ - 1 of Kubernetes.
    pub fn parse(text: impl Into<String>) -> Result<Self, SpecError> {
        let text = text.into();
        match billionths(&text) {
            Some(1..) => Ok(Self(text)),
            _ => Err(SpecError::Quantity(text)),
        }
    }

    /// The quantity as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value in billionths, exact.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "parse took the text")]
    pub fn billionths(&self) -> u128 {
        billionths(&self.0).expect("parse took the text")
    }

    /// Whether the suffix is one of `Ki`, `Mi`, …, which count bytes.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.0.ends_with('i')
    }

    /// The quantity as the API server writes it: no fraction, the largest suffix that allows it. Other spellings would
    /// come back changed, and a comparison with what was sent would see a difference.
    #[must_use]
    pub fn canonical(&self) -> String {
        let value = self.billionths();
        let binary = self.is_binary() && value.is_multiple_of(ONE);
        let suffixes: &[_] = if binary { &BINARY } else { &DECIMAL };
        let (suffix, unit) = suffixes
            .iter()
            .rfind(|(_, unit)| value.is_multiple_of(*unit))
            // A binary quantity that no binary suffix divides is a number of bytes.
            .unwrap_or(&("", ONE));
        format!("{}{suffix}", value / unit)
    }
}

/// The value of a quantity in billionths; `None` if it is malformed, out of range or finer than that.
fn billionths(text: &str) -> Option<u128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (_, unit) = DECIMAL[2..]
        .iter()
        .chain(&BINARY)
        .find(|(known, _)| *known == suffix)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    if whole.is_empty() {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10u128.checked_pow(fraction.len().try_into().ok()?)?;
    let value = digits.checked_mul(*unit)?;
    let most = u128::from(i64::MAX.unsigned_abs()) * ONE;
    (value.is_multiple_of(scale) && value / scale <= most).then_some(value / scale)
}

checked_text!(Quantity);

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).unwrap().canonical()
    }

    #[test]
    fn canonical_form_is_the_api_servers() {
        for (written, canonical_form) in [
            ("1", "1"),
            ("0.5", "500m"),
            ("1.50", "1500m"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1500", "1500"),
            ("0.0001", "100u"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("0.1Ki", "102400m"),
            ("1.0009765625Ki", "1025"),
            ("0100m", "100m"),
            ("1Ei", "1Ei"),
            ("1E", "1E"),
            ("128974848", "128974848"),
        ] {
            assert_eq!(canonical(written), canonical_form, "{written}");
        }
    }

    #[test]
    fn canonical_form_has_the_same_value() {
        for text in ["0.5", "1.5Gi", "0.1Ki", "7", "250m", "1Ti", "3.25G"] {
            let quantity = Quantity::parse(text).unwrap();
            // `u` and `n` are written by the server only; they are not taken from users.
            let back = Quantity::parse(quantity.canonical()).unwrap();
            assert_eq!(back.billionths(), quantity.billionths(), "{text}");
        }
    }

    #[test]
    fn malformed_zero_and_huge_quantities_are_refused() {
        for text in [
            "",
            "0",
            "0.0",
            "0m",
            "-1",
            "+1",
            "1e3",
            "1E3",
            ".5",
            "5.",
            ".",
            "1.2.3",
            "m",
            "Mi",
            "64MB",
            "64mi",
            "1 ",
            " 1",
            "1,5",
            "0.0000000001",
            "1.0000000001",
            "9223372036854775808",
            "8Ei",
            "10E",
            "1_000",
            "１",
            "1u",
            "1n",
            "99999999999999999999999999999999999999999999",
        ] {
            let refused = Quantity::parse(text).unwrap_err();
            assert_eq!(refused, SpecError::Quantity(text.to_owned()));
        }
    }

    #[test]
    fn largest_quantity_is_taken() {
        assert_eq!(canonical("9223372036854775807"), "9223372036854775807");
    }
}
