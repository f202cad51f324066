//! What the real server answered to the same bodies.

use serde_json::json;

use super::*;
use crate::api::resource::{CONFIG_MAP, ENDPOINT_SLICE, EVENT};

fn post(body: &str, validation: FieldValidation) -> Result<Decoded, String> {
    object(&CONFIG_MAP, body.as_bytes(), "application/json", validation)
        .map_err(|failure| failure.message)
}

fn refused(body: &str) -> String {
    post(body, FieldValidation::Warn).unwrap_err()
}

#[test]
fn text_that_is_no_object_is_unrecognized() {
    let must = "the object provided is unrecognized (must be of type ConfigMap): ";
    let json = "couldn't get version/kind; json parse error: ";
    for (body, problem) in [
        ("{", format!("{json}unexpected end of JSON input ({{)")),
        ("", format!("{json}unexpected end of JSON input (<empty>)")),
        (
            "[]",
            format!(
                r#"{json}json: cannot unmarshal array into Go value of type struct {{ APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }} (5b5d)"#
            ),
        ),
        (
            r#"{"apiVersion":"a/b/c","kind":"ConfigMap"}"#,
            r#"unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c","kind":" ...)"#
                .to_owned(),
        ),
        (
            r#"{"apiVersion":1,"kind":"ConfigMap"}"#,
            format!(
                r#"{json}json: cannot unmarshal number into Go struct field .apiVersion of type string ({{"apiVersion":1,"kind":"Config ...)"#
            ),
        ),
    ] {
        assert_eq!(refused(body), format!("{must}{problem}"));
    }
}

#[test]
fn other_kinds_are_refused_as_the_real_server_words_it() {
    for (body, words) in [
        (
            r#"{"apiVersion":"v1","kind":"Pod"}"#,
            r#"Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown conversion"#,
        ),
        (
            r#"{"apiVersion":"apps/v1","kind":"ConfigMap"}"#,
            r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "apps/v1" in scheme "pkg/runtime/scheme.go:111""#,
        ),
        (
            r#"{"apiVersion":"v1","kind":"Foo"}"#,
            r#"Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111""#,
        ),
    ] {
        assert_eq!(refused(body), words);
    }
}

#[test]
fn absent_kind_and_version_are_those_of_the_resource() {
    for body in ["{}", r#"{"kind":"ConfigMap"}"#, r#"{"apiVersion":"v1"}"#] {
        let decoded = post(body, FieldValidation::Strict).unwrap();
        let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
        assert_eq!(decoded.object, expected);
    }
}

#[test]
fn unknown_and_repeated_fields_are_ignored_told_or_refused() {
    let body = r#"{"zata":{},"data":{"a":"b","a":"c"}}"#;
    let told = [r#"unknown field "zata""#, r#"duplicate field "data.a""#];
    assert_eq!(
        post(body, FieldValidation::Ignore).unwrap().warnings,
        [""; 0]
    );
    assert_eq!(post(body, FieldValidation::Warn).unwrap().warnings, told);
    let refused = post(body, FieldValidation::Strict).unwrap_err();
    assert_eq!(
        refused,
        format!(
            r#"ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: {}"#,
            told.join(", ")
        )
    );
}

#[test]
fn yaml_is_accepted_and_its_repeated_keys_are_told_first() {
    let body = "zata: x\nmetadata: {name: v, name: v}\n";
    let yaml = object(
        &CONFIG_MAP,
        body.as_bytes(),
        "application/yaml",
        FieldValidation::Warn,
    );
    let yaml = yaml.unwrap();
    assert_eq!(yaml.object["metadata"], json!({"name": "v"}));
    let told = [
        r#"line 2: key "name" already set in map"#,
        r#"unknown field "zata""#,
    ];
    assert_eq!(yaml.warnings, told);
}

#[test]
fn times_that_go_writes_as_null_are_null() {
    let event = decode(&EVENT, json!({"metadata": {}}), FieldValidation::Strict).unwrap();
    assert_eq!(event.object["eventTime"], json!(null));
    assert!(
        event
            .object
            .as_object()
            .unwrap()
            .contains_key("firstTimestamp")
    );
}

#[test]
fn empty_list_that_is_always_written_is_there_until_it_is_stored() {
    let sent = json!({"addressType": "IPv4", "endpoints": []});
    let mut slice = decode(&ENDPOINT_SLICE, sent, FieldValidation::Strict)
        .unwrap()
        .object;
    assert_eq!(
        (&slice["endpoints"], &slice["ports"]),
        (&json!([]), &json!(null))
    );
    forget_empty_lists(&ENDPOINT_SLICE, &mut slice);
    assert_eq!(slice["endpoints"], json!(null));
}

#[test]
fn deep_nesting_is_read_and_dropped_without_harm() {
    let body = format!(r#"{{"x":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000));
    let told = post(&body, FieldValidation::Warn).unwrap().warnings;
    assert_eq!(told, [r#"unknown field "x""#]);
}

#[test]
fn text_is_quoted_as_go_quotes_it() {
    assert_eq!(quoted("a\"\\\n\u{1}é\u{7f}"), r#""a\"\\\n\x01é\x7f""#);
}
