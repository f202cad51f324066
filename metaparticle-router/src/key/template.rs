//! [`Template`]: `/users/{id}/…`, and the one segment of a path that it captures.

use std::fmt;

use percent_encoding::{AsciiSet, utf8_percent_encode};

/// A path template, cut at its one capture.
#[derive(Clone)]
pub(super) struct Template {
    /// All before the capture, with the `/` at its end.
    before: Box<str>,
    /// All behind the capture: empty, or it begins with `/`.
    behind: Box<str>,
    /// Whether any rest may follow.
    open: bool,
}

/// Only what no path can have: control characters and what is not ASCII.
const NOT_IN_PATHS: &AsciiSet = percent_encoding::CONTROLS;

impl Template {
    /// By the rules of the attribute `key`.
    pub(super) fn parse(template: &str) -> Result<Self, &'static str> {
        let Some(path) = template.strip_prefix('/') else {
            return Err("begin it with `/`, such as \"/users/{id}/…\"");
        };
        if path.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
            return Err(
                "it is matched against the path, which has neither white space, `?` nor `#`",
            );
        }
        let mut texts = [String::from("/"), String::new()];
        let mut captures = 0;
        let mut open = false;
        let mut segments = path.split('/').peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            let text = &mut texts[captures.min(1)];
            match segment
                .strip_prefix('{')
                .and_then(|rest| rest.strip_suffix('}'))
            {
                Some(name)
                    if name.is_empty()
                        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
                {
                    return Err("name the capture with letters, digits and `_`, such as `{id}`");
                }
                Some(_) => captures += 1,
                None if segment.contains(['{', '}']) => {
                    return Err("a capture is a whole segment, such as `/{id}/`");
                }
                None if matches!(segment, "…" | "*") => {
                    if !last {
                        return Err("`…` may only be the last segment");
                    }
                    open = true;
                }
                None if segment.is_empty() && !last => return Err("it has an empty segment"),
                None if captures == 0 => {
                    text.extend(utf8_percent_encode(segment, NOT_IN_PATHS));
                    text.push('/');
                }
                None => {
                    text.push('/');
                    text.extend(utf8_percent_encode(segment, NOT_IN_PATHS));
                }
            }
        }
        match captures {
            0 => Err("it has no capture; write one segment as `{id}`"),
            1 => {
                let [before, behind] = texts.map(String::into_boxed_str);
                Ok(Self {
                    before,
                    behind,
                    open,
                })
            }
            _ => Err("it has more than one capture; a key is one segment"),
        }
    }

    /// The captured segment of a raw path, as it is written there.
    pub(super) fn capture<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&*self.before)?;
        let end = rest.bytes().position(|byte| byte == b'/');
        let (segment, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let rest = rest.strip_prefix(&*self.behind)?;
        let fits = rest.is_empty() || (self.open && rest.starts_with('/'));
        fits.then_some(segment)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.open { "/…" } else { "" };
        write!(f, "{}{{}}{}{open}", self.before, self.behind)
    }
}
