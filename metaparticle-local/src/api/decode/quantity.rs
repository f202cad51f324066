//! `resource.Quantity`: `1000m` is `1`. Read and written again as Go does.

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

#[derive(Clone, Copy, PartialEq, Eq)]
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
    let text = text.trim();
    let parts = split(text)?;
    let (format, exponent) = parts.suffix()?;
    let digits = format!("{}{}", parts.whole, parts.decimals);
    if digits.is_empty() {
        return Err(NUMBER);
    }
    let Some((value, scale)) = parts.value(&digits, format, exponent) else {
        // Beyond what is counted with here, and far beyond what a machine has.
        return Ok(text.to_owned());
    };
    if value == 0 {
        return Ok("0".to_owned());
    }
    Ok(written(value, scale, format))
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
