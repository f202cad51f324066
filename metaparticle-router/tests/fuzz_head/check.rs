//! What is true of each head that was let through.

use http::{HeaderMap, request, response};
use metaparticle_router::wire;

/// The client's, in all that is checked.
pub(crate) const ADDRESS: &str = "9.9.9.9";

const ENDS_HERE: [&str; 7] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "expect",
    "forwarded",
];

/// Of a client's request.
pub(crate) fn entered(parts: &request::Parts, upgrade: bool, trusted_hops: u8) {
    let headers = &parts.headers;
    let count = |name| headers.get_all(name).iter().count();
    for one in [
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    ] {
        assert_eq!(count(one), 1, "{one}: {headers:?}");
    }
    for name in ENDS_HERE {
        assert_eq!(count(name), 0, "{name}: {headers:?}");
    }
    for name in headers.keys() {
        let name = name.as_str().replace('_', "-");
        assert!(!name.starts_with(wire::PREFIX), "{name}: {headers:?}");
    }
    let expected = usize::from(upgrade);
    assert_eq!(count("upgrade"), expected, "{headers:?}");
    assert_eq!(count("connection"), expected, "{headers:?}");
    assert!(count("te") <= 1 && headers.get("te").is_none_or(|te| te == "trailers"));
    assert!(count("content-length") <= 1, "{headers:?}");
    if trusted_hops == 0 {
        assert_eq!(headers["host"], headers["x-forwarded-host"]);
    }
    let chain = headers["x-forwarded-for"]
        .to_str()
        .expect("a list of addresses");
    let hops = chain.split(',').count();
    assert!(hops <= usize::from(trusted_hops) + 1, "{headers:?}");
    assert!(chain.ends_with(ADDRESS), "{headers:?}");
    assert!(parts.uri.authority().is_none() && parts.uri.scheme().is_none());
    assert!(parts.uri.path().starts_with('/') || parts.uri.path() == "*");
    assert_ne!(parts.method, "CONNECT");
}

/// Of a response to a client, or of the application's.
pub(crate) fn left(parts: &response::Parts, from_gate: bool) {
    for name in parts.headers.keys() {
        let name = name.as_str();
        assert!(!ENDS_HERE[..5].contains(&name), "{:?}", parts.headers);
        assert!(
            !name.starts_with(wire::PREFIX) || (from_gate && name == wire::REASON),
            "{:?}",
            parts.headers
        );
    }
    if parts.status != 101 {
        assert!(none_of(&parts.headers, &["connection", "upgrade"]));
    }
}

fn none_of(headers: &HeaderMap, names: &[&str]) -> bool {
    names.iter().all(|name| !headers.contains_key(*name))
}
