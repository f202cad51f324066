//! Responses on their way to a client.

use http::{Response, Version, response::Parts};
use metaparticle_router::{head, wire};

use super::check;

fn left(status: u16, from_gate: bool, headers: &[(&str, &str)]) -> Parts {
    let mut response = Response::builder().status(status).version(Version::HTTP_10);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let (mut parts, ()) = response.body(()).expect("it is good").into_parts();
    head::leave(&mut parts, from_gate);
    check::left(&parts, from_gate);
    parts
}

#[test]
fn what_ends_at_each_hop_is_taken_off() {
    let parts = left(
        200,
        false,
        &[
            ("connection", "x-private, close"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "x"),
            ("proxy-authenticate", "Basic"),
            ("upgrade", "h2c"),
            ("trailer", "x-sum"),
            ("content-length", "5"),
            ("set-cookie", "a"),
            ("set-cookie", "b"),
        ],
    );
    let mut names: Vec<_> = parts.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "set-cookie", "trailer"]);
    assert_eq!(parts.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(parts.version, Version::HTTP_11);
}

#[test]
fn a_length_beside_a_coding_is_not_the_bodys() {
    let both = [("transfer-encoding", "chunked"), ("content-length", "5")];
    assert!(left(200, false, &both).headers.is_empty());
}

#[test]
fn an_application_cannot_speak_as_a_gate() {
    let forged = [
        ("x-metaparticle-turned", "moved"),
        ("x-metaparticle-reason", "no-owner"),
        ("x-metaparticle-session", "mine"),
        ("x-served-by", "pod-1"),
    ];
    let parts = left(503, false, &forged);
    assert_eq!(parts.headers.len(), 1);
    // A gate tells the client why it refused, and nothing else.
    let parts = left(503, true, &forged);
    assert_eq!(parts.headers[wire::REASON], "no-owner");
    assert_eq!(parts.headers.len(), 2);
}

#[test]
fn a_websocket_keeps_its_upgrade() {
    let headers = [
        ("connection", "x, Upgrade"),
        ("upgrade", "websocket"),
        ("x", "1"),
    ];
    let parts = left(101, false, &headers);
    assert_eq!(parts.headers["connection"], "upgrade");
    assert_eq!(parts.headers["upgrade"], "websocket");
    assert!(!parts.headers.contains_key("x"));
    let parts = left(200, false, &headers);
    assert!(parts.headers.is_empty());
}
