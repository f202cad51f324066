//! Label and field selectors of lists.

use metaparticle_contract::{Context, objects::*};
use serde_json::json;

behaviours![
    equality_selects,
    double_equals_selects_as_equals_does,
    inequality_selects_also_objects_without_the_label,
    in_selects_any_of_the_values,
    notin_selects_also_objects_without_the_label,
    a_key_alone_selects_objects_that_have_it,
    a_key_with_an_exclamation_mark_selects_objects_without_it,
    requirements_with_commas_must_all_hold,
    an_empty_selector_selects_everything,
    an_empty_value_is_a_value,
    greater_than_compares_numbers,
    a_selector_that_cannot_be_parsed_is_refused,
    a_selector_with_a_bad_key_is_refused,
    metadata_name_selects_one_object,
    metadata_name_of_a_missing_object_selects_nothing,
    field_and_label_selectors_must_both_hold,
    pods_are_selected_by_phase,
    pods_are_selected_by_node,
    pods_are_selected_by_restart_policy_and_service_account,
    secrets_are_selected_by_type,
    events_are_selected_by_the_involved_object,
    services_are_selected_by_type_and_cluster_ip,
    jobs_are_selected_by_success,
    a_field_that_the_kind_does_not_offer_is_refused,
    a_field_that_pods_do_not_offer_is_refused,
    a_field_selector_without_an_operator_is_refused,
];

/// Leases `a` (tier=web, env=prod), `b` (tier=db), `c` (none), listed by a selector.
async fn selected(c: &Context, selector: &str) -> Vec<String> {
    c.made(
        "leases",
        &labelled("a", &json!({"tier": "web", "env": "prod"})),
    )
    .await;
    c.made("leases", &labelled("b", &json!({"tier": "db"})))
        .await;
    c.made("leases", &lease("c")).await;
    c.names(&format!("leases?labelSelector={selector}")).await
}

async fn equality_selects(c: &Context) {
    assert_eq!(selected(c, "tier%3Dweb").await, ["a"]);
}

async fn double_equals_selects_as_equals_does(c: &Context) {
    assert_eq!(selected(c, "tier%3D%3Dweb").await, ["a"]);
}

async fn inequality_selects_also_objects_without_the_label(c: &Context) {
    assert_eq!(selected(c, "tier!%3Dweb").await, ["b", "c"]);
}

async fn in_selects_any_of_the_values(c: &Context) {
    assert_eq!(selected(c, "tier%20in%20(web,db)").await, ["a", "b"]);
}

async fn notin_selects_also_objects_without_the_label(c: &Context) {
    assert_eq!(selected(c, "tier%20notin%20(web)").await, ["b", "c"]);
}

async fn a_key_alone_selects_objects_that_have_it(c: &Context) {
    assert_eq!(selected(c, "tier").await, ["a", "b"]);
}

async fn a_key_with_an_exclamation_mark_selects_objects_without_it(c: &Context) {
    assert_eq!(selected(c, "!tier").await, ["c"]);
}

async fn requirements_with_commas_must_all_hold(c: &Context) {
    assert_eq!(selected(c, "tier,env%3Dprod").await, ["a"]);
}

async fn an_empty_selector_selects_everything(c: &Context) {
    assert_eq!(selected(c, "").await, ["a", "b", "c"]);
}

async fn an_empty_value_is_a_value(c: &Context) {
    c.made("leases", &labelled("d", &json!({"tier": ""}))).await;
    assert_eq!(selected(c, "tier%3D").await, ["d"]);
}

async fn greater_than_compares_numbers(c: &Context) {
    c.made("leases", &labelled("d", &json!({"n": "10"}))).await;
    c.made("leases", &labelled("e", &json!({"n": "9"}))).await;
    assert_eq!(selected(c, "n%3E9").await, ["d"]);
    assert_eq!(c.names("leases?labelSelector=n%3C10").await, ["e"]);
}

async fn a_selector_that_cannot_be_parsed_is_refused(c: &Context) {
    c.get("leases?labelSelector=a%20b").await.refused(
        400,
        "BadRequest",
        "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
    );
}

async fn a_selector_with_a_bad_key_is_refused(c: &Context) {
    let answer = c.get("leases?labelSelector=-a%3Db").await.ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn metadata_name_selects_one_object(c: &Context) {
    c.made("leases", &lease("a")).await;
    c.made("leases", &lease("b")).await;
    assert_eq!(
        c.names("leases?fieldSelector=metadata.name%3Db").await,
        ["b"]
    );
    assert_eq!(
        c.names("leases?fieldSelector=metadata.name!%3Db").await,
        ["a"]
    );
}

async fn metadata_name_of_a_missing_object_selects_nothing(c: &Context) {
    assert!(
        c.names("leases?fieldSelector=metadata.name%3Db")
            .await
            .is_empty()
    );
}

async fn field_and_label_selectors_must_both_hold(c: &Context) {
    c.made("leases", &labelled("a", &json!({"tier": "web"})))
        .await;
    let path = "leases?fieldSelector=metadata.name%3Da&labelSelector=tier%3D";
    assert!(c.names(&format!("{path}db")).await.is_empty());
    assert_eq!(c.names(&format!("{path}web")).await, ["a"]);
}

async fn pods_are_selected_by_phase(c: &Context) {
    c.made("pods", &pod("a")).await;
    assert_eq!(
        c.names("pods?fieldSelector=status.phase%3DPending").await,
        ["a"]
    );
    assert!(
        c.names("pods?fieldSelector=status.phase%3DRunning")
            .await
            .is_empty()
    );
}

async fn pods_are_selected_by_node(c: &Context) {
    c.made("pods", &pod("a")).await;
    c.made("pods", &with(pod("b"), "/spec/nodeName", "no-such-node"))
        .await;
    assert_eq!(c.names("pods?fieldSelector=spec.nodeName%3D").await, ["a"]);
    let _ = c.delete("pods/b?gracePeriodSeconds=0").await.ok(200);
}

async fn pods_are_selected_by_restart_policy_and_service_account(c: &Context) {
    c.made("pods", &with(pod("a"), "/spec/restartPolicy", "Never"))
        .await;
    c.made("pods", &pod("b")).await;
    assert_eq!(
        c.names("pods?fieldSelector=spec.restartPolicy%3DNever")
            .await,
        ["a"]
    );
    let both = "pods?fieldSelector=spec.serviceAccountName%3Ddefault";
    assert_eq!(c.names(both).await, ["a", "b"]);
}

async fn secrets_are_selected_by_type(c: &Context) {
    c.made("secrets", &with(secret("a"), "/type", "example.com/x"))
        .await;
    c.made("secrets", &secret("b")).await;
    assert_eq!(
        c.names("secrets?fieldSelector=type%3Dexample.com/x").await,
        ["a"]
    );
    assert_eq!(c.names("secrets?fieldSelector=type%3DOpaque").await, ["b"]);
}

async fn events_are_selected_by_the_involved_object(c: &Context) {
    for (name, about) in [("e1", "x"), ("e2", "y")] {
        let involved = json!({"kind": "Pod", "name": about, "namespace": c.namespace});
        c.made(
            "events",
            &json!({"metadata": {"name": name}, "involvedObject": involved, "reason": "R"}),
        )
        .await;
    }
    assert_eq!(
        c.names("events?fieldSelector=involvedObject.name%3Dx")
            .await,
        ["e1"]
    );
    assert_eq!(
        c.names("events?fieldSelector=reason%3DR,involvedObject.kind%3DPod")
            .await
            .len(),
        2
    );
}

async fn services_are_selected_by_type_and_cluster_ip(c: &Context) {
    c.made("services", &service("a")).await;
    assert_eq!(
        c.names("services?fieldSelector=spec.type%3DClusterIP")
            .await,
        ["a"]
    );
    assert_eq!(
        c.names("services?fieldSelector=spec.clusterIP%3DNone")
            .await,
        ["a"]
    );
}

async fn jobs_are_selected_by_success(c: &Context) {
    assert!(
        c.names("jobs?fieldSelector=status.successful%3D1")
            .await
            .is_empty()
    );
}

async fn a_field_that_the_kind_does_not_offer_is_refused(c: &Context) {
    c.get("leases?fieldSelector=spec.holderIdentity%3Da").await.refused(
        400,
        "BadRequest",
        "\"spec.holderIdentity\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
    );
}

async fn a_field_that_pods_do_not_offer_is_refused(c: &Context) {
    c.get("pods?fieldSelector=spec.hostname%3Da").await.refused(
        400,
        "BadRequest",
        "field label not supported: spec.hostname",
    );
}

async fn a_field_selector_without_an_operator_is_refused(c: &Context) {
    c.get("leases?fieldSelector=metadata.name").await.refused(
        400,
        "BadRequest",
        "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
    );
}
