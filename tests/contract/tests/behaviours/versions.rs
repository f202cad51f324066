//! `resourceVersion` and `resourceVersionMatch` of reads.

use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    list_carries_the_version_of_the_last_write_or_a_later_one,
    exact_lists_what_was_there_then,
    exact_in_pages_stays_at_that_version,
    not_older_than_lists_the_present_or_at_least_that_version,
    a_version_without_match_lists_at_least_that_version,
    get_at_a_version_answers_with_that_or_a_later_one,
    match_without_a_version_is_refused,
    exact_0_is_refused,
    an_unknown_match_is_refused,
    match_with_a_token_is_refused,
    a_version_that_is_no_number_is_refused,
    a_future_version_is_answered_with_504_and_a_cause,
    an_exact_version_before_compaction_is_answered_with_410,
    a_list_of_one_kind_carries_the_version_of_writes_to_others,
    versions_rise_over_all_kinds,
    a_deletion_raises_the_version,
];

async fn list_carries_the_version_of_the_last_write_or_a_later_one(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let list = c.read("leases").await;
    assert!(version(&list) >= version(&made));
}

async fn exact_lists_what_was_there_then(c: &Context) {
    let first = c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    let _ = c.delete("leases/a").await.ok(200);
    let path = format!(
        "leases?resourceVersion={}&resourceVersionMatch=Exact",
        version(&first)
    );
    let list = c.read(&path).await;
    assert_eq!(c.names(&path).await, ["a"]);
    assert_eq!(version(&list), version(&first));
}

async fn exact_in_pages_stays_at_that_version(c: &Context) {
    c.made("leases", &lease("a")).await;
    let second = c.made("leases", &lease("b")).await;
    c.made("leases", &lease("a1")).await;
    let path = format!(
        "leases?limit=1&resourceVersion={}&resourceVersionMatch=Exact",
        version(&second)
    );
    let page = c.read(&path).await;
    let token = text(&page["metadata"]["continue"]).replace('=', "%3D");
    assert_eq!(
        c.names(&format!("leases?limit=1&continue={token}")).await,
        ["b"]
    );
}

async fn not_older_than_lists_the_present_or_at_least_that_version(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let path = format!(
        "leases?resourceVersion={}&resourceVersionMatch=NotOlderThan",
        version(&made)
    );
    assert!(version(&c.read(&path).await) >= version(&made));
    assert_eq!(c.names(&path).await, ["a"]);
}

async fn a_version_without_match_lists_at_least_that_version(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let path = format!("leases?resourceVersion={}", version(&made));
    assert_eq!(c.names(&path).await, ["a"]);
}

async fn get_at_a_version_answers_with_that_or_a_later_one(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let path = format!("leases/a?resourceVersion={}", version(&made));
    assert_eq!(c.read(&path).await, made);
}

async fn match_without_a_version_is_refused(c: &Context) {
    let details = c.get("leases?resourceVersionMatch=Exact").await.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    );
    assert_eq!(details["group"], "meta.k8s.io");
    assert_eq!(details["kind"], "ListOptions");
    assert_eq!(details["causes"][0]["field"], "resourceVersionMatch");
}

async fn exact_0_is_refused(c: &Context) {
    c.get("leases?resourceVersion=0&resourceVersionMatch=Exact").await.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
    );
}

async fn an_unknown_match_is_refused(c: &Context) {
    c.get("leases?resourceVersion=1&resourceVersionMatch=Roughly").await.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Unsupported value: \"Roughly\": supported values: \"Exact\", \"NotOlderThan\", \"\"",
    );
}

async fn match_with_a_token_is_refused(c: &Context) {
    let answer = c
        .get("leases?resourceVersionMatch=Exact&continue=abc&resourceVersion=5")
        .await
        .ok(422);
    assert_eq!(
        answer["details"]["causes"][0]["field"],
        "resourceVersionMatch"
    );
}

async fn a_version_that_is_no_number_is_refused(c: &Context) {
    let answer = c.get("leases?resourceVersion=abc").await.ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn a_future_version_is_answered_with_504_and_a_cause(c: &Context) {
    let answer = c
        .get("leases?resourceVersion=999999999&resourceVersionMatch=NotOlderThan")
        .await;
    let status = answer.ok(504);
    assert_eq!(status["reason"], "Timeout");
    assert_eq!(
        status["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
    assert_eq!(status["details"]["retryAfterSeconds"], 1);
}

async fn an_exact_version_before_compaction_is_answered_with_410(c: &Context) {
    let answer = c
        .get("leases?resourceVersion=1&resourceVersionMatch=Exact")
        .await;
    answer.refused(
        410,
        "Expired",
        "The resourceVersion for the provided list is too old.",
    );
}

async fn a_list_of_one_kind_carries_the_version_of_writes_to_others(c: &Context) {
    c.made("leases", &lease("a")).await;
    let other = c.made("configmaps", &config_map("a")).await;
    assert!(version(&c.read("leases").await) >= version(&other));
}

async fn versions_rise_over_all_kinds(c: &Context) {
    let mut last = 0;
    for (path, object) in [
        ("leases", lease("a")),
        ("configmaps", config_map("a")),
        ("secrets", secret("a")),
        ("services", service("a")),
        ("deployments", deployment("a")),
    ] {
        let made = version(&c.made(path, &object).await);
        assert!(made > last, "{path}");
        last = made;
    }
}

async fn a_deletion_raises_the_version(c: &Context) {
    let made = c.made("leases", &lease("a")).await;
    let _ = c.delete("leases/a").await.ok(200);
    let list = c.read("leases").await;
    assert!(version(&list) > version(&made));
    assert_eq!(list["items"], json!([]));
    assert_eq!(list["metadata"]["continue"], Value::Null);
}
