//! Texts with a form: times, bytes. Read and written again as Go does, which makes equal values equal texts.

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

/// RFC 3339 to `2006-01-02T15:04:05Z`.
///
/// # Errors
/// In the words of Go's `time.Parse`.
pub(super) fn time(text: &str) -> Result<String, String> {
    let parsed = parse(text, "2006-01-02T15:04:05Z07:00", false)?;
    Ok(parsed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// RFC 3339 with six decimals to `2006-01-02T15:04:05.000000Z`.
///
/// # Errors
/// In the words of Go's `time.Parse`.
pub(super) fn micro_time(text: &str) -> Result<String, String> {
    let parsed = parse(text, "2006-01-02T15:04:05.000000Z07:00", true)?;
    Ok(parsed.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

/// Base64 to base64.
///
/// # Errors
/// In the words of Go's `base64`.
pub(super) fn bytes(text: &str) -> Result<String, String> {
    let text: String = text
        .chars()
        .filter(|it| !matches!(it, '\r' | '\n'))
        .collect();
    let at = match STANDARD.decode(&text) {
        Ok(bytes) => return Ok(STANDARD.encode(bytes)),
        Err(DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _)) => at,
        Err(DecodeError::InvalidLength(_) | DecodeError::InvalidPadding) => text.len() / 4 * 4,
    };
    Err(format!("illegal base64 data at input byte {at}"))
}

fn parse(text: &str, layout: &str, micros: bool) -> Result<Timestamp, String> {
    let quoted = super::quoted(text);
    let failed = |rest: &str, element: &str| {
        let rest = super::quoted(rest);
        format!("parsing time {quoted} as \"{layout}\": cannot parse {rest} as \"{element}\"")
    };
    let mut rest = text;
    for element in [
        "2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05",
    ] {
        rest = after(rest, element).ok_or_else(|| failed(rest, element))?;
    }
    if micros {
        let fits = rest.len() > 6 && rest.starts_with('.');
        let fits = fits && rest.bytes().skip(1).take(6).all(|it| it.is_ascii_digit());
        let fits = fits && !rest.as_bytes().get(7).is_some_and(u8::is_ascii_digit);
        rest = if fits {
            &rest[7..]
        } else {
            return Err(failed(rest, ".000000"));
        };
    } else if let Some(decimals) = rest.strip_prefix(['.', ',']) {
        let end = decimals.find(|it: char| !it.is_ascii_digit());
        let end = end.unwrap_or(decimals.len());
        if end > 0 {
            rest = &decimals[end..];
        }
    }
    let behind = zone(rest).ok_or_else(|| failed(rest, "Z07:00"))?;
    if !behind.is_empty() {
        let extra = super::quoted(behind);
        return Err(format!("parsing time {quoted}: extra text: {extra}"));
    }
    text.replace(',', ".")
        .parse()
        .map_err(|_| format!("parsing time {quoted}: {} out of range", out_of_range(text)))
}

/// The text behind an element of Go's layout: digits for digits, itself otherwise.
fn after<'t>(text: &'t str, element: &str) -> Option<&'t str> {
    let digits = element.starts_with(|it: char| it.is_ascii_digit());
    let start = text.get(..element.len())?;
    let fits = if digits {
        start.bytes().all(|it| it.is_ascii_digit())
    } else {
        start == element
    };
    fits.then(|| &text[element.len()..])
}

fn zone(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some(rest);
    }
    let rest = text.strip_prefix(['+', '-'])?;
    after(after(after(rest, "07")?, ":")?, "00")
}

fn out_of_range(text: &str) -> &'static str {
    let part = |at: usize| text.get(at..at + 2).and_then(|it| it.parse::<u8>().ok());
    if !matches!(part(5), Some(1..=12)) {
        return "month";
    }
    match (part(11), part(14), part(17)) {
        (Some(24..), ..) => "hour",
        (_, Some(60..), _) => "minute",
        (.., Some(60..)) => "second",
        _ => "day",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_their_precision() {
        assert_eq!(
            time("2026-01-02T03:04:05.9+01:00").unwrap(),
            "2026-01-02T02:04:05Z"
        );
        let micro = micro_time("2026-01-02T03:04:05.123456Z").unwrap();
        assert_eq!(micro, "2026-01-02T03:04:05.123456Z");
    }

    #[test]
    fn bad_times_are_refused_in_the_words_of_go() {
        let layout = "\"2006-01-02T15:04:05Z07:00\"";
        for (text, words) in [
            (
                "foo",
                format!("parsing time \"foo\" as {layout}: cannot parse \"foo\" as \"2006\""),
            ),
            (
                "2026-1",
                format!("parsing time \"2026-1\" as {layout}: cannot parse \"1\" as \"01\""),
            ),
            (
                "2026-01-02T03:04:05",
                format!(
                    "parsing time \"2026-01-02T03:04:05\" as {layout}: cannot parse \"\" as \"Z07:00\""
                ),
            ),
            (
                "2026-13-02T03:04:05Z",
                "parsing time \"2026-13-02T03:04:05Z\": month out of range".to_owned(),
            ),
            (
                "2026-02-30T03:04:05Z",
                "parsing time \"2026-02-30T03:04:05Z\": day out of range".to_owned(),
            ),
        ] {
            assert_eq!(time(text), Err(words));
        }
        assert!(
            micro_time("2026-01-02T03:04:05Z")
                .unwrap_err()
                .ends_with("cannot parse \"Z\" as \".000000\"")
        );
    }

    #[test]
    fn bytes_are_base64() {
        assert_eq!(bytes("aGk=\n"), Ok("aGk=".to_owned()));
        assert_eq!(
            bytes("%%"),
            Err("illegal base64 data at input byte 0".to_owned())
        );
    }
}
