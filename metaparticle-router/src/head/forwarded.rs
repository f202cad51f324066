//! Who the client is: `X-Forwarded-For`, `-Proto`, `-Host` and, if wanted, `Forwarded` (RFC 7239).
//!
//! Each proxy appends one entry. Of what came, the last entries were written by the proxies that are trusted; all before
//! them may be anybody's, and goes.

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};

use super::{
    edge::{Caller, Edge, proto},
    name::{Counts, Kind},
};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Writes them, for the application. Another gate has.
pub(super) fn tell(headers: &mut HeaderMap, edge: &Edge, host: HeaderValue, seen: &Counts) {
    let Caller::Client {
        address,
        element,
        secure,
        trusted_hops,
    } = &edge.caller
    else {
        return;
    };
    // Room for a claim or a token, too: the map grows once.
    headers.reserve(6);
    if let Some(element) = element {
        let host = host.to_str().unwrap_or_default();
        let own = format!("{element}\"{host}\"");
        headers.insert(
            FORWARDED,
            with_own(headers, &FORWARDED, *trusted_hops, &own),
        );
    } else if seen.any(Kind::Forwarded) {
        headers.remove(FORWARDED);
    }
    let trusted = *trusted_hops > 0;
    let listed = trusted && seen.any(Kind::ForwardedFor);
    let told = match address.to_str() {
        Ok(own) if listed => with_own(headers, &FOR, *trusted_hops, own),
        _ => address.clone(),
    };
    headers.insert(FOR, told);
    let told = trusted && seen.any(Kind::ForwardedAs);
    let proto = HeaderValue::from_static(proto(*secure));
    for (name, own) in [(PROTO, proto), (HOST, host)] {
        // Of several the last proxy's.
        let last = told.then(|| headers.get_all(&name).iter().next_back().cloned());
        headers.insert(name, last.flatten().unwrap_or(own));
    }
}

/// The last entries of a list, and one's own behind them. Of a list that cannot be read nothing is kept.
fn with_own(headers: &HeaderMap, name: &HeaderName, most: usize, own: &str) -> HeaderValue {
    let mut entries = Vec::new();
    for value in headers.get_all(name) {
        let read = value.to_str().ok();
        if read
            .and_then(|list| divide(list, *name == FORWARDED, &mut entries))
            .is_none()
        {
            entries.clear();
            break;
        }
    }
    let kept = &entries[entries.len().saturating_sub(most)..];
    let mut text = String::new();
    for entry in kept {
        text.push_str(entry);
        text.push_str(", ");
    }
    text.push_str(own);
    HeaderValue::try_from(text).expect("what was read as text is a value")
}

/// Divides at commas, where there are quotes at those outside of them; `None` if a quote has no end. `X-Forwarded-For` has
/// no quotes: who reads it divides at each comma, and so must be done here.
fn divide<'a>(mut list: &'a str, with_strings: bool, entries: &mut Vec<&'a str>) -> Option<()> {
    loop {
        let (mut quoted, mut escaped) = (false, false);
        let comma = list.bytes().position(|byte| {
            let (was_escaped, was_quoted) = (escaped, quoted);
            escaped = was_quoted && !was_escaped && byte == b'\\';
            quoted ^= with_strings && byte == b'"' && !was_escaped;
            byte == b',' && !was_quoted
        });
        if comma.is_none() && quoted {
            return None;
        }
        let (entry, rest) = list.split_at(comma.unwrap_or(list.len()));
        let entry = entry.trim_matches([' ', '\t']);
        if !entry.is_empty() {
            entries.push(entry);
        }
        match rest.strip_prefix(',') {
            Some(rest) => list = rest,
            None => return Some(()),
        }
    }
}
