//! JSON patches (RFC 6902).

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    json_patch_adds,
    json_patch_replaces,
    json_patch_removes,
    json_patch_copies_and_moves,
    json_patch_whose_test_holds_goes_on,
    json_patch_path_unescapes_slashes,
    json_patch_whose_test_fails_is_refused_with_422,
    json_patch_that_removes_what_is_missing_is_refused_with_422,
    json_patch_replaces_also_a_key_that_is_missing,
    json_patch_that_fails_half_way_changes_nothing,
    json_patch_that_is_no_list_is_refused,
    json_patch_with_an_unknown_operation_is_refused,
    json_patch_that_makes_the_object_invalid_is_refused,
    json_patch_appends_to_lists,
    json_patch_without_effect_keeps_the_resource_version,
    json_patch_of_the_name_is_refused,
    json_patch_of_a_missing_object_answers_404,
];

/// The data of the config map `a` (`k: v`) after a patch.
async fn patched(c: &Context, patch: Value) -> Value {
    c.made("configmaps", &config_map("a")).await;
    let changed = c.patch(Patch::Json, "configmaps/a", &patch).await.ok(200);
    assert_eq!(c.read("configmaps/a").await, changed);
    changed["data"].clone()
}

async fn json_patch_adds(c: &Context) {
    let patch = json!([{"op": "add", "path": "/data/n", "value": "w"}]);
    assert_eq!(patched(c, patch).await, json!({"k": "v", "n": "w"}));
}

async fn json_patch_replaces(c: &Context) {
    let patch = json!([{"op": "replace", "path": "/data/k", "value": "w"}]);
    assert_eq!(patched(c, patch).await, json!({"k": "w"}));
}

async fn json_patch_removes(c: &Context) {
    let patch = json!([{"op": "remove", "path": "/data/k"}]);
    assert_eq!(patched(c, patch).await, Value::Null);
}

async fn json_patch_copies_and_moves(c: &Context) {
    let patch = json!([
        {"op": "copy", "from": "/data/k", "path": "/data/copy"},
        {"op": "move", "from": "/data/k", "path": "/data/moved"},
    ]);
    assert_eq!(patched(c, patch).await, json!({"copy": "v", "moved": "v"}));
}

async fn json_patch_whose_test_holds_goes_on(c: &Context) {
    let patch = json!([
        {"op": "test", "path": "/data/k", "value": "v"},
        {"op": "replace", "path": "/data/k", "value": "w"},
    ]);
    assert_eq!(patched(c, patch).await, json!({"k": "w"}));
}

async fn json_patch_path_unescapes_slashes(c: &Context) {
    let patch = json!([{"op": "add", "path": "/metadata/annotations", "value": {"a/b": "c"}},
        {"op": "replace", "path": "/metadata/annotations/a~1b", "value": "d"}]);
    patched(c, patch).await;
    assert_eq!(
        c.read("configmaps/a").await["metadata"]["annotations"],
        json!({"a/b": "d"})
    );
}

async fn json_patch_whose_test_fails_is_refused_with_422(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!([{"op": "test", "path": "/data/k", "value": "w"}]);
    c.patch(Patch::Json, "configmaps/a", &patch).await.refused(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
    );
}

async fn json_patch_that_removes_what_is_missing_is_refused_with_422(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!([{"op": "remove", "path": "/data/x"}]);
    let details = c.patch(Patch::Json, "configmaps/a", &patch).await.refused(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
    );
    assert_eq!(details, json!({}));
}

async fn json_patch_replaces_also_a_key_that_is_missing(c: &Context) {
    let patch = json!([{"op": "replace", "path": "/data/x", "value": "w"}]);
    assert_eq!(patched(c, patch).await, json!({"k": "v", "x": "w"}));
}

async fn json_patch_that_fails_half_way_changes_nothing(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let patch = json!([
        {"op": "replace", "path": "/data/k", "value": "w"},
        {"op": "remove", "path": "/data/x"},
    ]);
    let _ = c.patch(Patch::Json, "configmaps/a", &patch).await.ok(422);
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn json_patch_that_is_no_list_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let answer = c
        .patch(Patch::Json, "configmaps/a", &json!({"op": "add"}))
        .await
        .ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn json_patch_with_an_unknown_operation_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!([{"op": "turn", "path": "/data/k"}]);
    let _ = c.patch(Patch::Json, "configmaps/a", &patch).await.ok(422);
}

async fn json_patch_that_makes_the_object_invalid_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!([{"op": "add", "path": "/data/k k", "value": "w"}]);
    let answer = c.patch(Patch::Json, "configmaps/a", &patch).await.ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "data[k k]");
}

async fn json_patch_appends_to_lists(c: &Context) {
    c.made("services", &service("a")).await;
    let patch = json!([{"op": "add", "path": "/spec/ports/-", "value": {"name": "b", "port": 81}}]);
    let changed = c.patch(Patch::Json, "services/a", &patch).await.ok(200);
    assert_eq!(changed["spec"]["ports"][1]["port"], 81);
}

async fn json_patch_without_effect_keeps_the_resource_version(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let same = c
        .patch(Patch::Json, "configmaps/a", &json!([]))
        .await
        .ok(200);
    assert_eq!(same, made);
}

async fn json_patch_of_the_name_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!([{"op": "replace", "path": "/metadata/name", "value": "b"}]);
    c.patch(Patch::Json, "configmaps/a", &patch).await.refused(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
}

async fn json_patch_of_a_missing_object_answers_404(c: &Context) {
    let answer = c.patch(Patch::Json, "configmaps/a", &json!([])).await;
    answer.refused(404, "NotFound", "configmaps \"a\" not found");
}
