//! Create, read, replace and list: what comes back, and with which status.

use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    create_answers_201_with_the_stored_object,
    create_fills_in_namespace_uid_time_and_resource_version,
    create_of_a_taken_name_is_refused_with_409_already_exists,
    create_ignores_uid_time_and_deletion_of_the_client,
    create_with_a_resource_version_is_refused,
    create_drops_the_status_of_a_kind_with_a_status_sub_resource,
    create_drops_empty_labels_and_null_fields,
    create_without_api_version_and_kind_is_understood_from_the_path,
    create_of_another_kind_than_the_path_says_is_refused,
    create_in_another_namespace_than_the_path_says_is_refused,
    created_deployment_has_generation_1_and_a_config_map_has_none,
    generation_rises_with_the_spec_and_not_with_labels,
    read_of_a_missing_object_answers_404_with_kind_and_name,
    update_answers_200_and_raises_the_resource_version,
    update_without_change_keeps_the_resource_version,
    update_replaces_labels_that_are_left_out,
    update_without_uid_and_time_keeps_those_that_are_stored,
    update_cannot_change_the_creation_time,
    update_drops_a_change_of_the_status,
    update_with_another_name_than_the_path_is_refused,
    update_without_a_name_is_refused,
    update_of_a_missing_config_map_answers_404,
    update_of_a_missing_lease_creates_it_with_201,
    list_is_in_the_order_of_names,
    list_names_its_kind_and_its_items_do_not,
    list_of_nothing_has_an_empty_array,
    list_over_all_namespaces_finds_the_object,
    list_over_all_namespaces_is_in_the_order_of_namespaces_and_names,
    create_over_all_namespaces_is_not_allowed,
    cluster_wide_objects_have_no_namespace,
];

async fn create_answers_201_with_the_stored_object(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    assert_eq!(made["data"], json!({"k": "v"}));
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn create_fills_in_namespace_uid_time_and_resource_version(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let metadata = &made["metadata"];
    assert_eq!(metadata["namespace"], c.namespace);
    assert_eq!(metadata["uid"].as_str().expect("text").len(), 36);
    let time = metadata["creationTimestamp"].as_str().expect("text");
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
    let version: u64 = text(&metadata["resourceVersion"])
        .parse()
        .expect("a number");
    assert!(version > 0);
    let fields: Vec<_> = metadata.as_object().expect("an object").keys().collect();
    assert_eq!(
        fields,
        [
            "creationTimestamp",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "uid"
        ]
    );
}

async fn create_of_a_taken_name_is_refused_with_409_already_exists(c: &Context) {
    c.made("leases", &lease("a")).await;
    let details = c.post("leases", &lease("a")).await.refused(
        409,
        "AlreadyExists",
        "leases.coordination.k8s.io \"a\" already exists",
    );
    assert_eq!(
        details,
        json!({"name": "a", "group": "coordination.k8s.io", "kind": "leases"})
    );
}

async fn create_ignores_uid_time_and_deletion_of_the_client(c: &Context) {
    let mut sent = config_map("a");
    sent["metadata"]["uid"] = "mine".into();
    sent["metadata"]["creationTimestamp"] = "2001-01-01T00:00:00Z".into();
    sent["metadata"]["deletionTimestamp"] = "2001-01-01T00:00:00Z".into();
    sent["metadata"]["deletionGracePeriodSeconds"] = 5.into();
    sent["metadata"]["selfLink"] = "/mine".into();
    let made = c.made("configmaps", &sent).await;
    let metadata = &made["metadata"];
    assert_ne!(metadata["uid"], "mine");
    assert_ne!(metadata["creationTimestamp"], "2001-01-01T00:00:00Z");
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ] {
        assert_eq!(metadata[field], Value::Null, "{field}");
    }
}

async fn create_with_a_resource_version_is_refused(c: &Context) {
    let sent = with(config_map("a"), "/metadata/resourceVersion", "5");
    let answer = c.post("configmaps", &sent).await;
    answer.refused(
        500,
        "",
        "resourceVersion should not be set on objects to be created",
    );
}

async fn create_drops_the_status_of_a_kind_with_a_status_sub_resource(c: &Context) {
    let sent = with(deployment("a"), "/status", json!({"readyReplicas": 3}));
    let made = c.made("deployments", &sent).await;
    assert_eq!(made["status"], json!({}));
}

async fn create_drops_empty_labels_and_null_fields(c: &Context) {
    let mut sent = config_map("a");
    sent["metadata"]["labels"] = json!({});
    sent["metadata"]["annotations"] = Value::Null;
    sent["data"] = json!({});
    let made = c.made("configmaps", &sent).await;
    assert_eq!(made["metadata"]["labels"], Value::Null);
    assert_eq!(made["metadata"]["annotations"], Value::Null);
    assert_eq!(made["data"], Value::Null);
}

async fn create_without_api_version_and_kind_is_understood_from_the_path(c: &Context) {
    let made = c
        .made("configmaps", &json!({"metadata": {"name": "a"}}))
        .await;
    assert_eq!(
        (&made["apiVersion"], &made["kind"]),
        (&json!("v1"), &json!("ConfigMap"))
    );
}

async fn create_of_another_kind_than_the_path_says_is_refused(c: &Context) {
    let answer = c.post("configmaps", &secret("a")).await;
    answer.refused(
        400,
        "BadRequest",
        "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion",
    );
}

async fn create_in_another_namespace_than_the_path_says_is_refused(c: &Context) {
    let sent = with(config_map("a"), "/metadata/namespace", "default");
    c.post("configmaps", &sent).await.refused(
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    );
}

async fn created_deployment_has_generation_1_and_a_config_map_has_none(c: &Context) {
    let made = c.made("deployments", &deployment("a")).await;
    assert_eq!(made["metadata"]["generation"], 1);
    let made = c.made("configmaps", &config_map("a")).await;
    assert_eq!(made["metadata"]["generation"], Value::Null);
}

async fn generation_rises_with_the_spec_and_not_with_labels(c: &Context) {
    let made = c.made("cronjobs", &cron_job("a")).await;
    let labelled = with(made, "/metadata/labels", json!({"a": "b"}));
    let labelled = c.put("cronjobs/a", &labelled).await.ok(200);
    assert_eq!(labelled["metadata"]["generation"], 1);
    let changed = with(labelled, "/spec/schedule", "1 0 * * *");
    let changed = c.put("cronjobs/a", &changed).await.ok(200);
    assert_eq!(changed["metadata"]["generation"], 2);
}

async fn read_of_a_missing_object_answers_404_with_kind_and_name(c: &Context) {
    let answer = c.get("deployments/a").await;
    let details = answer.refused(404, "NotFound", "deployments.apps \"a\" not found");
    assert_eq!(
        details,
        json!({"name": "a", "group": "apps", "kind": "deployments"})
    );
    let answer = c.get("configmaps/a").await;
    let details = answer.refused(404, "NotFound", "configmaps \"a\" not found");
    assert_eq!(details, json!({"name": "a", "kind": "configmaps"}));
}

async fn update_answers_200_and_raises_the_resource_version(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let changed = c
        .put("configmaps/a", &with(made.clone(), "/data/k", "w"))
        .await
        .ok(200);
    assert_eq!(changed["data"]["k"], "w");
    assert!(version(&changed) > version(&made));
}

async fn update_without_change_keeps_the_resource_version(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let same = c.put("configmaps/a", &made).await.ok(200);
    assert_eq!(same, made);
}

async fn update_replaces_labels_that_are_left_out(c: &Context) {
    let sent = with(config_map("a"), "/metadata/labels", json!({"a": "b"}));
    c.made("configmaps", &sent).await;
    let changed = c.put("configmaps/a", &config_map("a")).await.ok(200);
    assert_eq!(changed["metadata"]["labels"], Value::Null);
}

async fn update_without_uid_and_time_keeps_those_that_are_stored(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let sent = with(config_map("a"), "/data/k", "w");
    let changed = c.put("configmaps/a", &sent).await.ok(200);
    for field in ["uid", "creationTimestamp"] {
        assert_eq!(
            changed["metadata"][field], made["metadata"][field],
            "{field}"
        );
    }
}

async fn update_cannot_change_the_creation_time(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let sent = with(
        made.clone(),
        "/metadata/creationTimestamp",
        "2001-01-01T00:00:00Z",
    );
    let changed = c.put("configmaps/a", &sent).await.ok(200);
    assert_eq!(
        changed["metadata"]["creationTimestamp"],
        made["metadata"]["creationTimestamp"]
    );
}

async fn update_drops_a_change_of_the_status(c: &Context) {
    let made = c.made("cronjobs", &cron_job("a")).await;
    let sent = with(
        made.clone(),
        "/status/lastScheduleTime",
        "2001-01-01T00:00:00Z",
    );
    let changed = c.put("cronjobs/a", &sent).await.ok(200);
    assert_eq!(changed["status"], json!({}));
}

async fn update_with_another_name_than_the_path_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    c.put("configmaps/a", &config_map("b")).await.refused(
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    );
}

async fn update_without_a_name_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    c.put("configmaps/a", &json!({"data": {}})).await.refused(
        400,
        "BadRequest",
        "the name of the object (a based on URL) was undeterminable: name must be provided",
    );
}

async fn update_of_a_missing_config_map_answers_404(c: &Context) {
    let answer = c.put("configmaps/a", &config_map("a")).await;
    answer.refused(404, "NotFound", "configmaps \"a\" not found");
}

async fn update_of_a_missing_lease_creates_it_with_201(c: &Context) {
    let made = c.put("leases/a", &lease("a")).await.ok(201);
    assert_eq!(c.read("leases/a").await, made);
}

async fn list_is_in_the_order_of_names(c: &Context) {
    for name in ["b", "a-2", "a.1", "a", "a0"] {
        c.made("leases", &lease(name)).await;
    }
    assert_eq!(c.names("leases").await, ["a", "a-2", "a.1", "a0", "b"]);
}

async fn list_names_its_kind_and_its_items_do_not(c: &Context) {
    c.made("leases", &lease("a")).await;
    let list = c.read("leases").await;
    assert_eq!(list["kind"], "LeaseList");
    assert_eq!(list["apiVersion"], "coordination.k8s.io/v1");
    assert!(
        text(&list["metadata"]["resourceVersion"])
            .parse::<u64>()
            .is_ok()
    );
    assert_eq!(list["items"][0]["kind"], Value::Null);
    assert_eq!(list["items"][0]["apiVersion"], Value::Null);
}

async fn list_of_nothing_has_an_empty_array(c: &Context) {
    let list = c.read("leases").await;
    assert_eq!(list["items"], json!([]));
    assert_eq!(
        list["metadata"]
            .as_object()
            .expect("an object")
            .keys()
            .collect::<Vec<_>>(),
        ["resourceVersion"]
    );
}

async fn list_over_all_namespaces_finds_the_object(c: &Context) {
    c.made("leases", &lease("a")).await;
    let path = format!(
        "/apis/coordination.k8s.io/v1/leases?fieldSelector=metadata.namespace={}",
        c.namespace
    );
    assert_eq!(c.names(&path).await, ["a"]);
}

async fn list_over_all_namespaces_is_in_the_order_of_namespaces_and_names(c: &Context) {
    c.made("leases", &lease("b")).await;
    c.made("leases", &lease("a")).await;
    let list = c.read("/apis/coordination.k8s.io/v1/leases").await;
    let keys: Vec<_> = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| {
            let metadata = &item["metadata"];
            format!(
                "{}/{}",
                text(&metadata["namespace"]),
                text(&metadata["name"])
            )
        })
        .collect();
    let mut sorted = keys.clone();
    sorted.sort();
    assert!(keys.len() >= 2 && keys == sorted, "{keys:?}");
}

async fn create_over_all_namespaces_is_not_allowed(c: &Context) {
    c.post("/api/v1/configmaps", &config_map("a"))
        .await
        .refused(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
}

async fn cluster_wide_objects_have_no_namespace(c: &Context) {
    let path = format!("/api/v1/namespaces/{}", c.namespace);
    let namespace = c.read(&path).await;
    assert_eq!(namespace["metadata"]["namespace"], Value::Null);
}
