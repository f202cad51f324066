//! Quantities such as `500m` and `64Mi`: as much of them as `resourceFieldRef` and the quality of service need. Pure.

/// The value in thousandths; `None` if the text is no quantity.
pub(crate) fn thousandths(text: &str) -> Option<i128> {
    let end = text
        .find(|it: char| !it.is_ascii_digit() && it != '.' && it != '-' && it != '+')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: i128 = match unit {
        "n" | "u" => return Some(0),
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000,
        "E" => 1_000_000_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        "Pi" => 1_000 << 50,
        "Ei" => 1_000 << 60,
        exponent => {
            let exponent = exponent.strip_prefix(['e', 'E'])?;
            1_000 * 10_i128.checked_pow(exponent.parse().ok()?)?
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut value = whole.checked_mul(factor)?;
    let mut part = factor;
    for digit in fraction.bytes().take_while(u8::is_ascii_digit) {
        part /= 10;
        value += part * i128::from(digit - b'0');
    }
    Some(value)
}

/// How many times `divisor` (1 if empty or 0) goes into the value, rounded up.
pub(crate) fn divided(text: &str, divisor: &str) -> Option<i128> {
    let divisor = match divisor {
        "" | "0" => 1_000,
        divisor => thousandths(divisor)?,
    };
    let value = thousandths(text)?;
    (divisor > 0).then(|| (value + divisor - 1) / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_with_their_units() {
        let table = [
            ("1", 1_000),
            ("500m", 500),
            ("0.5", 500),
            ("1.5Gi", 1_610_612_736_000),
            ("64Mi", 67_108_864_000),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
        ];
        for (text, expected) in table {
            assert_eq!(thousandths(text), Some(expected), "{text}");
        }
        assert_eq!(thousandths("1X"), None);
    }

    #[test]
    fn a_division_is_rounded_up() {
        assert_eq!(divided("500m", "1"), Some(1));
        assert_eq!(divided("500m", "1m"), Some(500));
        assert_eq!(divided("64Mi", "1Mi"), Some(64));
        assert_eq!(divided("64Mi", "0"), Some(67_108_864));
    }
}
