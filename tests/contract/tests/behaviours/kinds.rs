//! What single kinds do with their fields: leases, secrets, config maps, events, services.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    lease_times_are_kept_to_the_microsecond,
    lease_times_are_written_in_utc,
    lease_time_without_six_digits_of_a_second_is_refused,
    lease_with_a_duration_of_0_is_refused,
    lease_with_a_bad_time_is_refused,
    binary_data_is_kept,
    binary_data_that_is_no_base64_is_refused,
    key_in_data_and_binary_data_is_refused,
    config_map_key_must_be_a_file_name,
    immutable_config_map_cannot_be_changed,
    immutable_objects_tell_an_empty_map_from_an_absent_one,
    string_data_of_a_secret_becomes_data,
    secret_is_opaque_unless_it_says_otherwise,
    type_of_a_secret_cannot_be_changed,
    tls_secret_needs_its_keys,
    event_is_kept_as_sent,
    event_of_another_namespace_is_refused,
    service_gets_an_address_that_it_keeps,
    cluster_ip_of_a_service_cannot_be_changed,
    update_of_a_service_without_an_address_keeps_it,
    node_port_service_gets_a_port,
    service_account_is_kept_as_sent,
    role_binding_cannot_change_its_role,
    quantities_are_written_in_one_way,
    network_policy_has_two_types_at_most,
    network_policy_ports_are_in_order,
    network_policy_peer_is_an_address_or_a_selector,
    generation_of_an_endpoint_slice_rises_with_labels_and_endpoints,
    update_without_generate_name_forgets_it,
];

async fn lease_times_are_kept_to_the_microsecond(c: &Context) {
    let mut sent = lease("a");
    sent["spec"]["renewTime"] = "2026-01-02T03:04:05.678901Z".into();
    sent["spec"]["acquireTime"] = "2026-01-02T03:04:05.000000Z".into();
    let made = c.made("leases", &sent).await;
    assert_eq!(made["spec"]["renewTime"], "2026-01-02T03:04:05.678901Z");
    assert_eq!(made["spec"]["acquireTime"], "2026-01-02T03:04:05.000000Z");
}

async fn lease_times_are_written_in_utc(c: &Context) {
    let sent = with(
        lease("a"),
        "/spec/renewTime",
        "2026-01-02T05:04:05.678900+02:00",
    );
    let made = c.made("leases", &sent).await;
    assert_eq!(made["spec"]["renewTime"], "2026-01-02T03:04:05.678900Z");
}

async fn lease_time_without_six_digits_of_a_second_is_refused(c: &Context) {
    let sent = with(lease("a"), "/spec/renewTime", "2026-01-02T03:04:05.6789Z");
    c.post("leases", &sent).await.refused(
        400,
        "BadRequest",
        "Lease in version \"v1\" cannot be handled as a Lease: parsing time \"2026-01-02T03:04:05.6789Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \".6789Z\" as \".000000\"",
    );
}

async fn lease_with_a_duration_of_0_is_refused(c: &Context) {
    let sent = with(lease("a"), "/spec/leaseDurationSeconds", 0);
    c.post("leases", &sent).await.refused(
        422,
        "Invalid",
        "Lease.coordination.k8s.io \"a\" is invalid: spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
    );
}

async fn lease_with_a_bad_time_is_refused(c: &Context) {
    let sent = with(lease("a"), "/spec/renewTime", "yesterday");
    let answer = c.post("leases", &sent).await.ok(400);
    assert_eq!(answer["reason"], "BadRequest");
}

async fn binary_data_is_kept(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "binaryData": {"k": "AAEC/w=="}});
    let made = c.made("configmaps", &sent).await;
    assert_eq!(made["binaryData"], json!({"k": "AAEC/w=="}));
}

async fn binary_data_that_is_no_base64_is_refused(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "binaryData": {"k": "?"}});
    let answer = c.post("configmaps", &sent).await;
    answer.refused(
        400,
        "BadRequest",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: illegal base64 data at input byte 0",
    );
}

async fn key_in_data_and_binary_data_is_refused(c: &Context) {
    let sent = with(config_map("a"), "/binaryData", json!({"k": "AA=="}));
    c.post("configmaps", &sent).await.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: data[k]: Invalid value: \"k\": duplicate of key present in binaryData",
    );
}

async fn config_map_key_must_be_a_file_name(c: &Context) {
    let answer = c
        .post(
            "configmaps",
            &with(config_map("a"), "/data", json!({"..": "x"})),
        )
        .await
        .ok(422);
    assert_eq!(answer["details"]["causes"][0]["field"], "data[..]");
}

async fn immutable_config_map_cannot_be_changed(c: &Context) {
    c.made("configmaps", &with(config_map("a"), "/immutable", true))
        .await;
    let answer = c
        .patch(Patch::Merge, "configmaps/a", &json!({"data": {"k": "w"}}))
        .await;
    answer.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
    );
    let answer = c
        .patch(Patch::Merge, "configmaps/a", &json!({"immutable": null}))
        .await;
    answer.refused(
        422,
        "Invalid",
        "ConfigMap \"a\" is invalid: immutable: Forbidden: field is immutable when `immutable` is set",
    );
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    let _ = c.patch(Patch::Merge, "configmaps/a", &labels).await.ok(200);
}

async fn string_data_of_a_secret_becomes_data(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "stringData": {"k": "w"}, "data": {"k": "dg==", "l": "dg=="}});
    let made = c.made("secrets", &sent).await;
    assert_eq!(made["data"], json!({"k": "dw==", "l": "dg=="}));
    assert_eq!(made["stringData"], Value::Null);
}

async fn secret_is_opaque_unless_it_says_otherwise(c: &Context) {
    assert_eq!(c.made("secrets", &secret("a")).await["type"], "Opaque");
}

async fn type_of_a_secret_cannot_be_changed(c: &Context) {
    c.made("secrets", &secret("a")).await;
    let answer = c
        .patch(Patch::Merge, "secrets/a", &json!({"type": "other"}))
        .await;
    answer.refused(
        422,
        "Invalid",
        "Secret \"a\" is invalid: type: Invalid value: \"other\": field is immutable",
    );
}

async fn tls_secret_needs_its_keys(c: &Context) {
    let sent = with(secret("a"), "/type", "kubernetes.io/tls");
    let answer = c.post("secrets", &sent).await.ok(422);
    let causes = answer["details"]["causes"]
        .as_array()
        .expect("causes")
        .iter();
    let fields: Vec<_> = causes.map(|cause| text(&cause["field"])).collect();
    assert_eq!(fields, ["data[tls.crt]", "data[tls.key]"]);
}

async fn event_is_kept_as_sent(c: &Context) {
    let sent = json!({
        "metadata": {"name": "a"}, "reason": "Tried", "message": "it was tried", "type": "Normal", "count": 3,
        "involvedObject": {"kind": "Pod", "namespace": c.namespace, "name": "p"},
        "source": {"component": "suite"},
        "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:04:06Z",
    });
    let made = c.made("events", &sent).await;
    for field in [
        "reason",
        "message",
        "type",
        "count",
        "involvedObject",
        "source",
        "firstTimestamp",
        "lastTimestamp",
    ] {
        assert_eq!(made[field], sent[field], "{field}");
    }
    assert_eq!(made["eventTime"], Value::Null);
    assert_eq!(
        (&made["reportingComponent"], &made["reportingInstance"]),
        (&json!(""), &json!(""))
    );
}

async fn event_of_another_namespace_is_refused(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}});
    let answer = c.post("events", &sent).await.ok(422);
    assert_eq!(
        answer["details"]["causes"][0]["field"],
        "involvedObject.namespace"
    );
}

async fn service_gets_an_address_that_it_keeps(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}});
    let made = c.made("services", &sent).await;
    let address = text(&made["spec"]["clusterIP"]);
    assert!(address.parse::<std::net::Ipv4Addr>().is_ok(), "{address}");
    assert_eq!(made["spec"]["clusterIPs"], json!([address]));
    let patch = json!({"spec": {"ports": [{"port": 81}]}});
    let changed = c.patch(Patch::Merge, "services/a", &patch).await.ok(200);
    assert_eq!(changed["spec"]["clusterIP"], address);
}

async fn cluster_ip_of_a_service_cannot_be_changed(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}});
    c.made("services", &sent).await;
    let patch = json!({"spec": {"clusterIP": "10.96.99.77", "clusterIPs": ["10.96.99.77"]}});
    c.patch(Patch::Merge, "services/a", &patch).await.refused(
        422,
        "Invalid",
        "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.96.99.77\"]: may not change once set",
    );
}

async fn update_of_a_service_without_an_address_keeps_it(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}});
    let made = c.made("services", &sent).await;
    let mut again = sent.clone();
    again["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    let changed = c.put("services/a", &again).await.ok(200);
    assert_eq!(changed["spec"]["clusterIP"], made["spec"]["clusterIP"]);
}

async fn node_port_service_gets_a_port(c: &Context) {
    let sent =
        json!({"metadata": {"name": "a"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}});
    let made = c.made("services", &sent).await;
    let port = made["spec"]["ports"][0]["nodePort"]
        .as_i64()
        .expect("a number");
    assert!((30_000..=32_767).contains(&port), "{port}");
}

async fn service_account_is_kept_as_sent(c: &Context) {
    let sent = json!({"metadata": {"name": "a"}, "automountServiceAccountToken": false});
    let made = c.made("serviceaccounts", &sent).await;
    assert_eq!(made["automountServiceAccountToken"], false);
    assert_eq!(made["secrets"], Value::Null);
}

async fn role_binding_cannot_change_its_role(c: &Context) {
    let reference =
        |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name});
    c.made(
        "rolebindings",
        &json!({"metadata": {"name": "a"}, "roleRef": reference("x")}),
    )
    .await;
    let answer = c
        .patch(
            Patch::Merge,
            "rolebindings/a",
            &json!({"roleRef": reference("y")}),
        )
        .await
        .ok(422);
    assert!(
        text(&answer["message"]).ends_with("cannot change roleRef"),
        "{answer}"
    );
}

async fn quantities_are_written_in_one_way(c: &Context) {
    let resources = json!({"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "1.5Gi"}});
    let made = c
        .made(
            "pods",
            &with(pod("a"), "/spec/containers/0/resources", resources),
        )
        .await;
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1536Mi"}})
    );
}

async fn immutable_objects_tell_an_empty_map_from_an_absent_one(c: &Context) {
    let immutable = json!({"metadata": {"name": "a"}, "immutable": true});
    c.made("configmaps", &immutable).await;
    c.made("secrets", &immutable).await;
    for patch in [Patch::Merge, Patch::Strategic] {
        let empty = json!({"data": {}});
        let _ = c.patch(patch, "configmaps/a", &empty).await.ok(200);
        c.patch(patch, "configmaps/a", &json!({"binaryData": {}}))
            .await
            .refused(
                422,
                "Invalid",
                "ConfigMap \"a\" is invalid: binaryData: Forbidden: field is immutable when `immutable` is set",
            );
        c.patch(patch, "secrets/a", &empty).await.refused(
            422,
            "Invalid",
            "Secret \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
        );
    }
}

async fn network_policy_has_two_types_at_most(c: &Context) {
    let policy = |types: Value| json!({"metadata": {"name": "a"}, "spec": {"podSelector": {}, "policyTypes": types}});
    let answer = c.post("networkpolicies", &policy(json!(["X"]))).await;
    answer.refused(
        422,
        "Invalid",
        "NetworkPolicy.networking.k8s.io \"a\" is invalid: spec.policyTypes[0]: Unsupported value: \"X\": supported values: \"Ingress\", \"Egress\"",
    );
    let three = json!(["Ingress", "Egress", "Egress"]);
    c.post("networkpolicies", &policy(three)).await.refused(
        422,
        "Invalid",
        "NetworkPolicy.networking.k8s.io \"a\" is invalid: spec.policyTypes: Invalid value: [\"Ingress\",\"Egress\",\"Egress\"]: may not specify more than two policyTypes",
    );
}

/// The field and message of each cause.
async fn network_policy_causes(c: &Context, rule: Value) -> Vec<String> {
    let policy = json!({"metadata": {"name": "a"}, "spec": {"podSelector": {}, "egress": [rule]}});
    let status = c.post("networkpolicies", &policy).await.ok(422);
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    causes
        .map(|it| format!("{}: {}", text(&it["field"]), text(&it["message"])))
        .collect()
}

async fn network_policy_ports_are_in_order(c: &Context) {
    let ports = json!([
        {"protocol": "X"}, {"port": 0}, {"port": 80, "endPort": 70}, {"port": "a", "endPort": 70}, {"endPort": 70},
        {"port": ""},
    ]);
    let at = |rest: &str| format!("spec.egress[0].ports{rest}");
    assert_eq!(
        network_policy_causes(c, json!({"ports": ports})).await,
        [
            at(
                "[0].protocol: Unsupported value: \"X\": supported values: \"TCP\", \"UDP\", \"SCTP\""
            ),
            at("[1].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
            at("[2].endPort: Invalid value: 80: must be greater than or equal to `port`"),
            at("[3].endPort: Invalid value: 70: may not be specified when `port` is non-numeric"),
            at("[4].endPort: Invalid value: 70: may not be specified when `port` is not specified"),
            at(
                "[5].port: Invalid value: \"\": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
            ),
            at("[5].port: Invalid value: \"\": must contain at least one letter (a-z)"),
        ]
    );
}

async fn network_policy_peer_is_an_address_or_a_selector(c: &Context) {
    let peers = json!([
        {}, {"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}, {"ipBlock": {}}, {"ipBlock": {"cidr": "x"}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "11.0.0.0/16", "10.0.0.1/9"]}},
    ]);
    let at = |rest: &str| format!("spec.egress[0].to{rest}");
    let found = network_policy_causes(c, json!({"to": peers})).await;
    assert_eq!(
        found,
        [
            at("[0]: Required value: must specify a peer"),
            at("[1]: Forbidden: may not specify both ipBlock and another peer"),
            at("[2].ipBlock.cidr: Required value"),
            at(
                "[3].ipBlock.cidr: Invalid value: \"x\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            ),
            at(
                "[4].ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`"
            ),
            at(
                "[4].ipBlock.except[2]: Invalid value: \"10.0.0.1/9\": must not have bits set beyond the prefix length"
            ),
        ]
    );
}

async fn generation_of_an_endpoint_slice_rises_with_labels_and_endpoints(c: &Context) {
    let slice = json!({"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": []});
    let made = c.made("endpointslices", &slice).await;
    assert_eq!(made["metadata"]["generation"], 1);
    for (patch, generation) in [
        (json!({"metadata": {"labels": {"a": "b"}}}), 2),
        (json!({"metadata": {"annotations": {"a": "b"}}}), 2),
        (json!({"endpoints": [{"addresses": ["10.0.0.1"]}]}), 3),
        (json!({"ports": [{"port": 1}]}), 4),
    ] {
        let patched = c.patch(Patch::Merge, "endpointslices/a", &patch).await;
        assert_eq!(patched.ok(200)["metadata"]["generation"], generation);
    }
}

async fn update_without_generate_name_forgets_it(c: &Context) {
    let object = json!({"metadata": {"generateName": "a-", "name": "a"}});
    c.made("configmaps", &object).await;
    let sent = config_map("a");
    let updated = c.put("configmaps/a", &sent).await.ok(200);
    assert_eq!(updated["metadata"]["generateName"], Value::Null);
}
