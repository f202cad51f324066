//! [`ShardKey`]: where in a request its key stands.

use serde::{Deserialize, Serialize};

use crate::{SpecError, name::checked_text};

/// Where in a request its key stands. The same bytes always belong to the same shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ShardKey {
    /// In one segment of the path.
    Path(PathTemplate),
    /// In the path, where the group of a regular expression matches.
    Regex(PathRegex),
    /// In a header.
    Header(KeyHeader),
    /// In a parameter of the query; of several, the first.
    Query(KeyParameter),
}

/// A path with one named capture, such as `/users/{id}/…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathTemplate(String);

/// A regular expression with one group, matched against the whole path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathRegex(String);

/// The name of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyHeader(String);

/// The name of a parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyParameter(String);

/// Headers that a gate takes off each request or writes anew, and one that says nothing of who asks.
const NOT_KEYS: [&str; 15] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// Headers between gates.
const INTERNAL: &str = "x-metaparticle-";

/// Longest expression: what is longer would take noticeable memory in each thread of each gate.
const LONGEST_REGEX: usize = 1000;

impl PathTemplate {
    /// Checks and takes a path template: segments split on `/`, exactly one of them `{name}`, the last optionally `…`
    /// (or `*`), which stands for any rest.
    ///
    /// # Errors
    /// [`SpecError::ShardKey`] with the rule that is broken.
    pub fn parse(template: impl Into<String>) -> Result<Self, SpecError> {
        checked(template.into(), broken_template).map(Self)
    }
}

impl PathRegex {
    /// Checks and takes a regular expression, in the syntax of the crate `regex`, with exactly one group.
    ///
    /// # Errors
    /// [`SpecError::ShardKey`] with the rule that is broken, [`SpecError::ShardRegex`] where it is none.
    pub fn parse(pattern: impl Into<String>) -> Result<Self, SpecError> {
        let pattern = checked(pattern.into(), |pattern| {
            (pattern.len() > LONGEST_REGEX).then_some("it has more than 1000 bytes")
        })?;
        // As the gate compiles it: of bytes, because a path is none of Unicode's; alone, and as all of a path.
        let groups = |pattern: &str| {
            let mut parser = regex_syntax::ParserBuilder::new();
            let parsed = parser.unicode(false).utf8(false).build().parse(pattern);
            parsed
                .map(|expression| expression.properties().explicit_captures_len())
                .map_err(|error| reason(&error))
        };
        let whole = format!(r"\A(?:{pattern})\z");
        let groups = match (groups(&pattern), groups(&whole)) {
            (Ok(groups), Ok(_)) => groups,
            (Err(reason), _) | (_, Err(reason)) => {
                return Err(SpecError::ShardRegex(pattern, reason));
            }
        };
        checked(pattern, |_| match groups {
            0 => Some("it has no group; put what is the key in parentheses"),
            1 => None,
            _ => Some("it has more than one group; write the others as `(?:…)`"),
        })
        .map(Self)
    }
}

impl KeyHeader {
    /// Checks and takes the name of a header, in any case.
    ///
    /// # Errors
    /// [`SpecError::ShardKey`] with the rule that is broken.
    pub fn parse(name: impl Into<String>) -> Result<Self, SpecError> {
        checked(name.into().to_ascii_lowercase(), broken_header).map(Self)
    }
}

impl KeyParameter {
    /// Checks and takes the name of a parameter, as it is after percent-decoding.
    ///
    /// # Errors
    /// [`SpecError::ShardKey`] with the rule that is broken.
    pub fn parse(name: impl Into<String>) -> Result<Self, SpecError> {
        checked(name.into(), |name| match name {
            "" => Some("it is empty"),
            name if name.chars().any(char::is_control) => Some("it holds a control character"),
            name if name.starts_with(['?', '&']) || name.ends_with('=') => {
                Some("write the name alone, such as \"user\"")
            }
            _ => None,
        })
        .map(Self)
    }
}

fn checked(
    text: String,
    broken: impl FnOnce(&str) -> Option<&'static str>,
) -> Result<String, SpecError> {
    match broken(&text) {
        None => Ok(text),
        Some(rule) => Err(SpecError::ShardKey(text, rule)),
    }
}

/// What is wrong with an expression, without the drawing that points at it.
fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string(),
    }
}

fn broken_header(name: &str) -> Option<&'static str> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    // As CGI and its heirs take it.
    let plain = name.replace('_', "-");
    if name.is_empty() || !name.bytes().all(is_token) {
        Some("the name of a header has letters, digits and `-`, such as \"x-user\"")
    } else if NOT_KEYS.contains(&&*plain) {
        Some(
            "this header belongs to one connection, or says where the request goes: take one of your own",
        )
    } else if plain.starts_with(INTERNAL) {
        Some("headers that begin with `x-metaparticle-` are between gates")
    } else {
        None
    }
}

fn broken_template(template: &str) -> Option<&'static str> {
    let Some(path) = template.strip_prefix('/') else {
        return Some("begin it with `/`, such as \"/users/{id}/…\"");
    };
    if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return Some("it is matched against the path, which has neither white space, `?` nor `#`");
    }
    let segments: Vec<&str> = path.split('/').collect();
    let mut captures = 0;
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
        {
            Some(name)
                if name.is_empty()
                    || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                return Some("name the capture with letters, digits and `_`, such as `{id}`");
            }
            Some(_) => captures += 1,
            None if segment.contains(['{', '}']) => {
                return Some("a capture is a whole segment, such as `/{id}/`");
            }
            None if matches!(*segment, "…" | "*") && !last => {
                return Some("`…` may only be the last segment");
            }
            None if segment.is_empty() && !last => return Some("it has an empty segment"),
            None => {}
        }
    }
    match captures {
        0 => Some("it has no capture; write one segment as `{id}`"),
        1 => None,
        _ => Some("it has more than one capture; a key is one segment"),
    }
}

checked_text!(PathTemplate, PathRegex, KeyHeader, KeyParameter);

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_refused<T: std::fmt::Debug>(
        parse: impl Fn(&str) -> Result<T, SpecError>,
        cases: &[(&str, &str)],
    ) {
        for (text, rule) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(rule), "{text}: {error}");
        }
    }

    #[test]
    fn templates_with_one_capture_are_taken() {
        for text in [
            "/{id}",
            "/users/{id}",
            "/users/{user_id}/…",
            "/{id}/*",
            "/{a}/",
            "/v1.0/{x}/end",
        ] {
            assert_eq!(PathTemplate::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn each_broken_template_is_told_its_rule() {
        let cases = [
            ("users/{id}", "begin it with `/`"),
            ("", "begin it with `/`"),
            ("/users", "no capture"),
            ("/{a}/{b}", "more than one capture"),
            ("/{}", "name the capture"),
            ("/{a-b}", "name the capture"),
            ("/x{id}", "a whole segment"),
            ("/{id", "a whole segment"),
            ("/…/{id}", "only be the last segment"),
            ("//{id}", "an empty segment"),
            ("/a b/{id}", "white space"),
            ("/a/{id}?x=*", "white space, `?` nor `#`"),
        ];
        assert_refused(|text| PathTemplate::parse(text), &cases);
    }

    #[test]
    fn expressions_with_one_group_are_taken() {
        for text in [
            "/users/([^/]+)/.*",
            "/(?:a|b)/(?P<id>\\w+)",
            "(?i)/U/([0-9]{1,9})",
            r"/x/(\xff)",
        ] {
            assert_eq!(PathRegex::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn each_broken_expression_is_told_its_rule() {
        let cases = [
            ("/users/.*", "it has no group"),
            ("/users/(?:[^/]+)", "it has no group"),
            ("/(a)/(b)", "it has more than one group"),
            ("/users/([^/]+", "unclosed group"),
            (r"/(a)\1", "backreferences are not supported"),
            ("/(?=x)(a)", "look-around"),
            (r"/(\p{Greek})", "Unicode"),
            ("(?x)/(a) # a comment", "unclosed group"),
        ];
        assert_refused(|text| PathRegex::parse(text), &cases);
        let long = format!("/({})", "a".repeat(1000));
        assert!(PathRegex::parse(long).is_err());
    }

    #[test]
    fn names_of_headers_are_taken_in_lower_case() {
        assert_eq!(KeyHeader::parse("X-User").unwrap().to_string(), "x-user");
        assert_eq!(KeyHeader::parse("a_b").unwrap().to_string(), "a_b");
    }

    #[test]
    fn headers_that_are_no_key_are_refused() {
        let cases = [
            ("", "letters, digits and `-`"),
            ("x user", "letters, digits and `-`"),
            ("x-user:", "letters, digits and `-`"),
            ("größe", "letters, digits and `-`"),
            ("Connection", "take one of your own"),
            ("x_forwarded_for", "take one of your own"),
            ("X-Metaparticle-Claim", "between gates"),
        ];
        assert_refused(|text| KeyHeader::parse(text), &cases);
    }

    #[test]
    fn parameters_are_named_alone() {
        assert_eq!(KeyParameter::parse("größe").unwrap().to_string(), "größe");
        let cases = [
            ("", "it is empty"),
            ("a\n", "a control character"),
            ("?user", "the name alone"),
            ("user=", "the name alone"),
        ];
        assert_refused(|text| KeyParameter::parse(text), &cases);
    }
}
