//! Who the client is said to be.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, Request};
use metaparticle_router::{
    Config,
    head::{self, Edge},
};

use super::check::ADDRESS;

const FORGED: [(&str, &str); 5] = [
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-for", "7.7.7.7, 8.8.8.8"),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "outside.example"),
];

fn told(edge: &Edge, headers: &[(&str, &str)]) -> HeaderMap {
    let mut request = Request::get("/").header("host", "a.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).expect("it is good").into_parts();
    head::enter(&mut parts, edge).expect("it is let through");
    parts.headers
}

fn edge(trusted_hops: u8, secure: bool, forwarded: bool) -> Edge {
    let mut config = Config::default();
    config.trusted_hops = trusted_hops;
    config.forwarded = forwarded;
    Edge::client(ADDRESS.parse().expect("an address"), secure, &config)
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .map(|it| it.to_str().expect("it is text").to_owned())
        .collect()
}

#[test]
fn what_no_trusted_proxy_wrote_is_replaced() {
    let headers = told(&edge(0, true, false), &FORGED);
    assert_eq!(all(&headers, "x-forwarded-for"), [ADDRESS]);
    assert_eq!(all(&headers, "x-forwarded-proto"), ["https"]);
    assert_eq!(all(&headers, "x-forwarded-host"), ["a.example"]);
}

#[test]
fn of_trusted_proxies_only_their_own_entries_stay() {
    for (hops, chain) in [
        (1, "8.8.8.8, 9.9.9.9"),
        (2, "7.7.7.7, 8.8.8.8, 9.9.9.9"),
        (9, "6.6.6.6, 7.7.7.7, 8.8.8.8, 9.9.9.9"),
    ] {
        let headers = told(&edge(hops, false, false), &FORGED);
        assert_eq!(all(&headers, "x-forwarded-for"), [chain]);
        assert_eq!(all(&headers, "x-forwarded-proto"), ["https"]);
        assert_eq!(all(&headers, "x-forwarded-host"), ["outside.example"]);
    }
    let headers = told(&edge(1, false, false), &[]);
    assert_eq!(all(&headers, "x-forwarded-for"), [ADDRESS]);
    assert_eq!(all(&headers, "x-forwarded-proto"), ["http"]);
    assert_eq!(all(&headers, "x-forwarded-host"), ["a.example"]);
}

#[test]
fn a_quote_hides_no_entry_of_a_list_that_has_no_quotes() {
    for (came, chain) in [
        ("\"6.6.6.6, 7.7.7.7\"", "7.7.7.7\", 9.9.9.9"),
        ("\"6.6.6.6, 8.8.8.8", "8.8.8.8, 9.9.9.9"),
    ] {
        let headers = told(&edge(1, false, false), &[("x-forwarded-for", came)]);
        assert_eq!(all(&headers, "x-forwarded-for"), [chain]);
    }
}

#[test]
fn another_gate_has_said_it_already() {
    let headers = told(&Edge::gate(&Config::default()), &FORGED[3..]);
    assert_eq!(all(&headers, "x-forwarded-for"), [""; 0]);
    assert_eq!(all(&headers, "x-forwarded-proto"), ["https"]);
    assert_eq!(all(&headers, "x-forwarded-host"), ["outside.example"]);
}

#[test]
fn names_with_underscores_are_not_believed() {
    let headers = told(
        &edge(2, false, false),
        &[("x_forwarded_for", "6.6.6.6"), ("x-forwarded_host", "b")],
    );
    assert_eq!(all(&headers, "x-forwarded-for"), [ADDRESS]);
    assert!(!headers.keys().any(|name| name.as_str().contains('_')));
}

#[test]
fn forwarded_of_rfc_7239_is_written_only_if_wanted() {
    let name = "forwarded";
    let came = [(name, "for=6.6.6.6, for=7.7.7.7;host=\"a,\\\"b\"")];
    for hops in [0, 2] {
        assert!(!told(&edge(hops, false, false), &came).contains_key(name));
    }
    let own = "for=9.9.9.9;proto=https;host=\"a.example\"";
    assert_eq!(all(&told(&edge(0, true, true), &came), name), [own]);
    let one = format!("for=7.7.7.7;host=\"a,\\\"b\", {own}");
    assert_eq!(all(&told(&edge(1, true, true), &came), name), [one]);
    // A quote without an end would swallow what is appended.
    let open = [(name, "for=\"6.6.6.6")];
    assert_eq!(all(&told(&edge(1, true, true), &open), name), [own]);
}

#[test]
fn addresses_are_written_as_their_headers_want_them() {
    let mut config = Config::default();
    config.forwarded = true;
    let at = |address: IpAddr| told(&Edge::client(address, false, &config), &[]);
    let six = at(IpAddr::V6(Ipv6Addr::LOCALHOST));
    assert_eq!(six["x-forwarded-for"], "::1");
    assert_eq!(
        six["forwarded"],
        "for=\"[::1]\";proto=http;host=\"a.example\""
    );
    let mapped = at("::ffff:9.9.9.9".parse().unwrap());
    assert_eq!(mapped["x-forwarded-for"], "9.9.9.9");
}
