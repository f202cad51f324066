//! Server-side apply: creating, owning, conflicts, giving up.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    apply_of_a_missing_object_creates_it_with_201,
    apply_of_an_object_that_is_there_answers_200,
    apply_again_keeps_the_resource_version_and_the_time,
    apply_records_what_its_manager_owns,
    apply_without_a_manager_is_refused,
    apply_of_a_field_of_another_manager_is_refused_with_409_conflict,
    apply_names_all_conflicts,
    apply_conflicts_with_several_managers_are_grouped,
    apply_conflict_with_an_update_names_its_version,
    conflicting_apply_changes_nothing,
    forced_apply_takes_the_field_away,
    manager_that_loses_all_fields_is_no_longer_listed,
    applying_the_same_value_shares_the_field_in_an_entry_without_time,
    shared_field_stays_until_its_last_owner_drops_it,
    changing_a_shared_field_is_a_conflict,
    field_that_its_manager_drops_is_removed,
    field_that_an_update_set_survives_an_apply_without_it,
    update_takes_a_changed_field_from_its_applier,
    update_of_the_same_value_takes_nothing,
    removing_a_field_by_update_takes_it_from_its_applier,
    update_and_apply_of_one_manager_are_two_entries,
    apply_with_a_stale_resource_version_is_refused_with_409_conflict,
    apply_with_a_resource_version_creates_all_the_same,
    apply_with_a_uid_does_not_create,
    apply_with_managed_fields_is_refused,
    apply_without_kind_is_refused,
    apply_of_another_name_is_refused,
    apply_of_an_unknown_field_is_refused,
    apply_understands_yaml,
    apply_of_null_is_an_owned_removal,
    managed_fields_are_cleared_by_an_empty_entry,
];

fn config(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

/// `manager operation fields` of each entry, in order.
fn owners(object: &Value) -> Vec<(String, String, Value)> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    entries
        .map(|it| {
            (
                text(&it["manager"]),
                text(&it["operation"]),
                it["fieldsV1"].clone(),
            )
        })
        .collect()
}

async fn apply_of_a_missing_object_creates_it_with_201(c: &Context) {
    let made = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn apply_of_an_object_that_is_there_answers_200(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let changed = c
        .apply("one", "configmaps/a", &config(&json!({"k": "w"})))
        .await
        .ok(200);
    assert_eq!(changed["data"], json!({"k": "w"}));
}

async fn apply_again_keeps_the_resource_version_and_the_time(c: &Context) {
    let made = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let same = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(200);
    assert_eq!(same, made);
}

async fn apply_records_what_its_manager_owns(c: &Context) {
    let made = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let mut entry = made["metadata"]["managedFields"][0].clone();
    assert_eq!(entry["time"].take(), made["metadata"]["creationTimestamp"]);
    assert_eq!(
        entry,
        json!({
            "manager": "one", "operation": "Apply", "apiVersion": "v1", "time": null,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:k": {}}},
        })
    );
}

async fn apply_without_a_manager_is_refused(c: &Context) {
    c.patch(Patch::Apply, "configmaps/a", &config(&json!({}))).await.refused(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
    );
}

async fn apply_of_a_field_of_another_manager_is_refused_with_409_conflict(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let details = c
        .apply("two", "configmaps/a", &config(&json!({"k": "w"})))
        .await
        .refused(
            409,
            "Conflict",
            "Apply failed with 1 conflict: conflict with \"one\": .data.k",
        );
    assert_eq!(
        details,
        json!({"causes": [{
            "reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.k",
        }]})
    );
}

async fn apply_names_all_conflicts(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v", "l": "v"})))
        .await
        .ok(201);
    let answer = c
        .apply("two", "configmaps/a", &config(&json!({"k": "w", "l": "w"})))
        .await;
    answer.refused(
        409,
        "Conflict",
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\n- .data.l",
    );
}

async fn apply_conflicts_with_several_managers_are_grouped(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let _ = c
        .apply("two", "configmaps/a", &config(&json!({"l": "v"})))
        .await
        .ok(200);
    let answer = c
        .apply(
            "three",
            "configmaps/a",
            &config(&json!({"k": "w", "l": "w"})),
        )
        .await;
    answer.refused(
        409,
        "Conflict",
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.k\nconflicts with \"two\":\n- .data.l",
    );
}

async fn apply_conflict_with_an_update_names_its_version(c: &Context) {
    let _ = c
        .post("configmaps?fieldManager=one", &config_map("a"))
        .await
        .ok(201);
    c.apply("two", "configmaps/a", &config(&json!({"k": "w"})))
        .await
        .refused(
            409,
            "Conflict",
            "Apply failed with 1 conflict: conflict with \"one\" using v1: .data.k",
        );
}

async fn conflicting_apply_changes_nothing(c: &Context) {
    let made = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let sent = config(&json!({"k": "w", "n": "x"}));
    let _ = c.apply("two", "configmaps/a", &sent).await.ok(409);
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn forced_apply_takes_the_field_away(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v", "l": "v"})))
        .await
        .ok(201);
    let path = "configmaps/a?fieldManager=two&force=true";
    let changed = c
        .patch(Patch::Apply, path, &config(&json!({"k": "w"})))
        .await
        .ok(200);
    assert_eq!(changed["data"], json!({"k": "w", "l": "v"}));
    assert_eq!(
        owners(&changed),
        [
            ("one".into(), "Apply".into(), json!({"f:data": {"f:l": {}}})),
            ("two".into(), "Apply".into(), json!({"f:data": {"f:k": {}}})),
        ]
    );
}

async fn manager_that_loses_all_fields_is_no_longer_listed(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let path = "configmaps/a?fieldManager=two&force=true";
    let changed = c
        .patch(Patch::Apply, path, &config(&json!({"k": "w"})))
        .await
        .ok(200);
    let names: Vec<_> = owners(&changed).into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["two"]);
}

async fn applying_the_same_value_shares_the_field_in_an_entry_without_time(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let changed = c
        .apply("two", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(200);
    let fields = json!({"f:data": {"f:k": {}}});
    assert_eq!(
        owners(&changed),
        [
            ("two".into(), "Apply".into(), fields.clone()),
            ("one".into(), "Apply".into(), fields)
        ]
    );
    let entries = &changed["metadata"]["managedFields"];
    assert_eq!(entries[0]["time"], Value::Null);
    assert_eq!(entries[1]["time"], changed["metadata"]["creationTimestamp"]);
}

async fn shared_field_stays_until_its_last_owner_drops_it(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let _ = c
        .apply("two", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(200);
    let changed = c
        .apply("one", "configmaps/a", &config(&json!({})))
        .await
        .ok(200);
    assert_eq!(changed["data"], json!({"k": "v"}));
    let changed = c
        .apply("two", "configmaps/a", &config(&json!({})))
        .await
        .ok(200);
    assert_eq!(changed["data"], Value::Null);
}

async fn changing_a_shared_field_is_a_conflict(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let _ = c
        .apply("two", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(200);
    let answer = c
        .apply("one", "configmaps/a", &config(&json!({"k": "w"})))
        .await;
    answer.refused(
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"two\": .data.k",
    );
}

async fn field_that_its_manager_drops_is_removed(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v", "l": "v"})))
        .await
        .ok(201);
    let changed = c
        .apply("one", "configmaps/a", &config(&json!({"l": "v"})))
        .await
        .ok(200);
    assert_eq!(changed["data"], json!({"l": "v"}));
}

async fn field_that_an_update_set_survives_an_apply_without_it(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let patch = json!({"data": {"n": "x"}});
    let _ = c.patch(Patch::Merge, "configmaps/a", &patch).await.ok(200);
    let changed = c
        .apply("one", "configmaps/a", &config(&json!({})))
        .await
        .ok(200);
    assert_eq!(changed["data"], json!({"n": "x"}));
}

async fn update_takes_a_changed_field_from_its_applier(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v", "l": "v"})))
        .await
        .ok(201);
    let path = "configmaps/a?fieldManager=two";
    let changed = c
        .patch(Patch::Merge, path, &json!({"data": {"k": "w"}}))
        .await
        .ok(200);
    assert_eq!(
        owners(&changed),
        [
            ("one".into(), "Apply".into(), json!({"f:data": {"f:l": {}}})),
            (
                "two".into(),
                "Update".into(),
                json!({"f:data": {"f:k": {}}})
            ),
        ]
    );
}

async fn update_of_the_same_value_takes_nothing(c: &Context) {
    let made = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let path = "configmaps/a?fieldManager=two";
    let same = c
        .patch(Patch::Merge, path, &json!({"data": {"k": "v"}}))
        .await
        .ok(200);
    assert_eq!(same, made);
}

async fn removing_a_field_by_update_takes_it_from_its_applier(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v", "l": "v"})))
        .await
        .ok(201);
    let path = "configmaps/a?fieldManager=two";
    let changed = c
        .patch(Patch::Merge, path, &json!({"data": {"k": null}}))
        .await
        .ok(200);
    assert_eq!(
        owners(&changed),
        [("one".into(), "Apply".into(), json!({"f:data": {"f:l": {}}}))]
    );
}

async fn update_and_apply_of_one_manager_are_two_entries(c: &Context) {
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let path = "configmaps/a?fieldManager=one";
    let changed = c
        .patch(Patch::Merge, path, &json!({"data": {"n": "x"}}))
        .await
        .ok(200);
    let operations: Vec<_> = owners(&changed).into_iter().map(|it| it.1).collect();
    assert_eq!(operations, ["Apply", "Update"]);
}

async fn apply_with_a_stale_resource_version_is_refused_with_409_conflict(c: &Context) {
    let old = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    let _ = c
        .apply("one", "configmaps/a", &config(&json!({"k": "w"})))
        .await
        .ok(200);
    let mut sent = config(&json!({"k": "x"}));
    sent["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
    c.apply("one", "configmaps/a", &sent).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again",
    );
}

async fn apply_with_a_resource_version_creates_all_the_same(c: &Context) {
    let sent = with(config(&json!({"k": "v"})), "/metadata/resourceVersion", "5");
    let status = c.apply("one", "configmaps/a", &sent).await.status;
    assert_eq!(status, 201);
}

async fn apply_with_a_uid_does_not_create(c: &Context) {
    let sent = with(config(&json!({"k": "v"})), "/metadata/uid", "x");
    let status = c.apply("one", "configmaps/a", &sent).await;
    assert_eq!(
        (status.status, status.json()["reason"].clone()),
        (409, "Conflict".into())
    );
}

async fn apply_with_managed_fields_is_refused(c: &Context) {
    let made = c
        .apply("one", "configmaps/a", &config(&json!({"k": "v"})))
        .await
        .ok(201);
    c.apply("one", "configmaps/a", &made).await.refused(
        400,
        "BadRequest",
        "metadata.managedFields must be nil",
    );
}

async fn apply_without_kind_is_refused(c: &Context) {
    let answer = c
        .apply("one", "configmaps/a", &json!({"metadata": {"name": "a"}}))
        .await;
    assert_eq!(
        (answer.status, answer.json()["reason"].clone()),
        (400, "BadRequest".into())
    );
}

async fn apply_of_another_name_is_refused(c: &Context) {
    c.apply("one", "configmaps/b", &config(&json!({})))
        .await
        .refused(
            400,
            "BadRequest",
            "the name of the object (a) does not match the name on the URL (b)",
        );
}

async fn apply_of_an_unknown_field_is_refused(c: &Context) {
    let sent = with(config(&json!({})), "/nonsense", "x");
    let answer = c.apply("one", "configmaps/a", &sent).await;
    answer.refused(
        500,
        "",
        "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .nonsense: field not declared in schema",
    );
}

async fn apply_understands_yaml(c: &Context) {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";
    let headers = [("content-type", Patch::Apply.media_type())];
    let path = "configmaps/a?fieldManager=one";
    let made = c
        .send(http::Method::PATCH, path, &headers, yaml)
        .await
        .ok(201);
    assert_eq!(made["data"], json!({"k": "v"}));
}

async fn apply_of_null_is_an_owned_removal(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let sent = config(&Value::Null);
    let path = "configmaps/a?fieldManager=one&force=true";
    let changed = c.patch(Patch::Apply, path, &sent).await;
    assert_eq!(changed.status, 200);
}

async fn managed_fields_are_cleared_by_an_empty_entry(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!({"metadata": {"managedFields": [{}]}});
    let changed = c.patch(Patch::Merge, "configmaps/a", &patch).await.ok(200);
    assert_eq!(changed["metadata"]["managedFields"], Value::Null);
}
