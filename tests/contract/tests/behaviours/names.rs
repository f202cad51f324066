//! Names, generated names, labels, annotations: what may be written.

use metaparticle_contract::{Context, objects::*};
use serde_json::json;

/// The sentence for a name that is no DNS subdomain.
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

behaviours![
    name_with_a_capital_is_refused_with_its_rule,
    name_with_a_slash_is_refused,
    name_longer_than_253_characters_is_refused,
    name_is_needed,
    service_name_must_be_a_label,
    namespace_name_must_be_a_label,
    role_name_may_have_colons_and_capitals,
    generated_name_has_five_characters_after_the_prefix,
    generated_name_cuts_a_prefix_to_58_characters,
    generated_names_differ,
    name_wins_over_generate_name,
    name_from_a_bad_prefix_is_refused,
    uid_of_a_recreated_object_is_another,
    bad_label_key_is_refused,
    bad_label_value_is_refused,
    label_value_longer_than_63_characters_is_refused,
    annotations_beyond_256_kib_are_refused,
    owner_reference_without_a_uid_is_refused,
    two_controllers_of_one_object_are_refused,
    finalizer_without_a_domain_is_refused,
];

async fn name_with_a_capital_is_refused_with_its_rule(c: &Context) {
    let details = c.post("configmaps", &config_map("A")).await.refused(
        422,
        "Invalid",
        &format!("ConfigMap \"A\" is invalid: metadata.name: Invalid value: \"A\": {SUBDOMAIN}"),
    );
    assert_eq!(
        details,
        json!({"name": "A", "kind": "ConfigMap", "causes": [{
            "reason": "FieldValueInvalid", "field": "metadata.name",
            "message": format!("Invalid value: \"A\": {SUBDOMAIN}"),
        }]})
    );
}

async fn name_with_a_slash_is_refused(c: &Context) {
    let details = c.post("configmaps", &config_map("../a")).await;
    let details = details.ok(422)["details"].clone();
    assert_eq!(details["causes"][0]["field"], "metadata.name");
}

async fn name_longer_than_253_characters_is_refused(c: &Context) {
    c.made("configmaps", &config_map(&"a".repeat(253))).await;
    let answer = c
        .post("configmaps", &config_map(&"a".repeat(254)))
        .await
        .ok(422);
    assert_eq!(
        answer["details"]["causes"][0]["message"],
        format!(
            "Invalid value: \"{}\": must be no more than 253 characters",
            "a".repeat(254)
        )
    );
}

async fn name_is_needed(c: &Context) {
    c.post("configmaps", &json!({"metadata": {}})).await.refused(
        422,
        "Invalid",
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
    );
}

async fn service_name_must_be_a_label(c: &Context) {
    c.made("services", &service("1a")).await;
    let answer = c.post("services", &service("a.b")).await.ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "metadata.name");
}

async fn namespace_name_must_be_a_label(c: &Context) {
    let sent = json!({"metadata": {"name": "a.b"}});
    let answer = c.post("/api/v1/namespaces", &sent).await.ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "metadata.name");
}

async fn role_name_may_have_colons_and_capitals(c: &Context) {
    let role = json!({"metadata": {"name": "system:A_b"}, "rules": []});
    let made = c.made("roles", &role).await;
    assert_eq!(made["metadata"]["name"], "system:A_b");
}

async fn generated_name_has_five_characters_after_the_prefix(c: &Context) {
    let made = c
        .made("configmaps", &json!({"metadata": {"generateName": "a-"}}))
        .await;
    let name = text(&made["metadata"]["name"]);
    let end = name.strip_prefix("a-").expect("the prefix");
    assert!(
        end.len() == 5
            && end
                .chars()
                .all(|it| "bcdfghjklmnpqrstvwxz2456789".contains(it))
    );
    assert_eq!(made["metadata"]["generateName"], "a-");
}

async fn generated_name_cuts_a_prefix_to_58_characters(c: &Context) {
    let prefix = "a".repeat(80);
    let made = c
        .made("configmaps", &json!({"metadata": {"generateName": prefix}}))
        .await;
    let name = text(&made["metadata"]["name"]);
    assert!(
        name.len() == 63 && name.starts_with(&prefix[..58]),
        "{name}"
    );
}

async fn generated_names_differ(c: &Context) {
    for _ in 0..3 {
        c.made(
            "configmaps",
            &json!({"metadata": {"generateName": "a-", "labels": {"a": "a"}}}),
        )
        .await;
    }
    let mut names = c.names("configmaps?labelSelector=a").await;
    names.dedup();
    assert_eq!(names.len(), 3);
}

async fn name_wins_over_generate_name(c: &Context) {
    let made = c
        .made(
            "configmaps",
            &json!({"metadata": {"name": "a", "generateName": "b-"}}),
        )
        .await;
    assert_eq!(made["metadata"]["name"], "a");
    assert_eq!(made["metadata"]["generateName"], "b-");
}

async fn name_from_a_bad_prefix_is_refused(c: &Context) {
    let answer = c
        .post("configmaps", &json!({"metadata": {"generateName": "A-"}}))
        .await
        .ok(422);
    let causes = answer["details"]["causes"]
        .as_array()
        .expect("causes")
        .iter();
    let fields: Vec<_> = causes.map(|cause| text(&cause["field"])).collect();
    assert_eq!(fields, ["metadata.name"]);
}

async fn uid_of_a_recreated_object_is_another(c: &Context) {
    let first = c.made("configmaps", &config_map("a")).await;
    let _ = c.delete("configmaps/a").await.ok(200);
    let second = c.made("configmaps", &config_map("a")).await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert!(version(&second) > version(&first));
}

async fn bad_label_key_is_refused(c: &Context) {
    let sent = with(config_map("a"), "/metadata/labels", json!({"-a": "b"}));
    c.post("configmaps", &sent).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    );
}

async fn bad_label_value_is_refused(c: &Context) {
    let sent = with(config_map("a"), "/metadata/labels", json!({"a": "b c"}));
    c.post("configmaps", &sent).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    );
}

async fn label_value_longer_than_63_characters_is_refused(c: &Context) {
    let sent = with(
        config_map("a"),
        "/metadata/labels",
        json!({"a": "b".repeat(64)}),
    );
    let answer = c.post("configmaps", &sent).await.ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "metadata.labels");
    assert_eq!(
        answer["details"]["causes"][0]["message"],
        format!(
            "Invalid value: \"{}\": must be no more than 63 bytes",
            "b".repeat(64)
        )
    );
}

async fn annotations_beyond_256_kib_are_refused(c: &Context) {
    let fits = with(
        config_map("a"),
        "/metadata/annotations",
        json!({"a": "b".repeat(262_143)}),
    );
    c.made("configmaps", &fits).await;
    let over = with(
        config_map("b"),
        "/metadata/annotations",
        json!({"a": "b".repeat(262_144)}),
    );
    c.post("configmaps", &over).await.refused(
        422,
        "Invalid",
        "ConfigMap \"b\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes",
    );
}

async fn owner_reference_without_a_uid_is_refused(c: &Context) {
    let owners = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": ""}]);
    let sent = with(config_map("a"), "/metadata/ownerReferences", owners);
    c.post("configmaps", &sent).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
    );
}

async fn two_controllers_of_one_object_are_refused(c: &Context) {
    let owner = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "controller": true});
    let sent = with(
        config_map("a"),
        "/metadata/ownerReferences",
        json!([owner("x"), owner("y")]),
    );
    let answer = c.post("configmaps", &sent).await.ok(422);
    assert_eq!(
        answer["details"]["causes"][0]["message"],
        "Invalid value: [{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"x\",\"uid\":\"x\",\"controller\":true},{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"y\",\"uid\":\"y\",\"controller\":true}]: Only one reference can have Controller set to true. Found \"true\" in references for ConfigMap/x and ConfigMap/y"
    );
}

async fn finalizer_without_a_domain_is_refused(c: &Context) {
    let sent = with(config_map("a"), "/metadata/finalizers", json!(["mine"]));
    c.post("configmaps", &sent).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified",
    );
}
