//! What is done to pods and namespaces through parts of their own: `/binding`, `/eviction`, `/finalize`.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    dry_binding_binds_nothing,
    binding_names_a_node,
    binding_names_its_pod,
    binding_to_another_namespace_is_refused,
    binding_of_another_uid_is_a_conflict,
    binding_of_a_stale_version_is_a_conflict,
    binding_is_of_its_type,
    bound_pod_is_scheduled,
    binding_brings_labels_and_annotations,
    binding_of_a_missing_pod_is_not_found,
    dying_pod_is_not_bound,
    gated_pod_is_not_bound,
    binding_and_eviction_are_only_created,
    dry_eviction_evicts_nothing,
    eviction_has_options_of_a_deletion,
    eviction_names_its_pod,
    eviction_of_a_missing_pod_is_not_found,
    eviction_deletes_with_its_grace,
    finalizers_of_a_namespace_have_a_version,
    finalizers_of_a_namespace_are_of_their_type,
    finalizing_names_the_namespace,
    finalizing_writes_labels_and_no_status,
    finalizers_of_a_namespace_are_valid,
];

fn binding(pod: &str) -> Value {
    json!({"metadata": {"name": pod}, "target": {"kind": "Node", "name": "nowhere"}})
}

fn eviction(pod: &str, options: &Value) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}, "deleteOptions": options,
    })
}

async fn dry_binding_binds_nothing(c: &Context) {
    let made = c.made("pods", &pod("a")).await;
    let _ = c
        .post("pods/a/binding?dryRun=All", &binding("a"))
        .await
        .ok(201);
    assert_eq!(c.read("pods/a").await, made);
}

async fn binding_names_a_node(c: &Context) {
    c.made("pods", &pod("a")).await;
    let supported =
        "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\"";
    for (target, message) in [
        (json!({}), "target.name: Required value".to_owned()),
        (json!({"kind": "Pod", "name": "n"}), supported.to_owned()),
        (
            json!({"kind": "Pod"}),
            format!("[{supported}, target.name: Required value]"),
        ),
    ] {
        let sent = with(binding("a"), "/target", target);
        c.post("pods/a/binding", &sent)
            .await
            .refused(500, "", &message);
    }
}

async fn binding_names_its_pod(c: &Context) {
    c.made("pods", &pod("a")).await;
    for name in ["b", ""] {
        c.post("pods/a/binding", &binding(name)).await.refused(
            400,
            "BadRequest",
            "name in URL does not match name in Binding object",
        );
    }
}

async fn binding_to_another_namespace_is_refused(c: &Context) {
    let sent = with(binding("a"), "/metadata/namespace", "other");
    c.post("pods/a/binding", &sent).await.refused(
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    );
}

async fn binding_of_another_uid_is_a_conflict(c: &Context) {
    let made = c.made("pods", &pod("a")).await;
    let sent = with(binding("a"), "/metadata/uid", "x");
    let uid = made["metadata"]["uid"].as_str().expect("a uid");
    c.post("pods/a/binding", &sent).await.refused(
        409,
        "Conflict",
        &format!("Operation cannot be fulfilled on pods \"a\": StorageError: invalid object, Code: 4, Key: /registry/pods/NS/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta: {uid}"),
    );
}

async fn binding_of_a_stale_version_is_a_conflict(c: &Context) {
    let made = c.made("pods", &pod("a")).await;
    let sent = with(binding("a"), "/metadata/resourceVersion", "1");
    let version = made["metadata"]["resourceVersion"].as_str().expect("one");
    c.post("pods/a/binding", &sent).await.refused(
        409,
        "Conflict",
        &format!("Operation cannot be fulfilled on pods \"a\": StorageError: invalid object, Code: 4, Key: /registry/pods/NS/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: {version}"),
    );
}

async fn binding_is_of_its_type(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "target": "x"});
    c.post("pods/a/binding", &sent).await.refused(
        400,
        "BadRequest",
        "Binding in version \"v1\" cannot be handled as a Binding: json: cannot unmarshal string into Go struct field Binding.target of type v1.ObjectReference",
    );
    c.post("pods/a/binding", &pod("a")).await.refused(
        400,
        "BadRequest",
        "Pod in version \"v1\" cannot be handled as a Binding: converting (v1.Pod) to (core.Binding): unknown conversion",
    );
}

async fn bound_pod_is_scheduled(c: &Context) {
    c.made("pods", &pod("a")).await;
    let _ = c.post("pods/a/binding", &binding("a")).await.ok(201);
    let bound = c.read("pods/a").await;
    assert_eq!(bound["spec"]["nodeName"], "nowhere");
    let mut condition = bound["status"]["conditions"][0].clone();
    assert_ne!(condition["lastTransitionTime"].take(), Value::Null);
    assert_eq!(
        condition,
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": null})
    );
    c.post("pods/a/binding", &binding("a")).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"nowhere\"",
    );
}

async fn binding_brings_labels_and_annotations(c: &Context) {
    c.made("pods", &pod("a")).await;
    let sent = with(binding("a"), "/metadata/labels", json!({"l": "m"}));
    let sent = with(sent, "/metadata/annotations", json!({"x": "y"}));
    let _ = c.post("pods/a/binding", &sent).await.ok(201);
    let bound = c.read("pods/a").await;
    assert_eq!(bound["metadata"]["labels"], json!({"l": "m"}));
    assert_eq!(bound["metadata"]["annotations"], json!({"x": "y"}));
    assert_eq!(bound["metadata"]["generation"], 1);
}

async fn binding_of_a_missing_pod_is_not_found(c: &Context) {
    c.post("pods/a/binding", &binding("a"))
        .await
        .refused(404, "NotFound", "pods \"a\" not found");
}

async fn dying_pod_is_not_bound(c: &Context) {
    let held = with(pod("a"), "/metadata/finalizers", json!(["example.com/x"]));
    c.made("pods", &held).await;
    let _ = c.delete("pods/a").await.ok(200);
    c.post("pods/a/binding", &binding("a")).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods/binding \"a\": pod a is being deleted, cannot be assigned to a host",
    );
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, "pods/a", &patch).await.ok(200);
}

async fn gated_pod_is_not_bound(c: &Context) {
    let gates = json!([{"name": "example.com/gate"}]);
    c.made("pods", &with(pod("a"), "/spec/schedulingGates", gates))
        .await;
    c.post("pods/a/binding", &binding("a")).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods/binding \"a\": pod a has non-empty .spec.schedulingGates",
    );
}

async fn binding_and_eviction_are_only_created(c: &Context) {
    for part in ["binding", "eviction"] {
        let _ = c.get(&format!("pods/a/{part}")).await.ok(405);
    }
    let finalize = format!("/api/v1/namespaces/{}/finalize", c.namespace);
    let _ = c.get(&finalize).await.ok(405);
}

async fn dry_eviction_evicts_nothing(c: &Context) {
    let made = c.made("pods", &pod("a")).await;
    for (path, options) in [
        ("pods/a/eviction?dryRun=All", json!({})),
        ("pods/a/eviction", json!({"dryRun": ["All"]})),
    ] {
        let _ = c.post(path, &eviction("a", &options)).await.ok(201);
        assert_eq!(c.read("pods/a").await, made);
    }
}

async fn eviction_has_options_of_a_deletion(c: &Context) {
    c.made("pods", &pod("a")).await;
    let send = async |options: Value| c.post("pods/a/eviction", &eviction("a", &options)).await;
    send(json!({"dryRun": ["x"]})).await.refused(
        422,
        "Invalid",
        "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"x\"]: supported values: \"All\"",
    );
    send(json!({"gracePeriodSeconds": "x"})).await.refused(
        400,
        "BadRequest",
        "Eviction in version \"v1\" cannot be handled as a Eviction: json: cannot unmarshal string into Go struct field DeleteOptions.deleteOptions.gracePeriodSeconds of type int64",
    );
    let _ = c.read("pods/a").await;
}

async fn eviction_names_its_pod(c: &Context) {
    c.made("pods", &pod("a")).await;
    for name in ["b", ""] {
        c.post("pods/a/eviction", &eviction(name, &json!({})))
            .await
            .refused(
                400,
                "BadRequest",
                "name in URL does not match name in Eviction object",
            );
    }
}

async fn eviction_of_a_missing_pod_is_not_found(c: &Context) {
    let options = json!({"dryRun": ["x"]});
    c.post("pods/a/eviction", &eviction("a", &options))
        .await
        .refused(404, "NotFound", "pods \"a\" not found");
}

async fn eviction_deletes_with_its_grace(c: &Context) {
    c.made("pods", &with(pod("a"), "/spec/nodeName", "nowhere"))
        .await;
    let options = json!({"gracePeriodSeconds": 7});
    let _ = c
        .post("pods/a/eviction", &eviction("a", &options))
        .await
        .ok(201);
    let left = c.read("pods/a").await;
    assert_eq!(left["metadata"]["deletionGracePeriodSeconds"], 7);
}

fn finalize(c: &Context) -> String {
    format!("/api/v1/namespaces/{}/finalize", c.namespace)
}

fn namespace(c: &Context) -> Value {
    json!({"metadata": {"name": c.namespace}, "spec": {"finalizers": ["kubernetes"]}})
}

async fn finalizers_of_a_namespace_have_a_version(c: &Context) {
    let stale = with(namespace(c), "/metadata/resourceVersion", "1");
    c.put(&finalize(c), &stale).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on namespaces \"NS\": the object has been modified; please apply your changes to the latest version and try again",
    );
}

async fn finalizers_of_a_namespace_are_of_their_type(c: &Context) {
    let sent = with(namespace(c), "/spec", "x");
    c.put(&finalize(c), &sent).await.refused(
        400,
        "BadRequest",
        "Namespace in version \"v1\" cannot be handled as a Namespace: json: cannot unmarshal string into Go struct field Namespace.spec of type v1.NamespaceSpec",
    );
}

async fn finalizing_names_the_namespace(c: &Context) {
    let sent = with(namespace(c), "/metadata/name", "other");
    c.put(&finalize(c), &sent).await.refused(
        400,
        "BadRequest",
        "the name of the object (other) does not match the name on the URL (NS)",
    );
}

async fn finalizing_writes_labels_and_no_status(c: &Context) {
    let sent = with(namespace(c), "/metadata/labels", json!({"a": "b"}));
    let sent = with(sent, "/status", json!({"phase": "Terminating"}));
    let sent = with(
        sent,
        "/spec/finalizers",
        json!(["kubernetes", "example.com/x"]),
    );
    let done = c.put(&finalize(c), &sent).await.ok(200);
    assert_eq!(done["metadata"]["labels"]["a"], "b");
    assert_eq!(done["status"]["phase"], "Active");
    assert_eq!(
        done["spec"]["finalizers"],
        json!(["kubernetes", "example.com/x"])
    );
    let done = c.put(&finalize(c), &namespace(c)).await.ok(200);
    assert_eq!(done["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(done["metadata"]["labels"]["a"], Value::Null);
}

async fn finalizers_of_a_namespace_are_valid(c: &Context) {
    let sent = with(namespace(c), "/spec/finalizers", json!(["bad finalizer"]));
    c.put(&finalize(c), &sent).await.refused(
        422,
        "Invalid",
        "Namespace \"NS\" is invalid: [spec.finalizers[0]: Invalid value: \"bad finalizer\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), spec.finalizers[0]: Invalid value: \"bad finalizer\": name is neither a standard finalizer name nor is it fully qualified]",
    );
}
