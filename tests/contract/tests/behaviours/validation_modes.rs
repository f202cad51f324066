//! `fieldValidation` and `fieldManager`: unknown and doubled fields, and in whose name a write is made.

use http::Method;
use metaparticle_contract::{Answer, Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    strict_refuses_an_unknown_field,
    strict_names_all_unknown_fields_with_their_paths,
    strict_refuses_a_doubled_field,
    warn_drops_an_unknown_field_and_says_so,
    warn_takes_the_last_of_doubled_fields_and_says_so,
    warn_is_what_happens_without_a_mode,
    ignore_drops_an_unknown_field_silently,
    unknown_mode_is_refused,
    strict_update_refuses_an_unknown_field,
    strict_merge_patch_refuses_an_unknown_field,
    strict_strategic_patch_refuses_an_unknown_field,
    merge_patch_warns_of_an_unknown_field,
    wrong_type_is_refused_in_every_mode,
    field_manager_names_the_entry,
    user_agent_names_the_entry_up_to_its_slash,
    field_manager_longer_than_128_characters_is_refused,
    field_manager_that_cannot_be_printed_is_refused,
    force_of_another_patch_than_apply_is_refused,
];

/// Sends text as it is.
async fn sent(c: &Context, method: Method, path: &str, media: &str, body: &str) -> Answer {
    c.send(method, path, &[("content-type", media)], body).await
}

/// A config map with a field that it does not have.
fn unknown() -> Value {
    with(config_map("a"), "/nonsense", "x")
}

async fn strict_refuses_an_unknown_field(c: &Context) {
    c.post("configmaps?fieldValidation=Strict", &unknown()).await.refused(
        400,
        "BadRequest",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"nonsense\"",
    );
}

async fn strict_names_all_unknown_fields_with_their_paths(c: &Context) {
    let mut object = with(
        deployment("a"),
        "/spec/template/spec/containers/0/imagge",
        "x",
    );
    object["spec"]["nonsense"] = 1.into();
    c.post("deployments?fieldValidation=Strict", &object).await.refused(
        400,
        "BadRequest",
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.nonsense\", unknown field \"spec.template.spec.containers[0].imagge\"",
    );
}

async fn strict_refuses_a_doubled_field(c: &Context) {
    let body = r#"{"metadata":{"name":"a"},"data":{"k":"v"},"data":{"k":"w"}}"#;
    let answer = sent(
        c,
        Method::POST,
        "configmaps?fieldValidation=Strict",
        "application/json",
        body,
    )
    .await;
    answer.refused(
        400,
        "BadRequest",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: duplicate field \"data\"",
    );
}

async fn warn_drops_an_unknown_field_and_says_so(c: &Context) {
    let answer = c.post("configmaps?fieldValidation=Warn", &unknown()).await;
    assert_eq!(answer.ok(201)["nonsense"], Value::Null);
    assert_eq!(answer.warnings(), ["unknown field \"nonsense\""]);
}

async fn warn_takes_the_last_of_doubled_fields_and_says_so(c: &Context) {
    let body = r#"{"metadata":{"name":"a"},"data":{"k":"v"},"data":{"k":"w"}}"#;
    let answer = sent(c, Method::POST, "configmaps", "application/json", body).await;
    assert_eq!(answer.ok(201)["data"], json!({"k": "w"}));
    assert_eq!(answer.warnings(), ["duplicate field \"data\""]);
}

async fn warn_is_what_happens_without_a_mode(c: &Context) {
    let answer = c.post("configmaps", &unknown()).await;
    let _ = answer.ok(201);
    assert_eq!(answer.warnings(), ["unknown field \"nonsense\""]);
}

async fn ignore_drops_an_unknown_field_silently(c: &Context) {
    let answer = c
        .post("configmaps?fieldValidation=Ignore", &unknown())
        .await;
    assert_eq!(answer.ok(201)["nonsense"], Value::Null);
    assert!(answer.warnings().is_empty());
}

async fn unknown_mode_is_refused(c: &Context) {
    c.post("configmaps?fieldValidation=Sometimes", &config_map("a")).await.refused(
        422,
        "Invalid",
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Sometimes\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
    );
}

async fn strict_update_refuses_an_unknown_field(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c
        .put("configmaps/a?fieldValidation=Strict", &unknown())
        .await
        .ok(400);
}

async fn strict_merge_patch_refuses_an_unknown_field(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let path = "configmaps/a?fieldValidation=Strict";
    let answer = c
        .patch(Patch::Merge, path, &json!({"nonsense": "x"}))
        .await
        .ok(422);
    let message = text(&answer["message"]);
    assert!(
        message.starts_with(" \"\" is invalid: patch: Invalid value: \"{"),
        "{message}"
    );
    assert!(
        message.ends_with("}\": strict decoding error: unknown field \"nonsense\""),
        "{message}"
    );
    assert_eq!(answer["details"]["causes"][0]["field"], "patch");
}

async fn strict_strategic_patch_refuses_an_unknown_field(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let path = "configmaps/a?fieldValidation=Strict";
    let answer = c
        .patch(Patch::Strategic, path, &json!({"nonsense": "x"}))
        .await;
    answer.refused(
        422,
        "Invalid",
        " \"\" is invalid: patch: Invalid value: \"map[nonsense:x]\": strict decoding error: unknown field \"nonsense\"",
    );
}

async fn merge_patch_warns_of_an_unknown_field(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let answer = c
        .patch(Patch::Merge, "configmaps/a", &json!({"nonsense": "x"}))
        .await;
    assert_eq!(answer.ok(200), made);
    assert_eq!(answer.warnings(), ["unknown field \"nonsense\""]);
}

async fn wrong_type_is_refused_in_every_mode(c: &Context) {
    for mode in ["Strict", "Warn", "Ignore"] {
        let path = format!("deployments?fieldValidation={mode}");
        let answer = c
            .post(&path, &with(deployment("a"), "/spec/replicas", "three"))
            .await;
        answer.refused(
            400,
            "BadRequest",
            "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        );
    }
}

async fn field_manager_names_the_entry(c: &Context) {
    let made = c
        .post("configmaps?fieldManager=mine", &config_map("a"))
        .await
        .ok(201);
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "mine");
    assert_eq!(made["metadata"]["managedFields"][0]["operation"], "Update");
}

async fn user_agent_names_the_entry_up_to_its_slash(c: &Context) {
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "tool/1.2 (x)"),
    ];
    let made = c
        .send(
            Method::POST,
            "configmaps",
            &headers,
            config_map("a").to_string(),
        )
        .await
        .ok(201);
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "tool");
}

async fn field_manager_longer_than_128_characters_is_refused(c: &Context) {
    let path = format!("configmaps?fieldManager={}", "m".repeat(129));
    c.post(&path, &config_map("a")).await.refused(
        422,
        "Invalid",
        "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes",
    );
}

async fn field_manager_that_cannot_be_printed_is_refused(c: &Context) {
    let answer = c
        .post("configmaps?fieldManager=a%00b", &config_map("a"))
        .await
        .ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "fieldManager");
}

async fn force_of_another_patch_than_apply_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    c.patch(Patch::Merge, "configmaps/a?force=true", &json!({})).await.refused(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
    );
}
