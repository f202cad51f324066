//! Namespaces: being in one, and one's end.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    creation_in_a_missing_namespace_answers_404,
    list_in_a_missing_namespace_is_empty,
    namespace_has_the_label_of_its_name,
    namespace_begins_active_with_the_finalizer_of_its_contents,
    deletion_of_a_namespace_answers_with_it_terminating,
    creation_in_a_terminating_namespace_is_refused_with_403,
    objects_of_a_deleted_namespace_go_with_it,
    namespace_is_gone_when_it_is_empty,
    namespace_of_a_taken_name_is_refused,
    namespaces_are_not_deleted_as_a_collection,
    namespaces_are_selected_by_name_and_phase,
    default_namespace_is_there,
    objects_of_one_name_live_in_two_namespaces,
];

/// A second namespace of this behaviour, which it must delete itself.
async fn second(c: &Context) -> String {
    let made = c
        .made(
            "/api/v1/namespaces",
            &json!({"metadata": {"generateName": "contract-"}}),
        )
        .await;
    text(&made["metadata"]["name"])
}

async fn creation_in_a_missing_namespace_answers_404(c: &Context) {
    let path = "/api/v1/namespaces/no-such-namespace/configmaps";
    let details = c.post(path, &config_map("a")).await.refused(
        404,
        "NotFound",
        "namespaces \"no-such-namespace\" not found",
    );
    assert_eq!(
        details,
        json!({"name": "no-such-namespace", "kind": "namespaces"})
    );
}

async fn list_in_a_missing_namespace_is_empty(c: &Context) {
    let list = c
        .read("/api/v1/namespaces/no-such-namespace/configmaps")
        .await;
    assert_eq!(list["items"], json!([]));
}

async fn namespace_has_the_label_of_its_name(c: &Context) {
    let namespace = c.read(&format!("/api/v1/namespaces/{}", c.namespace)).await;
    assert_eq!(
        namespace["metadata"]["labels"],
        json!({"kubernetes.io/metadata.name": c.namespace})
    );
}

async fn namespace_begins_active_with_the_finalizer_of_its_contents(c: &Context) {
    let namespace = c.read(&format!("/api/v1/namespaces/{}", c.namespace)).await;
    assert_eq!(namespace["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(namespace["status"], json!({"phase": "Active"}));
}

async fn deletion_of_a_namespace_answers_with_it_terminating(c: &Context) {
    let name = second(c).await;
    let answer = c
        .delete(&format!("/api/v1/namespaces/{name}"))
        .await
        .ok(200);
    assert_eq!(answer["kind"], "Namespace");
    assert_eq!(answer["status"]["phase"], "Terminating");
    assert_ne!(answer["metadata"]["deletionTimestamp"], Value::Null);
}

async fn creation_in_a_terminating_namespace_is_refused_with_403(c: &Context) {
    let name = second(c).await;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{name}/leases");
    let held = with(lease("a"), "/metadata/finalizers", json!(["example.com/x"]));
    c.made(&path, &held).await;
    let _ = c
        .delete(&format!("/api/v1/namespaces/{name}"))
        .await
        .ok(200);
    let details = c.post(&path, &lease("b")).await.refused(
        403,
        "Forbidden",
        &format!("leases.coordination.k8s.io \"b\" is forbidden: unable to create new content in namespace {name} because it is being terminated"),
    );
    assert_eq!(
        details,
        json!({
            "name": "b", "group": "coordination.k8s.io", "kind": "leases",
            "causes": [{
                "reason": "NamespaceTerminating", "field": "metadata.namespace",
                "message": format!("namespace {name} is being terminated"),
            }],
        })
    );
    let release = json!({"metadata": {"finalizers": null}});
    let _ = c
        .patch(Patch::Merge, &format!("{path}/a"), &release)
        .await
        .ok(200);
}

async fn objects_of_a_deleted_namespace_go_with_it(c: &Context) {
    let name = second(c).await;
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{name}/leases");
    let made = c.made(&path, &lease("a")).await;
    let mut watch = c
        .watch(&format!(
            "{path}?watch=1&resourceVersion={}",
            version(&made)
        ))
        .await;
    let _ = c
        .delete(&format!("/api/v1/namespaces/{name}"))
        .await
        .ok(200);
    assert_eq!(watch.events(1).await, ["DELETED a"]);
}

async fn namespace_is_gone_when_it_is_empty(c: &Context) {
    let name = second(c).await;
    let path = format!("/api/v1/namespaces/{name}");
    let now = version(&c.read(&path).await);
    let selector = format!("/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3D{name}");
    let mut watch = c.watch(&format!("{selector}&resourceVersion={now}")).await;
    let _ = c.delete(&path).await.ok(200);
    while watch.event().await.0 != "DELETED" {}
    let _ = c.get(&path).await.ok(404);
}

async fn namespace_of_a_taken_name_is_refused(c: &Context) {
    let sent = json!({"metadata": {"name": c.namespace}});
    c.post("/api/v1/namespaces", &sent).await.refused(
        409,
        "AlreadyExists",
        "namespaces \"NS\" already exists",
    );
}

async fn namespaces_are_not_deleted_as_a_collection(c: &Context) {
    // Should a server do it all the same, then not to all.
    let path = format!(
        "/api/v1/namespaces?dryRun=All&fieldSelector=metadata.name%3D{}",
        c.namespace
    );
    c.delete(&path).await.refused(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    );
}

async fn namespaces_are_selected_by_name_and_phase(c: &Context) {
    let path = format!(
        "/api/v1/namespaces?fieldSelector=metadata.name%3D{},status.phase%3DActive",
        c.namespace
    );
    assert_eq!(c.names(&path).await, [c.namespace.as_str()]);
}

async fn default_namespace_is_there(c: &Context) {
    let namespace = c.read("/api/v1/namespaces/default").await;
    assert_eq!(namespace["status"]["phase"], "Active");
}

async fn objects_of_one_name_live_in_two_namespaces(c: &Context) {
    let name = second(c).await;
    c.made("configmaps", &config_map("a")).await;
    c.made(
        &format!("/api/v1/namespaces/{name}/configmaps"),
        &config_map("a"),
    )
    .await;
    let _ = c.delete("configmaps/a").await.ok(200);
    let _ = c
        .read(&format!("/api/v1/namespaces/{name}/configmaps/a"))
        .await;
    let _ = c
        .delete(&format!("/api/v1/namespaces/{name}"))
        .await
        .ok(200);
}
