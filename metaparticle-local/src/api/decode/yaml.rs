//! YAML text to a [`Document`], with the repeated keys that a strict reader objects to.

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Error, options};

use super::{document::Document, json};

/// Reads one document. Text that is JSON is read as such: clients send it as YAML, which it is.
///
/// # Errors
/// What is wrong with it, as `yaml: line 3: …`.
pub(crate) fn read(text: &[u8]) -> Result<(Document, Vec<String>), String> {
    if let Ok(document) = json::read(text) {
        let repeated = document.duplicates();
        let warnings = repeated.iter().filter_map(|problem| {
            let key = problem.trim_end_matches('"').rsplit(['.', '"']).next()?;
            Some(already_set(text, key))
        });
        let warnings = warnings.collect();
        return Ok((document, warnings));
    }
    let text =
        std::str::from_utf8(text).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    let options = options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let value: Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| worded(&error))?;
    let mut warnings = Vec::new();
    let strict = options! { duplicate_keys: DuplicateKeyPolicy::Error };
    if let Err(error) = serde_saphyr::from_str_with_options::<Value>(text, strict)
        && let Error::DuplicateMappingKey { key, location } = error.without_snippet()
    {
        let key = super::quoted(key.as_deref().unwrap_or_default());
        warnings.push(format!(
            "line {}: key {key} already set in map",
            location.line()
        ));
    }
    Ok((Document::from(value), warnings))
}

/// A repeated key of JSON text, by the line where it comes last.
fn already_set(text: &[u8], key: &str) -> String {
    let key = super::quoted(key);
    let text = String::from_utf8_lossy(text);
    let line = text.rmatch_indices(&key).next().map_or(0, |(at, _)| at);
    let line = text[..line].matches('\n').count() + 1;
    format!("line {line}: key {key} already set in map")
}

fn worded(error: &Error) -> String {
    let problem = error.without_snippet().to_string();
    let problem = problem.lines().next().unwrap_or_default();
    match error.location() {
        Some(at) if at.line() > 0 => format!("yaml: line {}: {problem}", at.line()),
        _ => format!("yaml: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_is_read_as_the_json_it_means() {
        let (document, warnings) = read(b"a: [1, 'x']\nb:\n  c: true\n  d:\n").unwrap();
        let expected = json!({"a": [1, "x"], "b": {"c": true, "d": null}});
        assert_eq!(document.into_value(), expected);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn repeated_key_is_named_with_its_line_and_the_last_counts() {
        let (document, warnings) = read(b"a: 1\nb:\n  name: u\n  name: v\n").unwrap();
        assert_eq!(document.into_value(), json!({"a": 1, "b": {"name": "v"}}));
        assert_eq!(warnings, ["line 4: key \"name\" already set in map"]);
        let (_, warnings) = read(b"{\"a\":{\"name\":1,\n\"name\":2}}").unwrap();
        assert_eq!(warnings, ["line 2: key \"name\" already set in map"]);
    }

    #[test]
    fn aliases_cannot_fill_the_memory() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..20 {
            let before = format!("*a{}", level - 1);
            let line = [&*before; 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{line}]\n");
        }
        assert!(read(bomb.as_bytes()).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_and_ends_nothing() {
        assert!(read("- ".repeat(100_000).as_bytes()).is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }
}
