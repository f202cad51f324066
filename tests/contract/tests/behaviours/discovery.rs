//! What the server says of itself: groups, resources, version, health.

use metaparticle_contract::Context;
use serde_json::{Value, json};

behaviours![
    core_versions_are_listed,
    groups_are_listed_with_their_preferred_version,
    one_group_can_be_asked_for,
    resources_of_a_version_are_listed,
    sub_resources_are_listed_with_their_kinds,
    core_resources_say_whether_they_live_in_namespaces,
    aggregated_discovery_tells_all_groups_at_once,
    aggregated_discovery_nests_sub_resources,
    aggregated_discovery_of_the_core_group_has_no_name,
    version_names_major_and_minor,
    readiness_and_health_are_ok,
    unknown_group_is_not_found,
    unknown_version_of_a_group_is_not_found,
    unknown_kind_is_not_found_with_a_status,
    unknown_path_is_not_found_as_text,
    unknown_sub_resource_is_not_found,
    namespaced_kind_without_its_namespace_is_not_found_by_name,
];

/// Asks for discovery of all groups at once.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The entry with this name.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut items = list.as_array().into_iter().flatten();
    items
        .find(|it| it["name"] == name || it["resource"] == name || it["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("{name} in {list}"))
}

async fn core_versions_are_listed(c: &Context) {
    let answer = c.read("/api").await;
    assert_eq!(
        (&answer["kind"], &answer["versions"]),
        (&json!("APIVersions"), &json!(["v1"]))
    );
}

async fn groups_are_listed_with_their_preferred_version(c: &Context) {
    let answer = c.read("/apis").await;
    assert_eq!(
        (&answer["kind"], &answer["apiVersion"]),
        (&json!("APIGroupList"), &json!("v1"))
    );
    assert_eq!(
        named(&answer["groups"], "apps"),
        &json!({
            "name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"},
        })
    );
    for group in [
        "batch",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
    ] {
        let _ = named(&answer["groups"], group);
    }
}

async fn one_group_can_be_asked_for(c: &Context) {
    let answer = c.read("/apis/apps").await;
    assert_eq!(
        (&answer["kind"], &answer["name"]),
        (&json!("APIGroup"), &json!("apps"))
    );
}

async fn resources_of_a_version_are_listed(c: &Context) {
    let answer = c.read("/apis/apps/v1").await;
    assert_eq!(answer["kind"], "APIResourceList");
    assert_eq!(answer["groupVersion"], "apps/v1");
    let mut deployments = named(&answer["resources"], "deployments").clone();
    deployments
        .as_object_mut()
        .expect("an object")
        .remove("storageVersionHash");
    assert_eq!(
        deployments,
        json!({
            "name": "deployments", "singularName": "deployment", "namespaced": true, "kind": "Deployment",
            "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "shortNames": ["deploy"], "categories": ["all"],
        })
    );
}

async fn sub_resources_are_listed_with_their_kinds(c: &Context) {
    let answer = c.read("/apis/apps/v1").await;
    let scale = named(&answer["resources"], "deployments/scale");
    assert_eq!(
        (&scale["kind"], &scale["group"], &scale["version"]),
        (&json!("Scale"), &json!("autoscaling"), &json!("v1"))
    );
    let status = named(&answer["resources"], "deployments/status");
    assert_eq!(status["verbs"], json!(["get", "patch", "update"]));
}

async fn core_resources_say_whether_they_live_in_namespaces(c: &Context) {
    let answer = c.read("/api/v1").await;
    assert_eq!(named(&answer["resources"], "pods")["namespaced"], true);
    assert_eq!(named(&answer["resources"], "nodes")["namespaced"], false);
    assert_eq!(
        named(&answer["resources"], "namespaces")["shortNames"],
        json!(["ns"])
    );
}

async fn aggregated_discovery_tells_all_groups_at_once(c: &Context) {
    let answer = c.get_as("/apis", AGGREGATED).await;
    let list = answer.ok(200);
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (
            &json!("APIGroupDiscoveryList"),
            &json!("apidiscovery.k8s.io/v2")
        )
    );
    assert!(
        answer
            .header("content-type")
            .contains("as=APIGroupDiscoveryList")
    );
    let version = &named(&list["items"], "apps")["versions"][0];
    assert_eq!(version["version"], "v1");
    let deployments = named(&version["resources"], "deployments");
    assert_eq!(
        deployments["responseKind"],
        json!({"group": "", "version": "", "kind": "Deployment"})
    );
    assert_eq!(
        (&deployments["scope"], &deployments["singularResource"]),
        (&json!("Namespaced"), &json!("deployment"))
    );
}

async fn aggregated_discovery_nests_sub_resources(c: &Context) {
    let list = c.get_as("/apis", AGGREGATED).await.ok(200);
    let version = &named(&list["items"], "apps")["versions"][0];
    let inner = &named(&version["resources"], "deployments")["subresources"];
    let names: Vec<_> = inner
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["subresource"])
        .collect();
    assert_eq!(names, [&json!("scale"), &json!("status")]);
}

async fn aggregated_discovery_of_the_core_group_has_no_name(c: &Context) {
    let list = c.get_as("/api", AGGREGATED).await.ok(200);
    assert_eq!(list["items"][0]["metadata"]["name"], Value::Null);
    let pods = named(&list["items"][0]["versions"][0]["resources"], "pods");
    assert_eq!(pods["responseKind"]["kind"], "Pod");
    assert_eq!(pods["shortNames"], json!(["po"]));
}

async fn version_names_major_and_minor(c: &Context) {
    let version = c.read("/version").await;
    assert_eq!(version["major"], "1");
    assert_eq!(version["minor"], "36");
    assert!(
        version["gitVersion"]
            .as_str()
            .expect("text")
            .starts_with("v1.36.")
    );
}

async fn readiness_and_health_are_ok(c: &Context) {
    for path in ["/readyz", "/livez", "/healthz"] {
        let answer = c.get(path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "ok"),
            "{path}"
        );
        assert!(
            answer.header("content-type").starts_with("text/plain"),
            "{path}"
        );
    }
}

async fn unknown_group_is_not_found(c: &Context) {
    let answer = c.get("/apis/example.com").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "404 page not found\n")
    );
}

async fn unknown_version_of_a_group_is_not_found(c: &Context) {
    let answer = c.get("/apis/apps/v9").await;
    answer.refused(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
}

async fn unknown_kind_is_not_found_with_a_status(c: &Context) {
    for path in ["nonsenses", "nonsenses/a", "/apis/apps/v1/nonsenses"] {
        let answer = c.get(path).await;
        answer.refused(
            404,
            "NotFound",
            "the server could not find the requested resource",
        );
    }
}

async fn unknown_path_is_not_found_as_text(c: &Context) {
    let answer = c.get("/nonsense").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (404, "404 page not found\n")
    );
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

async fn unknown_sub_resource_is_not_found(c: &Context) {
    let answer = c.get("configmaps/a/nonsense").await;
    answer.refused(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
}

async fn namespaced_kind_without_its_namespace_is_not_found_by_name(c: &Context) {
    let answer = c.get("/api/v1/configmaps/a").await;
    answer.refused(
        404,
        "NotFound",
        "the server could not find the requested resource",
    );
}
