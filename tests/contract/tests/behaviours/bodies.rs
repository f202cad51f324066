//! Bodies and methods that cannot be: media types, broken JSON, size, depth.

use http::Method;
use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    unknown_media_type_of_a_body_is_refused_with_415,
    patch_with_an_unknown_media_type_is_refused_with_415,
    body_without_a_media_type_is_json,
    media_type_may_have_a_charset,
    body_in_yaml_is_understood,
    broken_json_is_refused,
    json_that_is_no_object_is_refused,
    empty_body_is_refused,
    unknown_kind_in_a_body_is_refused,
    unknown_version_in_a_body_is_refused,
    wrong_type_of_metadata_is_refused,
    number_in_string_data_is_refused,
    fraction_in_an_integer_is_refused,
    body_beyond_3_mib_is_refused_with_413,
    config_map_beyond_1_mib_is_refused_with_422,
    deeply_nested_json_is_refused,
    json_patch_with_too_many_operations_is_refused_with_413,
    parameter_that_is_given_twice_is_harmless,
    head_is_not_allowed,
    options_is_not_allowed,
    methods_that_a_path_does_not_have_are_not_allowed,
];

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn unknown_media_type_of_a_body_is_refused_with_415(c: &Context) {
    let headers = [("content-type", "text/plain")];
    let answer = c
        .send(
            Method::POST,
            "configmaps",
            &headers,
            config_map("a").to_string(),
        )
        .await;
    answer.refused(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
}

async fn patch_with_an_unknown_media_type_is_refused_with_415(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let answer = c.send(Method::PATCH, "configmaps/a", &JSON, "{}").await;
    answer.refused(415, "UnsupportedMediaType", "415: Unsupported Media Type");
}

async fn body_without_a_media_type_is_json(c: &Context) {
    let _ = c
        .send(Method::POST, "configmaps", &[], config_map("a").to_string())
        .await
        .ok(201);
}

async fn media_type_may_have_a_charset(c: &Context) {
    let headers = [("content-type", "application/json; charset=utf-8")];
    let _ = c
        .send(
            Method::POST,
            "configmaps",
            &headers,
            config_map("a").to_string(),
        )
        .await
        .ok(201);
}

async fn body_in_yaml_is_understood(c: &Context) {
    let headers = [("content-type", "application/yaml")];
    let yaml = "metadata:\n  name: a\ndata:\n  k: 'yes'\n";
    let made = c
        .send(Method::POST, "configmaps", &headers, yaml)
        .await
        .ok(201);
    assert_eq!(made["data"], json!({"k": "yes"}));
}

async fn broken_json_is_refused(c: &Context) {
    let answer = c.send(Method::POST, "configmaps", &JSON, "{").await;
    answer.refused(
        400,
        "BadRequest",
        "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
    );
}

async fn json_that_is_no_object_is_refused(c: &Context) {
    let answer = c
        .send(Method::POST, "configmaps", &JSON, "[]")
        .await
        .ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn empty_body_is_refused(c: &Context) {
    let answer = c.send(Method::POST, "configmaps", &JSON, "").await;
    assert_eq!(
        (answer.status, answer.json()["reason"].clone()),
        (400, "BadRequest".into())
    );
}

async fn unknown_kind_in_a_body_is_refused(c: &Context) {
    let answer = c
        .post(
            "configmaps",
            &json!({"apiVersion": "v1", "kind": "Nonsense"}),
        )
        .await;
    answer.refused(
        400,
        "BadRequest",
        "Nonsense in version \"v1\" cannot be handled as a ConfigMap: no kind \"Nonsense\" is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:111\"",
    );
}

async fn unknown_version_in_a_body_is_refused(c: &Context) {
    let answer = c
        .post("configmaps", &with(config_map("a"), "/apiVersion", "v9"))
        .await
        .ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn wrong_type_of_metadata_is_refused(c: &Context) {
    let answer = c.post("configmaps", &json!({"metadata": "a"})).await;
    answer.refused(
        400,
        "BadRequest",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta",
    );
}

async fn number_in_string_data_is_refused(c: &Context) {
    let answer = c
        .post(
            "configmaps",
            &json!({"metadata": {"name": "a"}, "data": {"k": 1}}),
        )
        .await;
    answer.refused(
        400,
        "BadRequest",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
    );
}

async fn fraction_in_an_integer_is_refused(c: &Context) {
    let answer = c
        .post(
            "leases",
            &with(lease("a"), "/spec/leaseDurationSeconds", 1.5),
        )
        .await;
    assert_eq!(
        (answer.status, answer.json()["reason"].clone()),
        (400, "BadRequest".into())
    );
}

async fn body_beyond_3_mib_is_refused_with_413(c: &Context) {
    let big = with(config_map("a"), "/data/k", "x".repeat(3 * 1024 * 1024));
    let answer = c.post("configmaps", &big).await;
    answer.refused(
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    );
}

async fn config_map_beyond_1_mib_is_refused_with_422(c: &Context) {
    let big = with(config_map("a"), "/data/k", "x".repeat(1024 * 1024 + 1));
    c.post("configmaps", &big).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: []: Too long: may not be more than 1048576 bytes",
    );
}

async fn deeply_nested_json_is_refused(c: &Context) {
    let deep = format!(
        "{{\"metadata\":{{\"name\":\"a\"}},\"x\":{}{}}}",
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let answer = c.send(Method::POST, "configmaps", &JSON, deep).await;
    assert_eq!(
        (answer.status, answer.json()["reason"].clone()),
        (400, "BadRequest".into())
    );
}

async fn json_patch_with_too_many_operations_is_refused_with_413(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch: Vec<Value> = vec![json!({"op": "test", "path": "/data/k", "value": "v"}); 10_001];
    let kind = metaparticle_contract::Patch::Json;
    c.patch(kind, "configmaps/a", &patch.into()).await.refused(
        413,
        "RequestEntityTooLarge",
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    );
}

async fn parameter_that_is_given_twice_is_harmless(c: &Context) {
    let answer = c.get("leases?limit=1&limit=2").await;
    assert_eq!(answer.status, 200);
}

async fn head_is_not_allowed(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let answer = c.send(Method::HEAD, "configmaps/a", &[], []).await;
    assert_eq!((answer.status, answer.body.len()), (405, 0));
}

async fn options_is_not_allowed(c: &Context) {
    let answer = c.send(Method::OPTIONS, "configmaps", &[], []).await;
    answer.refused(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    );
}

async fn methods_that_a_path_does_not_have_are_not_allowed(c: &Context) {
    for (method, path) in [
        (Method::POST, "configmaps/a"),
        (Method::PUT, "configmaps"),
        (Method::PATCH, "configmaps"),
        (Method::POST, "deployments/a/status"),
        (Method::DELETE, "deployments/a/scale"),
    ] {
        let answer = c.send(method, path, &JSON, "{}").await;
        answer.refused(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
    }
}
