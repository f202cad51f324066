//! Quantities: `500m`, `1Gi`, `1e3`: their value, and the one way in which the real server writes it.
//! <https://github.com/kubernetes/apimachinery/blob/master/pkg/api/resource/quantity.go>

use serde_json::Value;

/// A billionth: the smallest step.
const NANO: i128 = 1_000_000_000;

/// How it was written, which is how it is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Decimal,
    Binary,
    Exponent,
}

/// A quantity in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct Quantity {
    pub(super) nanos: i128,
    format: Format,
}

impl Quantity {
    /// What a field holds: text, or a number. None if it is no quantity.
    pub(in crate::api) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// A number with a suffix: none, one of `numkMGTPE`, one of `Ki` to `Ei`, or an exponent.
    pub(in crate::api) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (digits, suffix) = unsigned.split_at(end.unwrap_or(unsigned.len()));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let (scale, format) = scale(suffix)?;
        let whole: i128 = format!("0{whole}").parse().ok()?;
        let mut nanos = scale.of(whole.checked_mul(NANO)?)?;
        // Every digit after the point counts a tenth of the one before.
        let mut unit = scale.of(NANO)?;
        for digit in fraction.bytes() {
            let part = unit.checked_mul(i128::from(digit - b'0'))?;
            unit /= 10;
            // Rounded away from zero, so that nothing asked for is lost.
            nanos = nanos.checked_add((part + 9) / 10)?;
        }
        let nanos = if text.starts_with('-') { -nanos } else { nanos };
        Some(Self { nanos, format })
    }

    /// The canonical text. Steps below a thousandth are rounded up, as for the resources of containers.
    pub(in crate::api) fn canonical(self) -> String {
        let milli = NANO / 1000;
        let sign = if self.nanos < 0 { "-" } else { "" };
        let nanos = (self.nanos.abs() + milli - 1) / milli * milli;
        let whole = nanos / NANO;
        let text = match self.format {
            _ if nanos == 0 => return "0".to_owned(),
            Format::Binary if nanos % NANO == 0 && whole >= 1024 => {
                let (number, step) = reduce(whole, 1024);
                format!("{number}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][step])
            }
            format => {
                let (number, step) = reduce(nanos / milli, 1000);
                match format {
                    Format::Exponent => {
                        format!(
                            "{number}{}",
                            ["e-3", "", "e3", "e6", "e9", "e12", "e15"][step]
                        )
                    }
                    _ => format!("{number}{}", ["m", "", "k", "M", "G", "T", "P", "E"][step]),
                }
            }
        };
        format!("{sign}{text}")
    }
}

/// Divides by `base` as often as nothing is lost, at most six times.
fn reduce(mut number: i128, base: i128) -> (i128, usize) {
    let mut step = 0;
    while step < 6 && number % base == 0 {
        number /= base;
        step += 1;
    }
    (number, step)
}

/// `base` to the power `exponent`.
struct Scale {
    base: i128,
    exponent: i32,
}

impl Scale {
    fn of(&self, number: i128) -> Option<i128> {
        let power = self.base.checked_pow(self.exponent.unsigned_abs())?;
        if self.exponent < 0 {
            Some((number + power - 1) / power)
        } else {
            number.checked_mul(power)
        }
    }
}

fn scale(suffix: &str) -> Option<(Scale, Format)> {
    let decimal = |exponent| Some((Scale { base: 10, exponent }, Format::Decimal));
    let binary = |exponent| {
        Some((
            Scale {
                base: 1024,
                exponent,
            },
            Format::Binary,
        ))
    };
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((Scale { base: 10, exponent }, Format::Exponent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_in_one_way() {
        for (text, canonical) in [
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1024Mi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1000k", "1M"),
            ("1e3", "1e3"),
            ("100u", "1m"),
            ("0", "0"),
            ("-1", "-1"),
            ("+2", "2"),
            (".5", "500m"),
            ("5.", "5"),
        ] {
            let found = Quantity::parse(text).map(Quantity::canonical);
            assert_eq!(found.as_deref(), Some(canonical), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_has_no_value() {
        for text in ["", "m", "1.2.3", "one", "1 Gi", "1Zi", "1ee3", "--1"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_too_large_to_hold_is_refused_instead_of_wrapping() {
        assert_eq!(Quantity::parse("1e30"), None);
        assert_eq!(Quantity::parse(&"9".repeat(60)), None);
    }
}
