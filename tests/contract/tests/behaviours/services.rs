//! Services: what their type brings and takes, and what each has alone.

use metaparticle_contract::{Context, Patch, objects::*};
use serde_json::{Value, json};

behaviours![
    type_takes_its_fields_along,
    fields_that_are_changed_with_the_type_are_refused,
    ports_keep_their_node_ports_by_name,
    address_is_had_once,
    address_is_one_of_the_range,
    address_of_the_other_family_is_refused,
    node_port_is_had_once,
    node_port_is_one_of_the_range,
    protocols_of_a_port_share_a_node_port,
    rehearsal_shows_an_address_that_nobody_has,
    service_is_created_by_a_put,
    headless_service_needs_no_ports,
    object_that_is_too_large_is_not_stored,
];

fn of_type(name: &str, kind: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}})
}

async fn type_takes_its_fields_along(c: &Context) {
    c.made("services", &of_type("a", "LoadBalancer")).await;
    let patch = json!({"spec": {"type": "NodePort"}});
    let changed = c.patch(Patch::Merge, "services/a", &patch).await.ok(200);
    assert_eq!(
        changed["spec"]["allocateLoadBalancerNodePorts"],
        Value::Null
    );
    assert_ne!(changed["spec"]["ports"][0]["nodePort"], Value::Null);
    let patch = json!({"spec": {"type": "ClusterIP"}});
    let changed = c.patch(Patch::Merge, "services/a", &patch).await.ok(200);
    assert_eq!(changed["spec"]["ports"][0]["nodePort"], Value::Null);
    assert_eq!(changed["spec"]["externalTrafficPolicy"], Value::Null);
    let patch = json!({"spec": {"type": "ExternalName", "externalName": "a.b"}});
    let changed = c.patch(Patch::Merge, "services/a", &patch).await.ok(200);
    for field in ["clusterIP", "clusterIPs", "internalTrafficPolicy"] {
        assert_eq!(changed["spec"][field], Value::Null, "{field}");
    }
}

async fn fields_that_are_changed_with_the_type_are_refused(c: &Context) {
    c.made("services", &of_type("a", "NodePort")).await;
    let patch = json!({"spec": {"type": "ClusterIP", "externalTrafficPolicy": "Local"}});
    c.patch(Patch::Merge, "services/a", &patch).await.refused(
        422,
        "Invalid",
        "Service \"a\" is invalid: spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services",
    );
}

async fn ports_keep_their_node_ports_by_name(c: &Context) {
    let made = c.made("services", &of_type("a", "NodePort")).await;
    let patch = json!({"spec": {"ports": [{"port": 82, "protocol": "UDP"}]}});
    let changed = c.patch(Patch::Merge, "services/a", &patch).await.ok(200);
    assert_eq!(
        changed["spec"]["ports"][0]["nodePort"],
        made["spec"]["ports"][0]["nodePort"]
    );
}

fn with_address(address: &str) -> Value {
    with(of_type("b", "ClusterIP"), "/spec/clusterIP", address)
}

async fn address_is_had_once(c: &Context) {
    // One that no other test is given.
    let address = "10.96.251.77";
    c.made("services", &with_address(address)).await;
    let sent = with(with_address(address), "/metadata/name", "c");
    c.post("services", &sent).await.refused(
        422,
        "Invalid",
        &format!("Service \"c\" is invalid: spec.clusterIPs: Invalid value: [\"{address}\"]: failed to allocate IP {address}: provided IP is already allocated"),
    );
    let _ = c.post("services?dryRun=All", &sent).await.ok(201);
    let _ = c.delete("services/b").await.ok(200);
    let _ = c.post("services", &sent).await.ok(201);
}

async fn address_is_one_of_the_range(c: &Context) {
    for address in ["1.2.3.4", "10.96.0.0"] {
        c.post("services", &with_address(address)).await.refused(
            422,
            "Invalid",
            &format!("Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"{address}\"]: failed to allocate IP {address}: the provided network does not match the current range"),
        );
    }
    c.post("services?dryRun=All", &with_address("1.2.3.4")).await.refused(
        422,
        "Invalid",
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"1.2.3.4\"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16",
    );
}

async fn address_of_the_other_family_is_refused(c: &Context) {
    c.post("services", &with_address("::1")).await.refused(
        422,
        "Invalid",
        "Service \"b\" is invalid: spec.clusterIPs[0]: Invalid value: [\"::1\"]: IPv6 is not configured on this cluster",
    );
}

async fn node_port_is_had_once(c: &Context) {
    let made = c.made("services", &of_type("a", "NodePort")).await;
    let number = made["spec"]["ports"][0]["nodePort"].clone();
    for protocol in ["TCP", "UDP"] {
        let ports = json!([{"port": 80, "protocol": protocol, "nodePort": number}]);
        let sent = with(of_type("b", "NodePort"), "/spec/ports", ports);
        let message = format!(
            "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: {number}: provided port is already allocated"
        );
        for path in ["services", "services?dryRun=All"] {
            c.post(path, &sent).await.refused(422, "Invalid", &message);
        }
    }
    c.made("services", &of_type("b", "NodePort")).await;
    let patch = json!([{"op": "replace", "path": "/spec/ports/0/nodePort", "value": number}]);
    let _ = c.patch(Patch::Json, "services/b", &patch).await.ok(422);
}

async fn node_port_is_one_of_the_range(c: &Context) {
    for number in [80, 40_000, -1] {
        let ports = json!([{"port": 80, "nodePort": number}]);
        let sent = with(of_type("a", "NodePort"), "/spec/ports", ports);
        c.post("services", &sent).await.refused(
            422,
            "Invalid",
            &format!("Service \"a\" is invalid: spec.ports[0].nodePort: Invalid value: {number}: provided port is not in the valid range. The range of valid ports is 30000-32767"),
        );
    }
}

async fn protocols_of_a_port_share_a_node_port(c: &Context) {
    let ports = json!([{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}]);
    let sent = with(of_type("a", "NodePort"), "/spec/ports", ports);
    let made = c.made("services", &sent).await;
    let ports = &made["spec"]["ports"];
    assert_eq!(ports[0]["nodePort"], ports[1]["nodePort"]);
}

async fn rehearsal_shows_an_address_that_nobody_has(c: &Context) {
    let shown = c
        .post("services?dryRun=All", &of_type("a", "NodePort"))
        .await
        .ok(201);
    assert_eq!(shown["spec"]["clusterIP"], "10.96.0.0");
    assert_eq!(shown["spec"]["ports"][0]["nodePort"], 32_769);
}

async fn service_is_created_by_a_put(c: &Context) {
    let made = c
        .put("services/a", &of_type("a", "ClusterIP"))
        .await
        .ok(201);
    assert_eq!(c.read("services/a").await, made);
}

async fn headless_service_needs_no_ports(c: &Context) {
    for ports in [json!([]), Value::Null] {
        let sent =
            json!({"metadata": {"name": "a"}, "spec": {"clusterIP": "None", "ports": ports}});
        let made = c.made("services?dryRun=All", &sent).await;
        let fields = made["spec"].as_object().expect("a spec");
        assert!(!fields.contains_key("ports"), "{made}");
    }
}

async fn object_that_is_too_large_is_not_stored(c: &Context) {
    let large = |bytes| with(lease("a"), "/spec/holderIdentity", "x".repeat(bytes));
    c.post("leases", &large(1_600_000))
        .await
        .refused(500, "", "etcdserver: request is too large");
    let answer = c.post("leases", &large(2_100_000)).await.ok(500);
    let message = answer["message"].as_str().expect("a message");
    assert!(
        message.starts_with(
            "rpc error: code = ResourceExhausted desc = trying to send message larger than max ("
        ),
        "{message}"
    );
    let _ = c.get("leases/a").await.ok(404);
}
