//! What single fields may hold. That whole manifests with one wrong field are refused alike is shown in
//! `tests/property/spoiled.rs`; these are the rules that are easily got wrong.

use metaparticle_contract::{Context, objects::*};
use serde_json::{Value, json};

behaviours![
    failure_policy_of_a_job_names_ordered_exit_codes_and_containers_that_are_there,
    failure_policy_ends_an_index_only_with_a_limit_for_each,
    success_policy_counts_indexes_that_are_there,
    success_policy_needs_indexes,
    completion_mode_that_is_empty_is_none_of_those_there_are,
    job_is_managed_by_a_name_with_a_domain,
    labels_that_a_job_has_from_its_template_are_its_makers,
    subject_of_a_binding_is_one_of_three_kinds,
    spread_over_label_keys_needs_a_selector_and_adds_to_it,
    spread_over_domains_is_named_once_and_by_any_key,
    affinity_is_to_labels_that_can_be,
    seccomp_profile_says_its_type_and_is_shown_as_it_is,
    strategy_that_is_unknown_is_shown_with_its_limits,
    claims_of_a_stateful_set_say_how_they_are_used_and_how_large_they_are,
    labels_of_a_stateful_sets_template_are_looked_at_twice,
    budget_may_have_any_name,
    image_that_names_nothing_is_not_pulled_each_time,
    owner_that_is_named_twice_is_one,
    pods_have_no_priorities_of_their_own,
    load_balancer_with_local_traffic_has_a_port_for_its_health,
    refusal_of_an_object_without_a_name_names_nothing,
];

/// Field and message of all that is wrong with a new object.
async fn wrong(c: &Context, plural: &str, object: &Value) -> Vec<(String, String)> {
    let status = c
        .post(&format!("{plural}?dryRun=All"), object)
        .await
        .ok(422);
    let causes = status["details"]["causes"].as_array().expect("causes");
    let of = |cause: &Value| (text(&cause["field"]), text(&cause["message"]));
    causes.iter().map(of).collect()
}

/// The same, as one expects it.
fn says(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(field, message): &(&str, &str)| ((*field).to_owned(), (*message).to_owned());
    expected.iter().map(owned).collect()
}

/// A suspended Job of three indexes.
fn job() -> Value {
    json!({
        "metadata": {"name": "a"},
        "spec": {
            "suspend": true, "completions": 3, "completionMode": "Indexed",
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]}},
        },
    })
}

fn job_with(field: &str, value: Value) -> Value {
    with(job(), &format!("/spec/{field}"), value)
}

async fn failure_policy_of_a_job_names_ordered_exit_codes_and_containers_that_are_there(
    c: &Context,
) {
    let codes = json!({"containerName": "other", "operator": "In", "values": [3, 0]});
    let policy = json!({"rules": [{"action": "FailJob", "onExitCodes": codes}]});
    let found = wrong(c, "jobs", &job_with("podFailurePolicy", policy)).await;
    let at = "spec.podFailurePolicy.rules[0].onExitCodes";
    let mut expected = says(&[
        (
            &format!("{at}.containerName"),
            "Invalid value: \"other\": must be one of the container or initContainer names in the pod template",
        ),
        (
            &format!("{at}.values[1]"),
            "Invalid value: 0: must not be 0 for the In operator",
        ),
        (
            &format!("{at}.values"),
            "Invalid value: [3,0]: must be ordered",
        ),
    ]);
    let mut found = found;
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let neither = json!({"rules": [{"action": "Ignore"}]});
    assert_eq!(
        wrong(c, "jobs", &job_with("podFailurePolicy", neither)).await,
        says(&[(
            "spec.podFailurePolicy.rules[0]",
            "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
        )])
    );
}

async fn failure_policy_ends_an_index_only_with_a_limit_for_each(c: &Context) {
    let codes = json!({"operator": "In", "values": [1]});
    let policy = json!({"rules": [{"action": "FailIndex", "onExitCodes": codes}]});
    let sent = job_with("podFailurePolicy", policy);
    assert_eq!(
        wrong(c, "jobs", &sent).await,
        says(&[(
            "spec.podFailurePolicy.rules[0].action",
            "Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set"
        )])
    );
    let limited = with(sent, "/spec/backoffLimitPerIndex", 1);
    let _ = c.post("jobs?dryRun=All", &limited).await.ok(201);
}

async fn success_policy_counts_indexes_that_are_there(c: &Context) {
    let policy = json!({"rules": [{"succeededIndexes": "0,2", "succeededCount": 3}]});
    let count = "spec.successPolicy.rules[0].succeededCount";
    assert_eq!(
        wrong(c, "jobs", &job_with("successPolicy", policy)).await,
        says(&[(
            count,
            "Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified \
             succeededIndexes field)"
        )])
    );
    let policy = json!({"rules": [{"succeededIndexes": "2-3"}]});
    assert_eq!(
        wrong(c, "jobs", &job_with("successPolicy", policy)).await,
        says(&[(
            "spec.successPolicy.rules[0].succeededIndexes",
            "Invalid value: \"2-3\": error parsing succeededIndexes: too large index: \"3\""
        )])
    );
}

async fn success_policy_needs_indexes(c: &Context) {
    let policy = json!({"rules": [{"succeededCount": 1}]});
    let sent = with(
        job_with("successPolicy", policy),
        "/spec/completionMode",
        "NonIndexed",
    );
    assert_eq!(
        wrong(c, "jobs", &sent).await,
        says(&[(
            "spec.successPolicy",
            "Invalid value: {\"Rules\":[{\"SucceededIndexes\":null,\"SucceededCount\":1}]}: requires indexed \
             completion mode"
        )])
    );
}

async fn completion_mode_that_is_empty_is_none_of_those_there_are(c: &Context) {
    assert_eq!(
        wrong(c, "jobs", &job_with("completionMode", json!(""))).await,
        says(&[(
            "spec.completionMode",
            "Unsupported value: \"\": supported values: \"NonIndexed\", \"Indexed\""
        )])
    );
}

async fn job_is_managed_by_a_name_with_a_domain(c: &Context) {
    assert_eq!(
        wrong(c, "jobs", &job_with("managedBy", json!("me"))).await,
        says(&[(
            "spec.managedBy",
            "Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")"
        )])
    );
}

async fn labels_that_a_job_has_from_its_template_are_its_makers(c: &Context) {
    let mut sent = job();
    sent["metadata"]["labels"].take();
    sent["spec"]["template"]["metadata"]["labels"] = json!({"app": "a"});
    let made = c.post("jobs?dryRun=All", &sent).await.ok(201);
    let labels = made["metadata"]["labels"].as_object().expect("labels");
    assert!(labels.contains_key("controller-uid"), "{labels:?}");
    let owned = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:labels"];
    assert_eq!(*owned, json!({".": {}, "f:app": {}}));
}

async fn subject_of_a_binding_is_one_of_three_kinds(c: &Context) {
    let sent = json!({
        "metadata": {"name": "a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
        "subjects": [
            {"kind": "Robot", "name": "a"},
            {"kind": "ServiceAccount", "name": "A", "namespace": "x"},
            {"kind": "User", "name": "u", "apiGroup": "a.b"},
        ],
    });
    let found = wrong(c, "rolebindings", &sent).await;
    assert_eq!(
        found[0],
        says(&[(
            "subjects[0].kind",
            "Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\""
        )])[0]
    );
    assert_eq!(found[1].0, "subjects[1].name");
    assert_eq!(
        found[2..],
        says(&[(
            "subjects[2].apiGroup",
            "Unsupported value: \"a.b\": supported values: \"rbac.authorization.k8s.io\""
        )])
    );
}

/// A pod that is spread over `zone`, and that.
fn spread(more: &Value) -> Value {
    let mut constraint =
        json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"});
    for (field, value) in more.as_object().expect("fields") {
        constraint[field] = value.clone();
    }
    with(
        pod("a"),
        "/spec/topologySpreadConstraints",
        json!([constraint]),
    )
}

async fn spread_over_label_keys_needs_a_selector_and_adds_to_it(c: &Context) {
    let at = "spec.topologySpreadConstraints[0].matchLabelKeys";
    assert_eq!(
        wrong(c, "pods", &spread(&json!({"matchLabelKeys": ["a"]}))).await,
        says(&[(
            at,
            "Forbidden: must not be specified when labelSelector is not set"
        )])
    );
    let keys = json!({"matchLabelKeys": ["a", "b"], "labelSelector": {"matchLabels": {"c": "d"}}});
    let sent = with(spread(&keys), "/metadata/labels", json!({"a": "x"}));
    let made = c.post("pods?dryRun=All", &sent).await.ok(201);
    let constraint = &made["spec"]["topologySpreadConstraints"][0];
    assert_eq!(
        constraint["labelSelector"]["matchExpressions"],
        json!([{"key": "a", "operator": "In", "values": ["x"]}])
    );
}

async fn spread_over_domains_is_named_once_and_by_any_key(c: &Context) {
    let any = spread(&json!({"topologyKey": "any key"}));
    let _ = c.post("pods?dryRun=All", &any).await.ok(201);
    let least = spread(&json!({"minDomains": 2}));
    assert_eq!(
        wrong(c, "pods", &least).await,
        says(&[(
            "spec.topologySpreadConstraints[0].minDomains",
            "Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway"
        )])
    );
    let one = any["spec"]["topologySpreadConstraints"][0].clone();
    let twice = with(
        any,
        "/spec/topologySpreadConstraints",
        json!([one.clone(), one]),
    );
    assert_eq!(
        wrong(c, "pods", &twice).await,
        says(&[(
            "spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}",
            "Duplicate value: \"{any key, ScheduleAnyway}\""
        )])
    );
}

async fn affinity_is_to_labels_that_can_be(c: &Context) {
    let rule = json!({"key": "a", "operator": "In"});
    let terms = json!({"nodeSelectorTerms": [{"matchExpressions": [rule]}]});
    let near =
        json!([{"weight": 101, "podAffinityTerm": {"topologyKey": "zone", "namespaces": ["A"]}}]);
    let affinity = json!({
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms},
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": near},
    });
    let found = wrong(c, "pods", &with(pod("a"), "/spec/affinity", affinity)).await;
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    let preferred = "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]";
    assert_eq!(
        fields,
        [
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]\
             .matchExpressions[0].values",
            &format!("{preferred}.weight"),
            &format!("{preferred}.podAffinityTerm.namespace"),
        ]
    );
}

async fn seccomp_profile_says_its_type_and_is_shown_as_it_is(c: &Context) {
    let of = |profile: Value| {
        let context = json!({"seccompProfile": profile});
        with(pod("a"), "/spec/securityContext", context)
    };
    let at = "spec.securityContext.seccompProfile";
    assert_eq!(
        wrong(c, "pods", &of(json!({}))).await,
        says(&[(
            &format!("{at}.type"),
            "Required value: type is required when seccompProfile is set"
        )])
    );
    let other = of(json!({"type": "Unconfined", "localhostProfile": "x"}));
    assert_eq!(
        wrong(c, "pods", &other).await,
        says(&[(
            &format!("{at}.localhostProfile"),
            "Invalid value: {\"Type\":\"Unconfined\",\"LocalhostProfile\":\"x\"}: can only be set when seccomp type \
             is Localhost"
        )])
    );
}

async fn strategy_that_is_unknown_is_shown_with_its_limits(c: &Context) {
    let strategy = json!({"type": "Other", "rollingUpdate": {"maxSurge": "10%"}});
    let sent = with(deployment("a"), "/spec/strategy", strategy);
    assert_eq!(
        wrong(c, "deployments", &sent).await,
        says(&[(
            "spec.strategy",
            "Unsupported value: {\"Type\":\"Other\",\"RollingUpdate\":{\"MaxUnavailable\":0,\"MaxSurge\":\"10%\"}}: \
             supported values: \"Recreate\", \"RollingUpdate\""
        )])
    );
}

fn stateful_set() -> Value {
    let mut sent = deployment("a");
    sent["apiVersion"] = "apps/v1".into();
    sent["kind"] = "StatefulSet".into();
    sent["spec"]
        .as_object_mut()
        .expect("a spec")
        .remove("paused");
    sent
}

async fn claims_of_a_stateful_set_say_how_they_are_used_and_how_large_they_are(c: &Context) {
    let of = |spec: Value| {
        let claims = json!([{"metadata": {"name": "data"}, "spec": spec}]);
        with(stateful_set(), "/spec/volumeClaimTemplates", claims)
    };
    let at = "spec.volumeClaimTemplates[0].spec";
    assert_eq!(
        wrong(c, "statefulsets", &of(json!({}))).await,
        says(&[
            (
                &format!("{at}.accessModes"),
                "Required value: at least 1 access mode is required"
            ),
            (&format!("{at}.resources[storage]"), "Required value"),
        ])
    );
    let right =
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    let shown = c.post("statefulsets?dryRun=All", &of(right)).await.ok(201);
    let claim = &shown["spec"]["volumeClaimTemplates"][0];
    assert_eq!(claim["kind"], "PersistentVolumeClaim");
    assert_eq!(claim["spec"]["volumeMode"], "Filesystem");
    assert_eq!(claim["status"], json!({"phase": "Pending"}));
}

async fn labels_of_a_stateful_sets_template_are_looked_at_twice(c: &Context) {
    let sent = with(stateful_set(), "/spec/template/metadata/labels/b", "-");
    let found = wrong(c, "statefulsets", &sent).await;
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["spec.template.labels"; 2]);
}

async fn budget_may_have_any_name(c: &Context) {
    let sent = json!({"metadata": {"name": "Any Name"}, "spec": {"minAvailable": 1}});
    let path = "poddisruptionbudgets?dryRun=All";
    let made = c.post(path, &sent).await.ok(201);
    assert_eq!(made["metadata"]["name"], "Any Name");
}

async fn image_that_names_nothing_is_not_pulled_each_time(c: &Context) {
    for (image, policy) in [
        ("app", "Always"),
        ("No such!", "IfNotPresent"),
        ("app:latest@sha256:00", "IfNotPresent"),
    ] {
        let sent = with(pod("a"), "/spec/containers/0/image", image);
        let made = c.post("pods?dryRun=All", &sent).await.ok(201);
        let container = &made["spec"]["containers"][0];
        assert_eq!(container["imagePullPolicy"], policy, "{image}");
    }
}

async fn owner_that_is_named_twice_is_one(c: &Context) {
    let owner =
        json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true});
    let twice = json!([owner.clone(), owner.clone()]);
    let sent = with(lease("a"), "/metadata/ownerReferences", twice);
    let made = c.post("leases?dryRun=All", &sent).await.ok(201);
    assert_eq!(made["metadata"]["ownerReferences"], json!([owner]));
}

async fn pods_have_no_priorities_of_their_own(c: &Context) {
    c.post("pods", &with(pod("a"), "/spec/priority", 7))
        .await
        .refused(
            403,
            "Forbidden",
            "pods \"a\" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority \
             admission controller computed 0 from the given PriorityClass name",
        );
    c.post("pods", &with(pod("a"), "/spec/preemptionPolicy", "Never"))
        .await
        .refused(
            403,
            "Forbidden",
            "pods \"a\" is forbidden: the string value of PreemptionPolicy (Never) must not be provided in pod spec; \
             priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
        );
}

async fn load_balancer_with_local_traffic_has_a_port_for_its_health(c: &Context) {
    let spec =
        json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]});
    let sent = json!({"metadata": {"name": "a"}, "spec": spec});
    let made = c.made("services", &sent).await;
    let port = made["spec"]["healthCheckNodePort"].clone();
    assert!(port.as_i64().is_some_and(|it| it > 0), "{made}");
    assert_ne!(port, made["spec"]["ports"][0]["nodePort"]);
    let again = c.put("services/a", &sent).await.ok(200);
    assert_eq!(again["spec"]["healthCheckNodePort"], port);
    let all = with(sent, "/spec/externalTrafficPolicy", "Cluster");
    let changed = c.put("services/a", &all).await.ok(200);
    assert_eq!(changed["spec"]["healthCheckNodePort"], Value::Null);
}

async fn refusal_of_an_object_without_a_name_names_nothing(c: &Context) {
    let status = c.post("leases", &json!({"spec": {}})).await.ok(422);
    assert_eq!(status["details"].get("name"), None);
}
