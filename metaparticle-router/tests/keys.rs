//! Where keys are found, and which ways to find them are refused.

use std::{borrow::Cow, error::Error};

use http::{Request, request::Parts};
use metaparticle_router::{KeyError, KeySource, Reason};

fn get(target: &str) -> Parts {
    let request = Request::get(target).body(());
    request.expect("the target is good").into_parts().0
}

fn key(source: &KeySource, request: &Parts) -> Option<String> {
    let key = source.key(request).expect("it has one, or none");
    key.map(|key| String::from_utf8_lossy(&key).into_owned())
}

#[test]
fn a_template_captures_one_segment() {
    for (template, path, wanted) in [
        ("/users/{id}", "/users/7", Some("7")),
        ("/users/{id}", "/users/7/", None),
        ("/users/{id}", "/users/7/cart", None),
        ("/users/{id}", "/users/", None),
        ("/users/{id}", "/users", None),
        ("/users/{id}", "/Users/7", None),
        ("/users/{id}", "//users/7", None),
        ("/users/{id}/", "/users/7/", Some("7")),
        ("/users/{id}/", "/users/7", None),
        ("/users/{id}/…", "/users/7", Some("7")),
        ("/users/{id}/…", "/users/7/", Some("7")),
        ("/users/{id}/*", "/users/7/cart/1?id=8", Some("7")),
        ("/users/{id}/…", "/users//cart", None),
        ("/{id}", "/7", Some("7")),
        ("/{id}", "/", None),
        ("/{a}/b/…", "/x/b/c", Some("x")),
        ("/{a}/b/…", "/x/bc", None),
        ("/{a}/b", "/x/b/", None),
        ("/ü/{a}", "/%C3%BC/x", Some("x")),
        ("/users/{id}", "/users/%2e%2E", Some("..")),
        ("/users/{id}", "/users/a%2Fb", Some("a/b")),
        ("/users/{id}", "/users/%2561", Some("%61")),
        ("/users/{id}", "/users/%zz%6", Some("%zz%6")),
        ("/users/{id}", "/users/a+b", Some("a+b")),
        ("/users/{id}", "/users/.", Some(".")),
    ] {
        let source = KeySource::path(template).unwrap();
        assert_eq!(
            key(&source, &get(path)).as_deref(),
            wanted,
            "{template} {path}"
        );
    }
}

#[test]
fn each_broken_template_is_told_its_rule() {
    for (template, rule) in [
        ("users/{id}", "begin it with `/`"),
        ("", "begin it with `/`"),
        ("/users", "no capture"),
        ("/{a}/{b}", "more than one capture"),
        ("/{}", "name the capture"),
        ("/{a-b}", "name the capture"),
        ("/x{id}", "a whole segment"),
        ("/{id", "a whole segment"),
        ("/…/{id}", "only be the last segment"),
        ("//{id}", "an empty segment"),
        ("/a b/{id}", "white space"),
        ("/a/{id}?x=*", "white space, `?` nor `#`"),
    ] {
        let error = KeySource::path(template).unwrap_err().to_string();
        assert!(error.contains(rule), "{template}: {error}");
    }
}

#[test]
fn a_regular_expression_matches_the_whole_path() {
    for (pattern, path, wanted) in [
        (r"/users/(\d+)", "/users/7", Some("7")),
        (r"/users/(\d+)", "/users/7/", None),
        (r"/users/(\d+)", "/x/users/7", None),
        (r"\/users\/(.*)[^\/]", "/users/abc/de", Some("abc/d")),
        (r"/(?:a|b)/([^/]+)(?:/.*)?", "/b/%41/x", Some("A")),
        ("/a/([^/]*)|/b/.*", "/b/c", None),
        ("/a/([^/]*)", "/a/", None),
        ("(?i)/A/(.)", "/a/x", Some("x")),
        ("/(a|ab)", "/ab", Some("ab")),
        (r"/(\w+)", "/\u{e9}", None),
    ] {
        let source = KeySource::regex(pattern).unwrap();
        assert_eq!(
            key(&source, &get(path)).as_deref(),
            wanted,
            "{pattern} {path}"
        );
    }
}

#[test]
fn a_regular_expression_has_one_group() {
    for (pattern, groups) in [("/users/.*", 0), ("/(a)/(b)", 2), ("/(?:a)", 0)] {
        let error = KeySource::regex(pattern).unwrap_err();
        assert_eq!(error, KeyError::Groups(pattern.to_owned(), groups));
        assert!(error.to_string().contains("must have one"), "{error}");
    }
}

#[test]
fn no_regular_expression_is_refused_with_the_place() {
    for pattern in ["/(", "/a)(b", r"/(a)\1", "/(?=a)(b)", "/((a{1000}){1000})"] {
        let error = KeySource::regex(pattern).unwrap_err();
        assert!(matches!(error, KeyError::Regex(..)), "{error}");
        assert!(error.source().is_some(), "{pattern}");
    }
}

#[test]
fn a_header_has_one_value() {
    let source = KeySource::header("X-User").unwrap();
    let with = |values: &[&str]| {
        let mut request = Request::get("/");
        for value in values {
            request = request.header("x-user", *value);
        }
        request.body(()).unwrap().into_parts().0
    };
    assert_eq!(key(&source, &with(&[])), None);
    assert_eq!(key(&source, &with(&[""])), None);
    assert_eq!(key(&source, &with(&["a%20b"])).as_deref(), Some("a%20b"));
    assert_eq!(key(&source, &with(&["a", "a"])).as_deref(), Some("a"));
    for values in [["a", "b"], ["a", ""], ["", "a"]] {
        let refusal = source.key(&with(&values)).unwrap_err();
        assert_eq!(refusal.reason(), Reason::BadKey, "{values:?}");
        assert_eq!(refusal.status(), 400);
    }
}

#[test]
fn a_header_that_no_request_has_is_refused() {
    for name in ["", "x user", "x:y", "ü"] {
        assert_eq!(
            KeySource::header(name).unwrap_err(),
            KeyError::Header(name.to_owned())
        );
    }
    for name in [
        "Connection",
        "TE",
        "X-Metaparticle-Slot",
        "x_metaparticle_slot",
        "expect",
    ] {
        let error = KeySource::header(name).unwrap_err();
        assert!(matches!(error, KeyError::Stripped(_)), "{name}: {error}");
    }
    for name in ["host", "authorization", "x-forwarded-for"] {
        assert!(KeySource::header(name).is_ok(), "{name}");
    }
}

#[test]
fn of_a_query_the_first_value_counts() {
    let source = KeySource::query("id").unwrap();
    for (target, wanted) in [
        ("/?id=7&id=8", Some("7")),
        ("/?a=1&id=%37+8", Some("7 8")),
        ("/?i%64=7", Some("7")),
        ("/?id=&id=8", None),
        ("/?id", None),
        ("/?ID=7", None),
        ("/?xid=7", None),
        ("/?id=a=b", Some("a=b")),
        ("/id=7", None),
        ("/", None),
    ] {
        assert_eq!(key(&source, &get(target)).as_deref(), wanted, "{target}");
    }
    assert_eq!(KeySource::query("").unwrap_err(), KeyError::Query);
    let spaced = KeySource::query("a b").unwrap();
    assert_eq!(key(&spaced, &get("/?a+b=7")).as_deref(), Some("7"));
}

#[test]
fn a_function_sees_the_request() {
    let source = KeySource::function(|request| {
        let tenant = request.headers.get("x-tenant")?.as_bytes();
        Some(Cow::Owned([tenant, request.uri.path().as_bytes()].concat()))
    });
    let request = Request::get("/a").header("x-tenant", "t").body(());
    assert_eq!(
        key(&source, &request.unwrap().into_parts().0).as_deref(),
        Some("t/a")
    );
    assert_eq!(key(&source, &get("/a")), None);
    let empty = KeySource::function(|_| Some(Cow::Borrowed(b"")));
    assert_eq!(key(&empty, &get("/a")), None);
}
