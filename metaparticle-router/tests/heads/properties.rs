//! What holds for all heads, keys and claims.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Request, request::Parts};
use metaparticle_protocol::{
    Token,
    shard::{Claim, Slot},
};
use metaparticle_router::{Config, KeySource, head, wire};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;

use super::{check, one::client};

fn named() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z]{1,3}",
        1 => "x-[a-z]{1,2}",
        1 => "x[-_](metaparticle|forwarded)[-_](claim|for|host|proto)",
        1 => prop::sample::select(vec![
            "connection", "te", "upgrade", "expect", "keep-alive", "cookie", "forwarded", "trailer", "content-length",
        ]).prop_map(str::to_owned),
    ]
}

fn valued() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 ,;=\"]{0,8}",
        prop::collection::vec(named(), 0..4).prop_map(|names| names.join(", ")),
        Just("100-continue".to_owned()),
        Just("5".to_owned()),
    ]
}

fn lines() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((named(), valued()), 0..12)
}

fn request(lines: &[(String, String)]) -> Parts {
    let mut request = Request::get("/").header("host", "a.example");
    for (name, value) in lines {
        request = request.header(name, value);
    }
    request
        .body(())
        .expect("names and values are good")
        .into_parts()
        .0
}

fn values(headers: &HeaderMap, name: &str) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_is_let_through_is_mended_once_and_for_all(lines in lines(), hops in 0..3_u8) {
        let mut config = Config::default();
        config.trusted_hops = hops;
        let edge = client(&config);
        let mut parts = request(&lines);
        if let Ok(entered) = head::enter(&mut parts, &edge) {
            check::entered(&parts, entered.upgrade, hops);
            if hops == 0 {
                let once = parts.headers.clone();
                prop_assert_eq!(head::enter(&mut parts, &edge).map(|it| it.upgrade), Ok(entered.upgrade));
                prop_assert_eq!(once, parts.headers);
            }
        }
    }

    #[test]
    fn whatever_connection_does_not_name_stays_as_it_is(lines in lines()) {
        let before = request(&lines);
        let named = values(&before.headers, "connection");
        let named: Vec<String> = named.iter()
            .flat_map(|value| value.to_str().expect("it is text").split(','))
            .map(|name| name.trim().to_owned())
            .collect();
        let mut parts = before.clone();
        if head::enter(&mut parts, &client(&Config::default())).is_ok() {
            let plain = |name: &str| name.len() <= 4 && !["te", "host"].contains(&name);
            for name in before.headers.keys().map(http::HeaderName::as_str).filter(|name| plain(name)) {
                let gone = named.iter().any(|it| it == name);
                let kept = if gone { vec![] } else { values(&before.headers, name) };
                prop_assert_eq!(values(&parts.headers, name), kept, "{}", name);
            }
        }
    }

    #[test]
    fn a_key_comes_out_of_the_path_as_it_was_written_into_it(
        key in prop::collection::vec(any::<u8>(), 1..20),
        rest in "(/[a-z%/]{0,8})?",
    ) {
        let encoded = percent_encode(&key, NON_ALPHANUMERIC).to_string();
        for source in [KeySource::path("/users/{id}/…"), KeySource::regex("/users/([^/]+)(?:/.*)?")] {
            let uri = format!("/users/{encoded}{rest}");
            let parts = Request::get(uri).body(()).expect("it is a path").into_parts().0;
            let found = source.expect("it is good").key(&parts);
            prop_assert_eq!(found, Ok(Some(Cow::Borrowed(&*key))));
        }
        let uri = format!("/x?a=b&id={encoded}&id=other");
        let parts = Request::get(uri).body(()).expect("it is a path").into_parts().0;
        let found = KeySource::query("id").expect("it is good").key(&parts);
        prop_assert_eq!(found, Ok(Some(Cow::Borrowed(&*key))));
    }

    #[test]
    fn a_template_captures_what_its_segments_say(
        before in prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..3),
        behind in prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..3),
        open in any::<bool>(),
        path in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just("")], 0..6),
    ) {
        let template = [before, vec!["{k}"], behind].concat();
        let open_text = if open { "/*" } else { "" };
        let source = KeySource::path(&format!("/{}{open_text}", template.join("/"))).expect("it is good");
        let parts = Request::get(format!("/{}", path.join("/"))).body(()).expect("a path").into_parts().0;
        // Segment by segment.
        let path = if path.is_empty() { vec![""] } else { path };
        let long_enough = if open { path.len() >= template.len() } else { path.len() == template.len() };
        let fits = long_enough && template.iter().zip(&path).all(|(wanted, is)| *wanted == "{k}" || wanted == is);
        let at = template.iter().position(|it| *it == "{k}").expect("there is one");
        let wanted = path.get(at).filter(|key| fits && !key.is_empty()).map(|key| Cow::Borrowed(key.as_bytes()));
        prop_assert_eq!(source.key(&parts), Ok(wanted));
    }

    #[test]
    fn a_claim_is_read_as_it_was_written(slot in any::<u32>(), token in any::<u64>(), session in "[a-f0-9-]{1,36}") {
        let claim = Claim { slot: Slot(slot), token: Token(token), session: session.as_str().into() };
        let mut headers = HeaderMap::new();
        wire::put_claim(&mut headers, &claim);
        prop_assert_eq!(wire::take_claim(&mut headers), Ok(Some(claim)));
        prop_assert!(headers.is_empty());
    }
}

/// A thousand; in CI `PROPTEST_CASES` says more.
pub(crate) fn cases() -> u32 {
    let set = std::env::var("PROPTEST_CASES").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(1_000)
}
