//! What is mended, and what is left alone.

use http::{Request, Version};
use metaparticle_router::{
    Config,
    head::{self, Edge},
    wire,
};

use super::one::{ask, ask_at, ask_http2, ask_with, with};

#[test]
fn the_authority_of_the_target_replaces_the_host() {
    for (target, path, host) in [
        ("http://b.example/x?y=1", "/x?y=1", "b.example"),
        ("https://b.example:8443/", "/", "b.example:8443"),
        ("http://[::1]:80?y", "/?y", "[::1]:80"),
        ("http://b.example", "/", "b.example"),
        ("/x", "/x", "a.example"),
        ("//b.example/x", "//b.example/x", "a.example"),
        ("/http://b.example/", "/http://b.example/", "a.example"),
    ] {
        let (parts, _) = ask(&format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n")).passed();
        assert_eq!(parts.uri.to_string(), path, "{target}");
        assert_eq!(parts.headers["host"], host, "{target}");
        assert_eq!(parts.headers["x-forwarded-host"], host, "{target}");
    }
    let (parts, _) = ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").passed();
    assert_eq!(parts.uri.path(), "*");
}

#[test]
fn a_path_is_not_normalised() {
    for path in ["/a/../b", "/./a//b/", "/%61%2F%zz", "/A"] {
        let (parts, _) = ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).passed();
        assert_eq!(parts.uri.path(), path);
    }
}

#[test]
fn the_authority_of_http_2_becomes_the_host() {
    let request = Request::get("https://a.example:1/x?y").header("host", "A.example:1");
    let parts = ask_http2(request.body(()).unwrap()).unwrap();
    assert_eq!(parts.headers["host"], "a.example:1");
    assert_eq!(parts.uri.to_string(), "/x?y");
    let only_host = Request::get("/").header("host", "a.example").body(());
    assert_eq!(
        ask_http2(only_host.unwrap()).unwrap().headers["host"],
        "a.example"
    );
}

#[test]
fn what_ends_at_each_hop_is_taken_off_and_the_rest_is_not() {
    let (parts, _) = ask_with(
        "Connection: close, X-Private , te\r\nX-Private: 1\r\nx-private: 2\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nProxy-Authenticate: x\r\n\
         TE: gzip;q=0.5\r\nUpgrade: h2c\r\nTrailer: x-sum\r\nExpect: 100-Continue\r\n\
         Authorization: Basic eA==\r\nX-Other: 1\r\nX-Other: 2\r\nCookie: a=b",
    )
    .passed();
    for gone in [
        "connection",
        "x-private",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "te",
        "upgrade",
        "expect",
    ] {
        assert!(!parts.headers.contains_key(gone), "{gone}");
    }
    let others: Vec<_> = parts.headers.get_all("x-other").iter().collect();
    assert_eq!(others, ["1", "2"]);
    for (kept, value) in [
        ("trailer", "x-sum"),
        ("authorization", "Basic eA=="),
        ("cookie", "a=b"),
        ("host", "a.example"),
    ] {
        assert_eq!(parts.headers[kept], value);
    }
}

#[test]
fn connection_cannot_take_off_what_says_where_and_how_long() {
    let (parts, _) = ask_with(
        "Connection: host, content-length, x-forwarded-for, x-forwarded-host, connection\r\nContent-Length: 3",
    )
    .passed();
    assert_eq!(parts.headers["host"], "a.example");
    assert_eq!(parts.headers["content-length"], "3");
    assert_eq!(parts.headers["x-forwarded-for"], super::check::ADDRESS);
    assert_eq!(parts.headers["x-forwarded-host"], "a.example");
}

#[test]
fn a_client_cannot_speak_as_a_gate() {
    let forged = "X-Metaparticle-Claim: 1 2 mine\r\nx-metaparticle-claim: 1 2 mine\r\n\
                  X-METAPARTICLE-TOKEN: 9\r\nX_Metaparticle_Token: 9\r\nx-metaparticle_claim: 1\r\n\
                  X-Metaparticle-Mac: 0\r\nX-Metaparticle-Anything: 1";
    let (mut parts, _) = ask_with(forged).passed();
    assert_eq!(wire::take_claim(&mut parts.headers), Ok(None));
    let ours =
        |name: &str| name.starts_with("x-metaparticle") || name.starts_with("x_metaparticle");
    assert!(
        !parts.headers.keys().any(|name| ours(name.as_str())),
        "{:?}",
        parts.headers
    );
    // It would be no proof if they never came through.
    let (parts, _) = ask_at(&Edge::gate(&Config::default()), &with(forged)).passed();
    assert_eq!(parts.headers.get_all(wire::CLAIM).iter().count(), 2);
}

#[test]
fn connection_does_not_hide_an_internal_header() {
    let (parts, _) =
        ask_with("Connection: x-a, x-metaparticle-claim\r\nX-Metaparticle-Claim: 1 2 m").passed();
    assert!(!parts.headers.contains_key(wire::CLAIM));
}

#[test]
fn trailers_are_the_only_coding_that_is_asked_for() {
    for (value, kept) in [
        ("trailers", true),
        ("gzip, Trailers", true),
        ("trailers;q=0.5", true),
        ("gzip", false),
        ("xtrailers", false),
    ] {
        let (mut parts, _) = ask_with(&format!("TE: {value}")).passed();
        let te = parts.headers.get("te").cloned();
        assert_eq!(te.is_some_and(|te| te == "trailers"), kept, "{value}");
        head::speak(&mut parts, Version::HTTP_11);
        let connection = parts.headers.get("connection").cloned();
        assert_eq!(connection.is_some_and(|it| it == "te"), kept, "{value}");
    }
}

#[test]
fn a_websocket_keeps_its_upgrade() {
    let handshake =
        "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13";
    let (parts, entered) = ask_with(handshake).passed();
    assert!(entered.upgrade);
    assert_eq!(parts.headers["connection"], "upgrade");
    assert_eq!(parts.headers["upgrade"], "websocket");
    assert_eq!(parts.headers["sec-websocket-version"], "13");
    for other in [
        "Upgrade: websocket",
        "Connection: upgrade",
        "Connection: upgrade\r\nUpgrade: h2c",
        "Connection: upgrade\r\nUpgrade: h2c, websocket",
        "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5",
        "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked",
        "Connection: upgrades\r\nUpgrade: websocket",
    ] {
        let (parts, entered) = ask_with(other).passed();
        assert!(!entered.upgrade, "{other}");
        assert!(!parts.headers.contains_key("upgrade"), "{other}");
        assert!(!parts.headers.contains_key("connection"), "{other}");
    }
    let post = handshake.to_owned() + "\r\n\r\n";
    let (_, entered) = ask(&format!("POST / HTTP/1.1\r\nHost: a\r\n{post}")).passed();
    assert!(!entered.upgrade);
}

#[test]
fn after_a_chunked_request_the_connection_ends() {
    // The server takes the length off, in whichever order they come: nobody sees that it was there.
    let both = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ];
    for lines in both {
        let (parts, entered) = ask_with(lines).passed();
        assert!(entered.close, "{lines}");
        assert!(!parts.headers.contains_key("content-length"), "{lines}");
        assert!(!parts.headers.contains_key("transfer-encoding"), "{lines}");
    }
    for lines in ["Content-Length: 5", "X: 1"] {
        assert!(!ask_with(lines).passed().1.close, "{lines}");
    }
    let gate = Edge::gate(&Config::default());
    assert!(!ask_at(&gate, &with(both[0])).passed().1.close);
}

#[test]
fn cookies_that_http_2_divides_are_one_again() {
    let request = Request::get("http://a/")
        .header("cookie", "a=b")
        .header("cookie", "c=d");
    let parts = ask_http2(request.body(()).unwrap()).unwrap();
    let cookies: Vec<_> = parts.headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=b; c=d"]);
}

#[test]
fn a_request_goes_on_as_its_version_wants_it() {
    let (parts, _) = ask("GET /x?y HTTP/1.0\r\nHost: a.example:1\r\n\r\n").passed();
    let mut one = parts.clone();
    head::speak(&mut one, Version::HTTP_11);
    assert_eq!(
        (one.version, one.uri.to_string().as_str()),
        (Version::HTTP_11, "/x?y")
    );
    assert!(!one.headers.contains_key("connection"));
    let mut two = parts;
    head::speak(&mut two, Version::HTTP_2);
    assert_eq!(two.version, Version::HTTP_2);
    assert_eq!(two.uri.to_string(), "http://a.example:1/x?y");
    assert!(!two.headers.contains_key("host"));
}
