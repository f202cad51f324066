//! `dryRun=All`: the answer of the request, without its effect.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    dry_creation_answers_201_and_creates_nothing,
    dry_creation_of_a_taken_name_is_refused,
    dry_creation_is_validated,
    dry_update_changes_nothing,
    dry_update_with_a_stale_version_is_refused,
    dry_patches_of_all_kinds_change_nothing,
    dry_apply_of_a_missing_object_answers_201_and_creates_nothing,
    dry_deletion_deletes_nothing,
    dry_run_in_the_body_of_a_deletion_counts,
    dry_deletion_of_a_collection_deletes_nothing,
    dry_run_with_another_word_is_refused,
    dry_run_is_not_told_to_watches,
    no_verb_leaves_a_trace_of_a_rehearsal,
];

async fn dry_creation_answers_201_and_creates_nothing(c: &Context) {
    let made = c
        .post("configmaps?dryRun=All", &config_map("a"))
        .await
        .ok(201);
    assert_eq!(made["data"], json!({"k": "v"}));
    assert_ne!(made["metadata"]["uid"], Value::Null);
    assert_eq!(made["metadata"]["resourceVersion"], Value::Null);
    let _ = c.get("configmaps/a").await.ok(404);
}

async fn dry_creation_of_a_taken_name_is_refused(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c
        .post("configmaps?dryRun=All", &config_map("a"))
        .await
        .ok(409);
}

async fn dry_creation_is_validated(c: &Context) {
    let _ = c
        .post("configmaps?dryRun=All", &config_map("A"))
        .await
        .ok(422);
}

async fn dry_update_changes_nothing(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let sent = with(made.clone(), "/data/k", "w");
    let changed = c.put("configmaps/a?dryRun=All", &sent).await.ok(200);
    assert_eq!(changed["data"]["k"], "w");
    assert_eq!(
        changed["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn dry_update_with_a_stale_version_is_refused(c: &Context) {
    let old = c.made("configmaps", &config_map("a")).await;
    let _ = c
        .put("configmaps/a", &with(old.clone(), "/data/k", "w"))
        .await
        .ok(200);
    let _ = c
        .put("configmaps/a?dryRun=All", &with(old, "/data/k", "x"))
        .await
        .ok(409);
}

async fn dry_patches_of_all_kinds_change_nothing(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let merge = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"n": "w"}});
    let json = json!([{"op": "add", "path": "/data/n", "value": "w"}]);
    for (kind, patch) in [
        (Patch::Json, &json),
        (Patch::Merge, &merge),
        (Patch::Strategic, &merge),
        (Patch::Apply, &merge),
    ] {
        let path = "configmaps/a?dryRun=All&fieldManager=x";
        let changed = c.patch(kind, path, patch).await.ok(200);
        assert_eq!(changed["data"]["n"], "w", "{kind:?}");
        assert_eq!(c.read("configmaps/a").await, made, "{kind:?}");
    }
}

async fn dry_apply_of_a_missing_object_answers_201_and_creates_nothing(c: &Context) {
    let _ = c
        .patch(
            Patch::Apply,
            "configmaps/a?dryRun=All&fieldManager=x",
            &config_map("a"),
        )
        .await
        .ok(201);
    let _ = c.get("configmaps/a").await.ok(404);
}

async fn dry_deletion_deletes_nothing(c: &Context) {
    let made = c.made("configmaps", &config_map("a")).await;
    let answer = c.delete("configmaps/a?dryRun=All").await.ok(200);
    assert_eq!(answer["status"], "Success");
    assert_eq!(c.read("configmaps/a").await, made);
}

async fn dry_run_in_the_body_of_a_deletion_counts(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c
        .delete_with("configmaps/a", &json!({"dryRun": ["All"]}))
        .await
        .ok(200);
    let _ = c.read("configmaps/a").await;
}

async fn dry_deletion_of_a_collection_deletes_nothing(c: &Context) {
    c.made("leases", &lease("a")).await;
    let _ = c.delete("leases?dryRun=All").await.ok(200);
    assert_eq!(c.names("leases").await, ["a"]);
}

async fn dry_run_with_another_word_is_refused(c: &Context) {
    c.post("configmaps?dryRun=Some", &config_map("a")).await.refused(
        422,
        "Invalid",
        "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
    );
}

async fn dry_run_is_not_told_to_watches(c: &Context) {
    let start = version(&c.read("leases").await);
    let _ = c.post("leases?dryRun=All", &lease("a")).await.ok(201);
    c.made("leases", &lease("b")).await;
    let mut watch = c
        .watch(&format!("leases?watch=1&resourceVersion={start}"))
        .await;
    assert_eq!(watch.events(1).await, ["ADDED b"]);
}

async fn no_verb_leaves_a_trace_of_a_rehearsal(c: &Context) {
    let placed = with(pod("b"), "/spec/nodeName", "nowhere");
    c.made("pods", &pod("a")).await;
    c.made("pods", &placed).await;
    c.made("deployments", &deployment("a")).await;
    c.made("services", &service("a")).await;
    let parts = ["pods", "deployments", "services", "configmaps"];
    let all = async || {
        let mut all = Vec::new();
        for part in parts {
            let list = c.read(part).await;
            for item in list["items"].as_array().into_iter().flatten() {
                let metadata = &item["metadata"];
                if metadata["name"] == "kube-root-ca.crt" {
                    continue; // a controller of the real one makes it in its own time
                }
                let what = ["name", "labels", "deletionTimestamp"].map(|it| metadata[it].clone());
                all.push((part, what, item["spec"].clone()));
            }
        }
        all
    };
    let before = all().await;
    let dry = "dryRun=All&fieldManager=x";
    let binding = json!({"metadata": {"name": "a"}, "target": {"name": "nowhere"}});
    let eviction = json!({"metadata": {"name": "b"}});
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    let status = json!({"status": {"phase": "Running"}});
    let scale = json!({"spec": {"replicas": 2}});
    let json_patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}]);
    let whole = with(service("a"), "/metadata/labels", json!({"x": "y"}));
    let answers = [
        c.post(&format!("configmaps?{dry}"), &config_map("n")).await,
        c.put(&format!("services/a?{dry}"), &whole).await,
        c.put(&format!("services/n?{dry}"), &service("n")).await,
        c.patch(Patch::Json, &format!("pods/a?{dry}"), &json_patch)
            .await,
        c.patch(Patch::Merge, &format!("pods/a?{dry}"), &labels)
            .await,
        c.patch(Patch::Strategic, &format!("pods/a?{dry}"), &labels)
            .await,
        c.patch(
            Patch::Apply,
            &format!("configmaps/n?{dry}"),
            &config_map("n"),
        )
        .await,
        c.patch(Patch::Merge, &format!("pods/a/status?{dry}"), &status)
            .await,
        c.patch(Patch::Merge, &format!("deployments/a/scale?{dry}"), &scale)
            .await,
        c.post(&format!("pods/a/binding?{dry}"), &binding).await,
        c.post(&format!("pods/b/eviction?{dry}"), &eviction).await,
        c.delete(&format!("pods/b?{dry}")).await,
        c.delete(&format!("pods?{dry}")).await,
        c.delete(&format!("deployments/a?{dry}")).await,
    ];
    for answer in answers {
        assert!(answer.status < 300, "{} {}", answer.status, answer.text());
    }
    assert_eq!(all().await, before);
}
