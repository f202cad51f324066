//! The target of a request and its `Host`: one authority, one path.

use http::{
    HeaderValue, Method, Uri, Version,
    header::HOST,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{Reason, Refusal};

/// Makes the target a path, and sees to it that there is one `Host`, which is returned: the authority of the target if it
/// has one.
pub(super) fn mend(
    parts: &mut Parts,
    host: Option<HeaderValue>,
    hosts: usize,
) -> Result<HeaderValue, Refusal> {
    let http2 = parts.version >= Version::HTTP_2;
    // Of HTTP/2, `:authority` is enough.
    let enough = if http2 { hosts <= 1 } else { hosts == 1 };
    if !enough {
        return Err(Reason::BadHost.into());
    }
    let told = parts.uri.authority().map(Authority::as_str);
    let host = match (told, host) {
        (None, None) => return Err(Reason::BadHost.into()),
        (None, Some(host)) => checked(host)?,
        (Some(told), host) => {
            let differs =
                |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(told.as_bytes());
            if http2 && host.as_ref().is_some_and(differs) {
                return Err(Reason::BadHost.into());
            }
            let told = HeaderValue::from_str(told).map_err(|_| Reason::BadHost)?;
            let told = checked(told)?;
            parts.headers.insert(HOST, told.clone());
            told
        }
    };
    path_only(parts)?;
    Ok(host)
}

/// A host with an optional port (RFC 9110, 7.2): nobody's name before it, no list.
fn checked(host: HeaderValue) -> Result<HeaderValue, Refusal> {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte);
    let bytes = host.as_bytes();
    if bytes.first().is_none_or(|&first| first == b':') || !bytes.iter().all(good) {
        return Err(Reason::BadHost.into());
    }
    Ok(host)
}

fn path_only(parts: &mut Parts) -> Result<(), Refusal> {
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        let mut target = std::mem::take(&mut parts.uri).into_parts();
        let scheme = target.scheme.take();
        // `host:80`, which only CONNECT may say, has no scheme.
        if scheme != Some(Scheme::HTTP) && scheme != Some(Scheme::HTTPS) {
            return Err(Reason::BadTarget.into());
        }
        target.authority = None;
        target
            .path_and_query
            .get_or_insert(PathAndQuery::from_static("/"));
        parts.uri = Uri::from_parts(target).map_err(|_| Reason::BadTarget)?;
    }
    let path = parts.uri.path();
    if path.starts_with('/') || (path == "*" && parts.method == Method::OPTIONS) {
        Ok(())
    } else {
        Err(Reason::BadTarget.into())
    }
}
