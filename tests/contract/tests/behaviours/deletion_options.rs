//! What a deletion is told: options and their mistakes, pages, grace once more.

use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    collection_is_not_deleted_with_another_uid,
    collection_is_not_deleted_with_another_version,
    collection_is_deleted_in_pages,
    uid_of_a_condition_is_a_text,
    empty_conditions_hold_for_nothing,
    grace_period_is_a_number,
    body_that_is_no_json_is_refused,
    body_that_is_null_says_nothing,
    body_of_another_media_type_is_refused,
    mistakes_in_options_are_told_together,
    propagation_is_said_in_one_way,
    empty_propagation_is_refused,
    conditions_can_be_in_the_query,
    query_does_not_count_where_there_is_a_body,
    some_namespaces_stay,
    namespace_has_its_own_words_for_a_condition,
    grace_is_changed_only_by_those_who_name_it,
    shorter_grace_counts_from_the_first_request,
    end_of_a_dying_pod_does_not_shorten_its_grace,
    negative_grace_of_a_pod_is_one_second,
    propagation_of_a_dying_pod_stays,
];

async fn collection_is_not_deleted_with_another_uid(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let options = json!({"preconditions": {"uid": "x"}});
    let uid = made["metadata"]["uid"].as_str().expect("a uid");
    c.delete_with("leases", &options).await.refused(
        409,
        "Conflict",
        &format!(
            "Operation cannot be fulfilled on Lease.coordination.k8s.io \"a\": the UID in the precondition (x) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        ),
    );
    assert_eq!(c.names("leases").await, ["a", "b"]);
}

async fn collection_is_not_deleted_with_another_version(c: &Context) {
    c.made("leases", &lease("a")).await;
    let options = json!({"preconditions": {"resourceVersion": "1"}});
    let _ = c.delete_with("leases", &options).await.ok(409);
    assert_eq!(c.names("leases").await, ["a"]);
}

async fn collection_is_deleted_in_pages(c: &Context) {
    for name in ["a", "b", "c"] {
        c.made("leases", &lease(name)).await;
    }
    let page = c.delete("leases?limit=2").await.ok(200);
    let deleted: Vec<&Value> = page["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|it| &it["metadata"]["name"])
        .collect();
    assert_eq!(deleted, ["a", "b"]);
    assert_eq!(page["metadata"]["remainingItemCount"], 1);
    assert_eq!(c.names("leases").await, ["c"]);
    let token = page["metadata"]["continue"].as_str().expect("a token");
    let page = c
        .delete(&format!("leases?limit=2&continue={token}"))
        .await
        .ok(200);
    assert_eq!(page["items"][0]["metadata"]["name"], "c");
    assert_eq!(c.names("leases").await, [""; 0]);
}

async fn uid_of_a_condition_is_a_text(c: &Context) {
    let options = json!({"preconditions": {"uid": 5}});
    c.delete_with("configmaps/a", &options).await.refused(
        400,
        "BadRequest",
        "json: cannot unmarshal number into Go struct field Preconditions.preconditions.uid of type types.UID",
    );
}

async fn empty_conditions_hold_for_nothing(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    for field in ["uid", "resourceVersion"] {
        let options = json!({"preconditions": {field: ""}});
        let _ = c.delete_with("configmaps/a", &options).await.ok(409);
    }
}

async fn grace_period_is_a_number(c: &Context) {
    for (given, said) in [(json!("x"), "string"), (json!(1.5), "number 1.5")] {
        let options = json!({"gracePeriodSeconds": given});
        c.delete_with("configmaps/a", &options).await.refused(
            400,
            "BadRequest",
            &format!("json: cannot unmarshal {said} into Go struct field DeleteOptions.gracePeriodSeconds of type int64"),
        );
    }
}

async fn body_that_is_no_json_is_refused(c: &Context) {
    let headers = [("content-type", "application/json")];
    let send = async |body: &str| {
        c.send(http::Method::DELETE, "configmaps/a", &headers, body)
            .await
    };
    send("{").await.refused(
        400,
        "BadRequest",
        "couldn't get version/kind; json parse error: unexpected end of JSON input",
    );
    send("[]").await.refused(
        400,
        "BadRequest",
        "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }",
    );
}

async fn body_that_is_null_says_nothing(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c.delete_with("configmaps/a", &Value::Null).await.ok(200);
    let _ = c.get("configmaps/a").await.ok(404);
}

async fn body_of_another_media_type_is_refused(c: &Context) {
    let headers = [("content-type", "text/plain")];
    let answer = c
        .send(http::Method::DELETE, "configmaps/a", &headers, "{}")
        .await;
    let _ = answer.ok(415);
}

async fn mistakes_in_options_are_told_together(c: &Context) {
    let options = json!({"dryRun": ["x"], "propagationPolicy": "x"});
    c.delete_with("configmaps/a", &options).await.refused(
        422,
        "Invalid",
        "DeleteOptions.meta.k8s.io \"\" is invalid: [propagationPolicy: Unsupported value: \"x\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\", dryRun: Unsupported value: [\"x\"]: supported values: \"All\"]",
    );
}

async fn propagation_is_said_in_one_way(c: &Context) {
    let options = json!({"propagationPolicy": "Orphan", "orphanDependents": true});
    let message = "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set";
    c.delete_with("configmaps/a", &options)
        .await
        .refused(422, "Invalid", message);
    c.delete("configmaps/a?orphanDependents=true&propagationPolicy=Orphan")
        .await
        .refused(422, "Invalid", message);
}

async fn empty_propagation_is_refused(c: &Context) {
    let message = "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
    let options = json!({"propagationPolicy": ""});
    c.delete_with("configmaps/a", &options)
        .await
        .refused(422, "Invalid", message);
    c.delete("configmaps/a?propagationPolicy=")
        .await
        .refused(422, "Invalid", message);
}

async fn conditions_can_be_in_the_query(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c.delete("configmaps/a?uid=x").await.ok(409);
    let _ = c.delete("configmaps/a?resourceVersion=7").await.ok(409);
    let _ = c.read("configmaps/a").await;
}

async fn query_does_not_count_where_there_is_a_body(c: &Context) {
    c.made("configmaps", &config_map("a")).await;
    let _ = c
        .delete_with("configmaps/a?uid=x&dryRun=All", &json!({}))
        .await
        .ok(200);
    let _ = c.get("configmaps/a").await.ok(404);
}

async fn some_namespaces_stay(c: &Context) {
    for name in ["default", "kube-system", "kube-public"] {
        c.delete(&format!("/api/v1/namespaces/{name}?dryRun=All"))
            .await
            .refused(
                403,
                "Forbidden",
                &format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted"),
            );
    }
}

async fn namespace_has_its_own_words_for_a_condition(c: &Context) {
    let path = format!("/api/v1/namespaces/{}", c.namespace);
    let uid = c.read(&path).await["metadata"]["uid"].clone();
    let options = json!({"preconditions": {"uid": "x"}});
    c.delete_with(&path, &options).await.refused(
        409,
        "Conflict",
        &format!(
            "Operation cannot be fulfilled on namespaces \"NS\": Precondition failed: UID in precondition: x, UID in object meta: {}",
            uid.as_str().expect("a uid")
        ),
    );
}

/// A pod on a node that is not there.
async fn placed(c: &Context, name: &str) {
    c.made("pods", &with(pod(name), "/spec/nodeName", "nowhere"))
        .await;
}

async fn dying(c: &Context, name: &str, options: &Value) -> Value {
    let path = format!("pods/{name}");
    c.delete_with(&path, options).await.ok(200)["metadata"].clone()
}

async fn grace_is_changed_only_by_those_who_name_it(c: &Context) {
    placed(c, "a").await;
    let first = dying(c, "a", &json!({"gracePeriodSeconds": 90})).await;
    let second = dying(c, "a", &json!({})).await;
    assert_eq!(first, second);
    assert_eq!(second["deletionGracePeriodSeconds"], 90);
    let _ = dying(c, "a", &json!({"gracePeriodSeconds": 0})).await;
}

async fn shorter_grace_counts_from_the_first_request(c: &Context) {
    placed(c, "a").await;
    let first = dying(c, "a", &json!({"gracePeriodSeconds": 90})).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let second = dying(c, "a", &json!({"gracePeriodSeconds": 50})).await;
    let time = |it: &Value| {
        let text = it["deletionTimestamp"].as_str().expect("a time");
        text.parse::<k8s_openapi::jiff::Timestamp>()
            .expect("a time")
    };
    assert_eq!(time(&first).as_second() - time(&second).as_second(), 40);
    let _ = dying(c, "a", &json!({"gracePeriodSeconds": 0})).await;
    let _ = c.get("pods/a").await.ok(404);
}

async fn end_of_a_dying_pod_does_not_shorten_its_grace(c: &Context) {
    placed(c, "a").await;
    let _ = dying(c, "a", &json!({"gracePeriodSeconds": 90})).await;
    let ended = json!({"status": {"phase": "Succeeded"}});
    let patch = metaparticle_contract::Patch::Merge;
    let _ = c.patch(patch, "pods/a/status", &ended).await.ok(200);
    let left = dying(c, "a", &json!({})).await;
    assert_eq!(left["deletionGracePeriodSeconds"], 90);
    let left = dying(c, "a", &json!({"gracePeriodSeconds": 20})).await;
    assert_eq!(left["deletionGracePeriodSeconds"], 20);
    let _ = dying(c, "a", &json!({"gracePeriodSeconds": 0})).await;
}

async fn negative_grace_of_a_pod_is_one_second(c: &Context) {
    let short = with(pod("a"), "/spec/terminationGracePeriodSeconds", -5);
    c.made("pods", &with(short, "/spec/nodeName", "nowhere"))
        .await;
    let left = c.delete("pods/a").await.ok(200);
    assert_eq!(left["metadata"]["deletionGracePeriodSeconds"], 1);
}

async fn propagation_of_a_dying_pod_stays(c: &Context) {
    placed(c, "a").await;
    let first = dying(c, "a", &json!({})).await;
    let second = dying(c, "a", &json!({"propagationPolicy": "Foreground"})).await;
    assert_eq!(first, second);
}
