//! Lists in pages: limit, continue, and what a page says about the rest.

use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    five_leases,
    a_page_has_at_most_limit_items_and_a_token,
    remaining_item_count_is_what_is_left,
    remaining_item_count_is_left_out_with_a_selector,
    pages_go_on_to_the_end_and_the_last_has_no_token,
    a_limit_that_all_fit_into_gives_no_token,
    limit_0_means_no_limit,
    pages_are_of_one_moment,
    pages_with_a_selector_skip_what_is_not_selected,
    a_page_without_a_limit_is_the_rest,
    a_token_of_nonsense_is_refused,
    a_token_with_a_resource_version_is_refused,
    a_limit_that_is_no_number_is_refused,
    resource_version_0_with_a_limit_is_served_whole,
];

async fn five_leases(c: &Context) {
    for name in ["a", "b", "c", "d", "e"] {
        c.made("leases", &labelled(name, &json!({"x": "y"}))).await;
    }
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items.map(|item| text(&item["metadata"]["name"])).collect()
}

/// The token for the next page, as it stands in a query.
fn token(list: &Value) -> String {
    text(&list["metadata"]["continue"])
        .replace('=', "%3D")
        .replace('+', "%2B")
}

async fn a_page_has_at_most_limit_items_and_a_token(c: &Context) {
    five_leases(c).await;
    let page = c.read("leases?limit=2").await;
    assert_eq!(names(&page), ["a", "b"]);
    assert!(!token(&page).is_empty());
}

async fn remaining_item_count_is_what_is_left(c: &Context) {
    five_leases(c).await;
    let page = c.read("leases?limit=2").await;
    assert_eq!(page["metadata"]["remainingItemCount"], 3);
    let page = c
        .read(&format!("leases?limit=2&continue={}", token(&page)))
        .await;
    assert_eq!(page["metadata"]["remainingItemCount"], 1);
}

async fn remaining_item_count_is_left_out_with_a_selector(c: &Context) {
    five_leases(c).await;
    let page = c.read("leases?limit=2&labelSelector=x%3Dy").await;
    assert_eq!(names(&page), ["a", "b"]);
    assert_eq!(page["metadata"]["remainingItemCount"], Value::Null);
    assert!(!token(&page).is_empty());
}

async fn pages_go_on_to_the_end_and_the_last_has_no_token(c: &Context) {
    five_leases(c).await;
    let (mut all, mut path) = (Vec::new(), "leases?limit=2".to_owned());
    loop {
        let page = c.read(&path).await;
        all.extend(names(&page));
        if token(&page).is_empty() {
            assert_eq!(page["metadata"]["remainingItemCount"], Value::Null);
            break;
        }
        path = format!("leases?limit=2&continue={}", token(&page));
    }
    assert_eq!(all, ["a", "b", "c", "d", "e"]);
}

async fn a_limit_that_all_fit_into_gives_no_token(c: &Context) {
    five_leases(c).await;
    let page = c.read("leases?limit=5").await;
    assert_eq!(names(&page).len(), 5);
    assert_eq!(page["metadata"]["continue"], Value::Null);
}

async fn limit_0_means_no_limit(c: &Context) {
    five_leases(c).await;
    assert_eq!(c.names("leases?limit=0").await.len(), 5);
}

async fn pages_are_of_one_moment(c: &Context) {
    five_leases(c).await;
    let first = c.read("leases?limit=2").await;
    let _ = c.delete("leases/d").await.ok(200);
    c.made("leases", &lease("c1")).await;
    let second = c
        .read(&format!("leases?limit=9&continue={}", token(&first)))
        .await;
    assert_eq!(names(&second), ["c", "d", "e"]);
    assert_eq!(version(&second), version(&first));
}

async fn pages_with_a_selector_skip_what_is_not_selected(c: &Context) {
    five_leases(c).await;
    c.made("leases", &lease("a1")).await;
    let first = c.read("leases?limit=1&labelSelector=x").await;
    let second = c
        .read(&format!(
            "leases?limit=1&labelSelector=x&continue={}",
            token(&first)
        ))
        .await;
    assert_eq!(
        (names(&first), names(&second)),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
}

async fn a_page_without_a_limit_is_the_rest(c: &Context) {
    five_leases(c).await;
    let first = c.read("leases?limit=2").await;
    let rest = c.read(&format!("leases?continue={}", token(&first))).await;
    assert_eq!(names(&rest), ["c", "d", "e"]);
}

async fn a_token_of_nonsense_is_refused(c: &Context) {
    let answer = c.get("leases?limit=2&continue=nonsense").await.ok(400);
    assert_eq!(answer["reason"], "BadRequest");
    let message = text(&answer["message"]);
    assert!(
        message.starts_with("invalid continue token: continue key is not valid: "),
        "{message}"
    );
}

async fn a_token_with_a_resource_version_is_refused(c: &Context) {
    five_leases(c).await;
    let first = c.read("leases?limit=2").await;
    let path = format!(
        "leases?limit=2&resourceVersion=5&continue={}",
        token(&first)
    );
    c.get(&path).await.refused(
        400,
        "BadRequest",
        "specifying resource version is not allowed when using continue",
    );
}

async fn a_limit_that_is_no_number_is_refused(c: &Context) {
    let answer = c.get("leases?limit=many").await;
    answer.refused(
        400,
        "BadRequest",
        "strconv.ParseInt: parsing \"many\": invalid syntax",
    );
}

async fn resource_version_0_with_a_limit_is_served_whole(c: &Context) {
    five_leases(c).await;
    let page = c.read("leases?limit=2&resourceVersion=0").await;
    assert!(names(&page).len() >= 2);
}
