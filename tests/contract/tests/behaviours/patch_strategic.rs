//! Strategic merge patches: by merge keys, with directives.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    strategic_patch_merges_containers_by_name,
    strategic_patch_puts_new_elements_first,
    strategic_patch_deletes_an_element_by_its_key,
    strategic_patch_replaces_a_list,
    strategic_patch_with_replace_in_the_only_element_leaves_an_empty_list,
    strategic_patch_orders_elements,
    strategic_patch_merges_environment_by_name,
    strategic_patch_replaces_atomic_lists,
    strategic_patch_removes_with_null,
    strategic_patch_retains_the_keys_of_a_volume_source,
    strategic_patch_retains_the_keys_of_a_strategy,
    strategic_patch_deletes_from_a_list_of_primitives,
    strategic_patch_adds_to_a_merged_list_of_primitives,
    strategic_patch_leaves_one_of_equal_primitives,
    strategic_patch_merges_service_ports_by_port,
    strategic_patch_merges_maps,
    strategic_patch_replaces_a_whole_map_by_directive,
    strategic_patch_without_a_merge_key_is_refused,
    strategic_patch_with_an_unknown_directive_is_refused,
    strategic_patch_merges_conditions_by_type,
    strategic_patch_without_effect_keeps_the_resource_version,
];

/// The Deployment `a` with the containers `app` and `side`, after a patch of its pod's spec.
async fn patched(c: &Context, patch: Value) -> Value {
    let two = json!([
        {"name": "app", "image": "app:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
         "ports": [{"containerPort": 80}], "args": ["x", "y"]},
        {"name": "side", "image": "side:1"},
    ]);
    let mut sent = with(deployment("a"), "/spec/template/spec/containers", two);
    sent["spec"]["template"]["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    c.made("deployments", &sent).await;
    let patch = json!({"spec": {"template": {"spec": patch}}});
    let changed = c
        .patch(Patch::Strategic, "deployments/a", &patch)
        .await
        .ok(200);
    changed["spec"]["template"]["spec"].clone()
}

fn names(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| text(&item["name"])).collect()
}

async fn strategic_patch_merges_containers_by_name(c: &Context) {
    let spec = patched(
        c,
        json!({"containers": [{"name": "side", "image": "side:2"}]}),
    )
    .await;
    assert_eq!(spec["containers"][0]["image"], "app:1");
    assert_eq!(spec["containers"][1]["image"], "side:2");
}

async fn strategic_patch_puts_new_elements_first(c: &Context) {
    let spec = patched(
        c,
        json!({"containers": [{"name": "new", "image": "new:1"}]}),
    )
    .await;
    assert_eq!(names(&spec["containers"]), ["new", "app", "side"]);
}

async fn strategic_patch_deletes_an_element_by_its_key(c: &Context) {
    let spec = patched(
        c,
        json!({"containers": [{"$patch": "delete", "name": "side"}]}),
    )
    .await;
    assert_eq!(names(&spec["containers"]), ["app"]);
}

async fn strategic_patch_replaces_a_list(c: &Context) {
    let patch = json!({"containers": [{"name": "only", "image": "only:1"}, {"$patch": "replace"}]});
    let spec = patched(c, patch).await;
    assert_eq!(names(&spec["containers"]), ["only"]);
}

async fn strategic_patch_with_replace_in_the_only_element_leaves_an_empty_list(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let containers = json!([{"name": "app", "$patch": "replace", "image": "other:1"}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    c.patch(Patch::Strategic, "deployments/a", &patch)
        .await
        .refused(
            422,
            "Invalid",
            "Deployment.apps \"a\" is invalid: spec.template.spec.containers: Required value",
        );
}

async fn strategic_patch_orders_elements(c: &Context) {
    let patch = json!({"$setElementOrder/containers": [{"name": "side"}, {"name": "app"}]});
    let spec = patched(c, patch).await;
    assert_eq!(names(&spec["containers"]), ["side", "app"]);
}

async fn strategic_patch_merges_environment_by_name(c: &Context) {
    let patch = json!({"containers": [{"name": "app", "env": [{"name": "B", "value": "3"}]}]});
    let spec = patched(c, patch).await;
    let env = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]);
    assert_eq!(spec["containers"][0]["env"], env);
}

async fn strategic_patch_replaces_atomic_lists(c: &Context) {
    let patch = json!({"containers": [{"name": "app", "args": ["z"]}]});
    let spec = patched(c, patch).await;
    assert_eq!(spec["containers"][0]["args"], json!(["z"]));
}

async fn strategic_patch_removes_with_null(c: &Context) {
    let patch = json!({"containers": [{"name": "app", "args": null}]});
    let spec = patched(c, patch).await;
    assert_eq!(spec["containers"][0]["args"], Value::Null);
}

async fn strategic_patch_retains_the_keys_of_a_volume_source(c: &Context) {
    let patch = json!({"volumes": [{"name": "tmp", "configMap": {"name": "x"}, "$retainKeys": ["name", "configMap"]}]});
    let spec = patched(c, patch).await;
    assert_eq!(spec["volumes"][0]["emptyDir"], Value::Null);
    assert_eq!(spec["volumes"][0]["configMap"]["name"], "x");
}

async fn strategic_patch_retains_the_keys_of_a_strategy(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let changed = c
        .patch(Patch::Strategic, "deployments/a", &patch)
        .await
        .ok(200);
    assert_eq!(changed["spec"]["strategy"], json!({"type": "Recreate"}));
}

async fn strategic_patch_deletes_from_a_list_of_primitives(c: &Context) {
    let sent = with(
        lease("a"),
        "/metadata/finalizers",
        json!(["a.b/x", "a.b/y"]),
    );
    c.made("leases", &sent).await;
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/x"]}});
    let changed = c.patch(Patch::Strategic, "leases/a", &patch).await.ok(200);
    assert_eq!(changed["metadata"]["finalizers"], json!(["a.b/y"]));
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
}

async fn strategic_patch_adds_to_a_merged_list_of_primitives(c: &Context) {
    c.made(
        "leases",
        &with(lease("a"), "/metadata/finalizers", json!(["a.b/x"])),
    )
    .await;
    let patch = json!({"metadata": {"finalizers": ["a.b/y", "a.b/x"]}});
    let changed = c.patch(Patch::Strategic, "leases/a", &patch).await.ok(200);
    let mut finalizers = changed["metadata"]["finalizers"]
        .as_array()
        .expect("a list")
        .clone();
    finalizers.sort_by_key(ToString::to_string);
    assert_eq!(finalizers, [json!("a.b/x"), json!("a.b/y")]);
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
}

async fn strategic_patch_leaves_one_of_equal_primitives(c: &Context) {
    let twice = json!(["a.b/x", "a.b/y", "a.b/x", "a.b/z"]);
    let sent = with(lease("a"), "/metadata/finalizers", twice.clone());
    let made = c.made("leases", &sent).await;
    assert_eq!(made["metadata"]["finalizers"], twice);
    let patch = json!({"metadata": {"finalizers": ["a.b/z"]}});
    let changed = c.patch(Patch::Strategic, "leases/a", &patch).await.ok(200);
    assert_eq!(
        changed["metadata"]["finalizers"],
        json!(["a.b/x", "a.b/y", "a.b/z"])
    );
    let patch = json!({"metadata": {"finalizers": null}});
    let _ = c.patch(Patch::Merge, "leases/a", &patch).await.ok(200);
}

async fn strategic_patch_merges_service_ports_by_port(c: &Context) {
    c.made("services", &service("a")).await;
    let patch =
        json!({"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81, "name": "admin"}]}});
    let changed = c
        .patch(Patch::Strategic, "services/a", &patch)
        .await
        .ok(200);
    let ports = changed["spec"]["ports"].as_array().expect("ports");
    assert_eq!(ports.len(), 2);
    assert!(
        ports
            .iter()
            .any(|port| port["port"] == 80 && port["name"] == "web")
    );
}

async fn strategic_patch_merges_maps(c: &Context) {
    c.made("leases", &labelled("a", &json!({"x": "y"}))).await;
    let patch = json!({"metadata": {"labels": {"z": "w"}}});
    let changed = c.patch(Patch::Strategic, "leases/a", &patch).await.ok(200);
    assert_eq!(changed["metadata"]["labels"], json!({"x": "y", "z": "w"}));
}

async fn strategic_patch_replaces_a_whole_map_by_directive(c: &Context) {
    c.made("leases", &labelled("a", &json!({"x": "y"}))).await;
    let patch = json!({"metadata": {"labels": {"$patch": "replace", "z": "w"}}});
    let changed = c.patch(Patch::Strategic, "leases/a", &patch).await.ok(200);
    assert_eq!(changed["metadata"]["labels"], json!({"z": "w"}));
}

async fn strategic_patch_without_a_merge_key_is_refused(c: &Context) {
    c.made("deployments", &deployment("a")).await;
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}});
    let answer = c.patch(Patch::Strategic, "deployments/a", &patch).await;
    answer.refused(
        500,
        "",
        "map: map[image:x] does not contain declared merge key: name",
    );
}

async fn strategic_patch_with_an_unknown_directive_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let patch = json!({"data": {"$patch": "turn"}});
    let _ = c
        .patch(Patch::Strategic, "configmaps/a", &patch)
        .await
        .ok(500);
}

async fn strategic_patch_merges_conditions_by_type(c: &Context) {
    c.made("pods", &pod("a")).await;
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let _ = c
        .patch(Patch::Strategic, "pods/a/status", &ready)
        .await
        .ok(200);
    let other = json!({"status": {"conditions": [{"type": "Other", "status": "True"}]}});
    let changed = c
        .patch(Patch::Strategic, "pods/a/status", &other)
        .await
        .ok(200);
    assert_eq!(
        changed["status"]["conditions"]
            .as_array()
            .expect("conditions")
            .len(),
        2
    );
}

async fn strategic_patch_without_effect_keeps_the_resource_version(c: &Context) {
    let made = c.made("cronjobs", &cron_job("a")).await;
    let patch = json!({"spec": {"suspend": true}});
    let same = c
        .patch(Patch::Strategic, "cronjobs/a", &patch)
        .await
        .ok(200);
    assert_eq!(same, made);
}
