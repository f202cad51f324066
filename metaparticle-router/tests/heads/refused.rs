//! What is refused, and why.

use http::Request;
use metaparticle_router::{
    Config, Reason,
    head::{self, Edge},
};

use super::one::{Fate, ask, ask_at, ask_http2, ask_with, client, with};

fn refused(bytes: &str, reason: Reason) {
    match ask(bytes) {
        Fate::Refused(told) if told == reason => {}
        other => panic!("{bytes:?}: {other:?}"),
    }
}

fn unseen(bytes: &str, status: u16) {
    match ask(bytes) {
        Fate::Unseen(told) if told == status => {}
        other => panic!("{bytes:?}: {other:?}"),
    }
}

#[test]
fn there_is_exactly_one_host() {
    for lines in [
        "",
        "Host:\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nhost: a\r\n",
        "Host: a, b\r\n",
        "Host: a,b\r\n",
        "Host: user@a\r\n",
        "Host: a/b\r\n",
        "Host: a?b\r\n",
        "Host: :80\r\n",
        "Host: a\tb\r\n",
        "Host: \u{fc}\r\n",
    ] {
        refused(&format!("GET / HTTP/1.1\r\n{lines}\r\n"), Reason::BadHost);
    }
    refused("GET / HTTP/1.0\r\n\r\n", Reason::BadHost);
    refused("GET http://a.example/ HTTP/1.1\r\n\r\n", Reason::BadHost);
    refused(
        "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        Reason::BadHost,
    );
}

#[test]
fn the_authority_of_http_2_is_the_only_host() {
    let request = |uri: &str| Request::get(uri);
    let two = request("http://a.example/")
        .header("host", "b.example")
        .body(());
    assert_eq!(ask_http2(two.unwrap()).unwrap_err(), Reason::BadHost);
    let none = request("/").body(());
    assert_eq!(ask_http2(none.unwrap()).unwrap_err(), Reason::BadHost);
    let several = request("/")
        .header("host", "a")
        .header("host", "a")
        .body(());
    assert_eq!(ask_http2(several.unwrap()).unwrap_err(), Reason::BadHost);
}

#[test]
fn connect_is_refused() {
    refused(
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
        Reason::BadMethod,
    );
    let extended = Request::connect("http://a.example/chat").body(());
    assert_eq!(ask_http2(extended.unwrap()).unwrap_err(), Reason::BadMethod);
}

#[test]
fn a_target_is_a_path_or_an_http_url() {
    for target in ["ftp://a.example/", "a.example:443", "users", "*"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        refused(&bytes, Reason::BadTarget);
    }
}

#[test]
fn a_length_beside_a_coding_is_refused() {
    let (mut parts, ()) = Request::post("/")
        .header("host", "a.example")
        .header("content-length", "5")
        .header("transfer-encoding", "chunked")
        .body(())
        .unwrap()
        .into_parts();
    let told = head::enter(&mut parts, &client(&Config::default()));
    assert_eq!(told.unwrap_err().reason(), Reason::BadFraming);
}

#[test]
fn two_lengths_are_refused() {
    let request = |first: &str, second: &str| {
        let request = Request::post("http://a.example/").header("content-length", first);
        ask_http2(request.header("content-length", second).body(()).unwrap())
    };
    assert_eq!(request("5", "6").unwrap_err(), Reason::BadFraming);
    let twice = request("5", "05").unwrap();
    let lengths: Vec<_> = twice.headers.get_all("content-length").iter().collect();
    assert_eq!(lengths, ["5"]);
    for bad in ["+5", "5, 5", "", " ", "-1", "0x5", "18446744073709551616"] {
        assert_eq!(request(bad, bad).unwrap_err(), Reason::BadFraming, "{bad}");
    }
    let coding = Request::post("http://a.example/").header("transfer-encoding", "chunked");
    assert_eq!(
        ask_http2(coding.body(()).unwrap()).unwrap_err(),
        Reason::BadFraming
    );
}

#[test]
fn lengths_that_contradict_each_other_do_not_get_past_the_server() {
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 5 5",
        "Content-Length: ",
        "Content-Length: 99999999999999999999",
        "Content-Length : 5",
        "Content-Length: 5\r\n folded: x",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "X: a\0b",
        "X: a\rb",
        "X y: a",
        ": a",
        "X",
    ] {
        unseen(&with(lines), 400);
    }
    unseen(
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    );
}

#[test]
fn only_chunked_is_a_coding() {
    for value in ["gzip, chunked", "chunked, chunked", "chunked;q=1, chunked"] {
        refused(
            &with(&format!("Transfer-Encoding: {value}")),
            Reason::BadCoding,
        );
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked";
    refused(&with(twice), Reason::BadFraming);
}

#[test]
fn only_100_continue_is_expected() {
    refused(&with("Expect: 200-ok"), Reason::BadExpect);
    refused(
        &with("Expect: 100-continue\r\nExpect: x"),
        Reason::BadExpect,
    );
}

#[test]
fn a_head_has_100_headers_and_64_kib_at_most() {
    let many = |count: usize| ask_with(&vec!["X: 1"; count].join("\r\n"));
    many(99).passed();
    assert!(matches!(many(100), Fate::Unseen(431)));
    // A server with larger limits does not make ours larger.
    let few = |max_headers, max_head_bytes| {
        let mut config = Config::default();
        config.max_headers = max_headers;
        config.max_head_bytes = max_head_bytes;
        ask_at(
            &client(&config),
            &with(&format!("X: {}", "x".repeat(8_200))),
        )
    };
    few(2, 9_000).passed();
    for (headers, bytes) in [(1, 9_000), (2, 8_192)] {
        assert!(matches!(
            few(headers, bytes),
            Fate::Refused(Reason::HeadTooLarge)
        ));
    }
}

#[test]
fn what_another_gate_has_added_does_not_make_a_head_too_large() {
    let config = Config::default();
    let client = client(&config);
    let gate = Edge::gate(&config);
    let host = "a".repeat(config.max_head_bytes - 1_000);
    for (host, count) in [("a", 99), (&host, 0)] {
        let mut request = Request::get("/").header("host", host);
        for _ in 0..count {
            request = request.header("x", "1");
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        head::enter(&mut parts, &client).unwrap();
        assert!(head::enter(&mut parts.clone(), &client).is_err());
        assert!(head::enter(&mut parts, &gate).is_ok());
    }
}

#[test]
fn a_connection_that_names_too_much_is_refused() {
    let named = |count: usize| format!("Connection: {}", vec!["a"; count].join(","));
    ask_with(&named(100)).passed();
    refused(&with(&named(101)), Reason::HeadTooLarge);
}

#[test]
fn another_gate_is_held_to_the_same_rules() {
    let gate = Edge::gate(&Config::default());
    for (lines, reason) in [
        ("Host: a\r\nHost: b", Reason::BadHost),
        ("Host: a\r\nExpect: x", Reason::BadExpect),
    ] {
        let told = ask_at(&gate, &format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n"));
        assert!(
            matches!(told, Fate::Refused(it) if it == reason),
            "{told:?}"
        );
    }
}
