//! [`enter`] and [`speak`]: the head of a request, as it comes in and as it goes on.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
    uri::Scheme,
};

use super::{
    connection::{is, lists, remove_named},
    edge::Edge,
    forwarded,
    framing::{self, Length},
    name::{Counts, Kind},
    target,
};
use crate::{Reason, Refusal};

/// What is to be known of a request that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entered {
    /// It asks for a WebSocket: `Connection: upgrade` and `Upgrade: websocket` are still there.
    pub upgrade: bool,
    /// The connection must end with the response. So it is after a chunked request of HTTP/1.1: hyper hides a
    /// `Content-Length` that was beside it, by which a proxy in front of the gate may have gone.
    pub close: bool,
}

/// Refuses or mends what came in, in this order: `CONNECT` and oversized heads are refused, lengths that contradict each
/// other, too; whatever `Connection` names goes, then what ends at each hop, then each internal header that no gate sent.
/// The authority of the target replaces `Host`, of which there must be exactly one, and the target becomes a path;
/// `X-Forwarded-For`, `-Proto` and `-Host` say who the client is. A WebSocket's `Upgrade`, `TE: trailers` and `Trailer`
/// stay.
///
/// # Errors
/// A [`Refusal`] with the rule that is broken. The head may then be half mended.
pub fn enter(parts: &mut Parts, edge: &Edge) -> Result<Entered, Refusal> {
    if parts.method == Method::CONNECT {
        return Err(Reason::BadMethod.into());
    }
    let mut seen = Seen::of(parts, edge)?;
    let length = framing::length(&parts.headers, parts.version, &seen.counts)?;
    let upgrade = seen.counts.any(Kind::Upgrade) && is_websocket(parts, length);
    let trailers = seen.counts.any(Kind::Te) && lists(&parts.headers, &TE, "trailers");
    seen.clean(parts)?;
    if upgrade {
        let headers = &mut parts.headers;
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    if trailers {
        let value = HeaderValue::from_static("trailers");
        parts.headers.insert(TE, value);
    }
    let host = target::mend(parts, seen.host.take(), seen.counts.of(Kind::Host))?;
    forwarded::tell(&mut parts.headers, edge, host, &seen.counts);
    let close = length == Length::Chunked && !edge.is_gate();
    Ok(Entered { upgrade, close })
}

/// Makes the head fit the version in which the request goes on: `Connection` is added where HTTP/1.1 wants it, the target
/// is made absolute where HTTP/2 wants it. For requests that have [entered](enter).
pub fn speak(parts: &mut Parts, version: Version) {
    parts.version = version;
    if version == Version::HTTP_2 {
        let mut target = std::mem::take(&mut parts.uri).into_parts();
        let host = parts.headers.remove(HOST);
        target.authority = host.and_then(|host| host.as_bytes().try_into().ok());
        target.scheme = target.authority.is_some().then_some(Scheme::HTTP);
        parts.uri = Uri::from_parts(target).unwrap_or_default();
    } else if parts.headers.contains_key(TE) {
        let value = HeaderValue::from_static("te");
        parts.headers.append(CONNECTION, value);
    }
}

/// What one pass over the headers finds.
#[derive(Debug)]
struct Seen {
    counts: Counts,
    host: Option<HeaderValue>,
    /// Names to be taken off that are not one each.
    doomed: Vec<HeaderName>,
}

impl Seen {
    fn of(parts: &Parts, edge: &Edge) -> Result<Self, Refusal> {
        let mut seen = Self {
            counts: Counts::default(),
            host: None,
            doomed: Vec::new(),
        };
        let target = parts.uri.path_and_query();
        let mut bytes = target.map_or(0, |target| target.as_str().len());
        for (name, value) in &parts.headers {
            bytes += name.as_str().len() + value.len() + ": \r\n".len();
            let kind = Kind::of(name.as_str());
            seen.counts.add(kind);
            match kind {
                Kind::Host => seen.host = Some(value.clone()),
                Kind::Internal | Kind::Disguised if edge.is_gate() => {}
                Kind::HopByHop | Kind::Internal | Kind::Disguised => seen.doomed.push(name.clone()),
                _ => {}
            }
        }
        if parts.headers.len() > edge.max_headers || bytes > edge.max_head_bytes {
            return Err(Reason::HeadTooLarge.into());
        }
        Ok(seen)
    }

    /// Takes off what ends here.
    fn clean(&self, parts: &mut Parts) -> Result<(), Refusal> {
        let headers = &mut parts.headers;
        if self.counts.any(Kind::Connection) {
            remove_named(headers)?;
        }
        for (kind, name) in [
            (Kind::Connection, CONNECTION),
            (Kind::TransferEncoding, TRANSFER_ENCODING),
            (Kind::Te, TE),
            (Kind::Upgrade, UPGRADE),
        ] {
            if self.counts.any(kind) {
                headers.remove(name);
            }
        }
        for name in &self.doomed {
            headers.remove(name);
        }
        if self.counts.any(Kind::Expect) {
            let mut values = headers.get_all(EXPECT).iter();
            if values.any(|it| !is(it, "100-continue")) {
                return Err(Reason::BadExpect.into());
            }
            headers.remove(EXPECT);
        }
        if self.counts.of(Kind::ContentLength) > 1 {
            join(headers, CONTENT_LENGTH, None);
        }
        // HTTP/2 may divide them, HTTP/1.1 may not (RFC 9113, 8.2.3).
        if self.counts.of(Kind::Cookie) > 1 && parts.version >= Version::HTTP_2 {
            join(headers, COOKIE, Some("; "));
        }
        Ok(())
    }
}

/// Whether it is the request of a WebSocket's handshake (RFC 6455, 4.1); it has no body, in which the next request could
/// be hidden.
fn is_websocket(parts: &Parts, length: Length) -> bool {
    let mut protocols = parts.headers.get_all(UPGRADE).iter();
    let websocket = protocols.next().is_some_and(|it| is(it, "websocket"));
    websocket
        && protocols.next().is_none()
        && parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && length == Length::Empty
        && lists(&parts.headers, &CONNECTION, "upgrade")
}

/// Makes one of several values: the first, or all with a separator between them.
fn join(headers: &mut HeaderMap, name: HeaderName, separator: Option<&str>) {
    let mut joined = Vec::new();
    for value in headers.get_all(&name) {
        if !joined.is_empty() {
            match separator {
                None => break,
                Some(separator) => joined.extend_from_slice(separator.as_bytes()),
            }
        }
        joined.extend_from_slice(value.as_bytes());
    }
    let value = HeaderValue::try_from(joined).expect("values joined by text are a value");
    // None is left if `Connection` named it.
    if headers.contains_key(&name) {
        headers.insert(name, value);
    }
}
