//! `resource.Quantity`: `1000m` is `1`. Read and written again as Go does.
//! <https://github.com/kubernetes/apimachinery/blob/master/pkg/api/resource/quantity.go>

use serde_json::Value;

const FORMAT: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const NUMBER: &str = "unable to parse numeric part of quantity";
const SUFFIX: &str = "unable to parse quantity's suffix";
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// `value * 10^scale`, at least at nano precision, and how it was written, which is how it is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    value: i128,
    scale: i32,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Si,
    Exponent,
    Binary,
}

/// The form in which the real server stores a quantity.
///
/// # Errors
/// In the words of the real server.
pub(crate) fn canonical(text: &str) -> Result<String, &'static str> {
    // What is beyond what is counted with here is far beyond what a machine has.
    Ok(read(text)?.map_or_else(|| text.trim().to_owned(), Quantity::canonical))
}

/// None if it cannot be counted with.
fn read(text: &str) -> Result<Option<Quantity>, &'static str> {
    let parts = split(text.trim())?;
    let (format, exponent) = parts.suffix()?;
    let digits = format!("{}{}", parts.whole, parts.decimals);
    if digits.is_empty() {
        return Err(NUMBER);
    }
    let value = parts.value(&digits, format, exponent);
    Ok(value.map(|(value, scale)| Quantity {
        value,
        scale,
        format,
    }))
}

impl Quantity {
    /// What a field holds: text, or a number. None if it is no quantity.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => read(text).ok()?,
            Value::Number(number) => read(&number.to_string()).ok()?,
            _ => None,
        }
    }

    /// In billionths, the smallest step.
    #[must_use]
    pub fn nanos(self) -> i128 {
        let power = u32::try_from(self.scale + 9).ok();
        let power = power.and_then(|it| 10_i128.checked_pow(it));
        power.map_or(self.value.signum() * i128::MAX, |it| {
            self.value.saturating_mul(it)
        })
    }

    /// Steps below a thousandth are rounded up, as for the resources of containers.
    #[must_use]
    pub fn in_thousandths(self) -> Self {
        let beyond = u32::try_from(-3 - self.scale).ok();
        let Some(factor) = beyond.and_then(|it| 10_i128.checked_pow(it)) else {
            return self;
        };
        let value = (self.value.abs() + factor - 1) / factor * self.value.signum();
        Self {
            value,
            scale: -3,
            ..self
        }
    }

    /// The one way in which the real server writes it.
    #[must_use]
    pub fn canonical(self) -> String {
        if self.value == 0 {
            return "0".to_owned();
        }
        written(self.value, self.scale, self.format)
    }
}

struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    decimals: &'t str,
    suffix: &'t str,
}

fn split(text: &str) -> Result<Parts<'_>, &'static str> {
    if text.is_empty() {
        return Err(FORMAT);
    }
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str| {
        text.find(|it: char| !it.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let (whole, rest) = unsigned.split_at(digits(unsigned));
    let (decimals, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let letters = suffix.trim_start_matches(|it| "eEinumkKMGTP".contains(it));
    let exponent = letters.strip_prefix(['+', '-']).unwrap_or(letters);
    if digits(exponent) != exponent.len() {
        return Err(FORMAT);
    }
    Ok(Parts {
        negative,
        whole: if whole.is_empty() && decimals.is_empty() {
            "0"
        } else {
            whole
        },
        decimals,
        suffix,
    })
}

impl Parts<'_> {
    /// The format, and the exponent of ten or of two.
    fn suffix(&self) -> Result<(Format, i32), &'static str> {
        if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == self.suffix) {
            return Ok((Format::Si, *exponent));
        }
        if let Some(at) = BINARY.iter().position(|name| *name == self.suffix) {
            return Ok((Format::Binary, 10 * (i32::try_from(at).unwrap_or(0) + 1)));
        }
        let exponent = self.suffix.strip_prefix(['e', 'E']).ok_or(SUFFIX)?;
        let exponent: i64 = exponent.parse().map_err(|_| SUFFIX)?;
        Ok((
            Format::Exponent,
            i32::try_from(exponent).unwrap_or(i32::MAX),
        ))
    }

    /// `value * 10^scale`, at least at nano precision (rounded away from zero), if it can be counted with.
    fn value(&self, digits: &str, format: Format, exponent: i32) -> Option<(i128, i32)> {
        let mut value: i128 = digits.parse().ok()?;
        let mut scale = -i32::try_from(self.decimals.len()).ok()?;
        if format == Format::Binary {
            value = value.checked_mul(1 << exponent)?;
        } else {
            scale = scale.checked_add(exponent)?;
        }
        while value != 0 && value % 10 == 0 {
            value /= 10;
            scale += 1;
        }
        if scale < -9 {
            let factor = 10_i128.checked_pow(u32::try_from(-9 - scale).ok()?);
            value = factor.map_or(i128::from(value != 0), |factor| {
                (value + factor - 1) / factor
            });
            scale = -9;
        }
        if format == Format::Binary && scale >= 0 {
            let most = i128::from(i64::MAX);
            let whole = 10_i128.checked_pow(u32::try_from(scale).ok()?);
            let whole = whole.and_then(|it| value.checked_mul(it)).unwrap_or(most);
            (value, scale) = (whole.min(most), 0);
        }
        Some((if self.negative { -value } else { value }, scale))
    }
}

fn written(mut value: i128, mut scale: i32, format: Format) -> String {
    if format == Format::Binary && scale >= 0 && value.abs() >= 1024 {
        let mut level = 0;
        while value % 1024 == 0 && level < BINARY.len() {
            value /= 1024;
            level += 1;
        }
        let suffix = if level == 0 { "" } else { BINARY[level - 1] };
        return format!("{value}{suffix}");
    }
    while value % 10 == 0 {
        value /= 10;
        scale += 1;
    }
    while scale.rem_euclid(3) != 0 {
        value = value.saturating_mul(10);
        scale -= 1;
    }
    match format {
        Format::Exponent if scale == 0 => value.to_string(),
        Format::Exponent => format!("{value}e{scale}"),
        _ => {
            let suffix = DECIMAL.iter().find(|(_, exponent)| *exponent == scale);
            format!("{value}{}", suffix.map_or("", |(name, _)| name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_the_real_server_writes_them() {
        for (text, expected) in [
            ("1", "1"),
            ("0", "0"),
            ("0m", "0"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1.5", "1500m"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("1024Mi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1.5Ki", "1536"),
            ("1Ki", "1Ki"),
            ("100Mi", "100Mi"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e1", "120"),
            ("-1000m", "-1"),
            ("+2", "2"),
            ("0.0000000001", "1n"),
            ("1.", "1"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_in_the_words_of_the_real_server() {
        for text in ["", "abc", "1x", "true", "1 2"] {
            assert_eq!(canonical(text), Err(FORMAT), "{text}");
        }
        for text in ["1mm", "1KiB", "1e", "--1"] {
            assert_eq!(
                canonical(text),
                Err(if text == "1KiB" { FORMAT } else { SUFFIX }),
                "{text}"
            );
        }
    }

    #[test]
    fn amounts_of_containers_have_no_steps_below_a_thousandth() {
        for (text, nanos, canonical) in [
            ("100u", 100_000, "1m"),
            ("1500m", 1_500_000_000, "1500m"),
            ("0.5Ki", 512_000_000_000, "512"),
            ("-1u", -1_000, "-1m"),
            ("0", 0, "0"),
        ] {
            let quantity = Quantity::of(&text.into()).unwrap();
            assert_eq!(quantity.nanos(), nanos, "{text}");
            assert_eq!(quantity.in_thousandths().canonical(), canonical, "{text}");
        }
        assert_eq!(Quantity::of(&2.into()).unwrap().canonical(), "2");
        assert_eq!(Quantity::of(&Value::Null), None);
    }

    #[test]
    fn huge_quantities_do_no_harm() {
        for text in [
            &*"9".repeat(100),
            "1e2147483647",
            "1e99999999999999999999",
            "9999999999999999999Ei",
        ] {
            let _ = canonical(text);
        }
    }
}
