//! Lists of options in headers, and what the header `Connection` names.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, HOST},
};

use crate::{Reason, Refusal};

/// As many options of `Connection` are looked at; no sane client sends ten.
const MOST_OPTIONS: usize = 100;

/// Takes off each header that `Connection` names. `Host` and `Content-Length` stay: who names them wants to be
/// misunderstood.
pub(super) fn remove_named(headers: &mut HeaderMap) -> Result<(), Refusal> {
    // A client that keeps its connection open says so on each request: that names nothing.
    let plain = |value: &HeaderValue| is(value, "keep-alive") || is(value, "close");
    if headers.get_all(CONNECTION).iter().all(plain) {
        return Ok(());
    }
    let mut named = Vec::new();
    let values = headers.get_all(CONNECTION).iter();
    for option in values.flat_map(options) {
        if named.len() == MOST_OPTIONS {
            return Err(Reason::HeadTooLarge.into());
        }
        named.extend(HeaderName::from_bytes(option));
    }
    for name in named {
        if name != HOST && name != CONTENT_LENGTH && name != CONNECTION {
            headers.remove(name);
        }
    }
    Ok(())
}

/// Whether a header lists that option, in any case, with or without parameters.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, option: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(options)
        .map(|it| it.split(|&byte| byte == b';').next().unwrap_or(it))
        .any(|it| it.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

/// Whether a value is that text, in any case.
pub(super) fn is(value: &HeaderValue, text: &str) -> bool {
    value
        .as_bytes()
        .trim_ascii()
        .eq_ignore_ascii_case(text.as_bytes())
}

fn options(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
}
