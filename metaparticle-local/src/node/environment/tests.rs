//! The environment of containers.

use serde_json::{Value, json};

use super::*;

fn place() -> Place {
    Place {
        node: "local".to_owned(),
        host_ip: [127, 70, 1, 1].into(),
        pod_ip: [127, 70, 1, 2].into(),
        capacity: [("cpu".to_owned(), "4".to_owned())].into(),
    }
}

fn lookup(holder: Holder, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let value = |text: &str| text.as_bytes().to_vec();
    match (holder, name) {
        (Holder::ConfigMap, "map") => Some([("key".to_owned(), value("from map"))].into()),
        (Holder::Secret, "secret") => Some([("key".to_owned(), value("from secret"))].into()),
        _ => None,
    }
}

fn variables(container: &Value) -> Result<Variables, String> {
    let pod = json!({
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}},
        "spec": {"serviceAccountName": "web", "containers": [container]},
    });
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let container = &pod.spec.as_ref().unwrap().containers[0];
    of_container(&pod, container, &place(), Variables::new(), &lookup)
}

fn variable(definition: &Value) -> Result<Option<String>, String> {
    let mut definition = definition.clone();
    definition["name"] = "A".into();
    Ok(variables(&json!({"name": "c", "env": [definition]}))?.remove("A"))
}

#[test]
fn fields_of_the_pod_are_found() {
    let table = [
        ("metadata.name", "web-0"),
        ("metadata.namespace", "shop"),
        ("metadata.uid", "u-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", "local"),
        ("spec.serviceAccountName", "web"),
        ("status.podIP", "127.70.1.2"),
        ("status.hostIP", "127.70.1.1"),
    ];
    for (path, expected) in table {
        let value = variable(&json!({"valueFrom": {"fieldRef": {"fieldPath": path}}}));
        assert_eq!(value, Ok(Some(expected.to_owned())), "{path}");
    }
}

#[test]
fn limits_default_to_what_the_node_has() {
    let of = |resource: &str, divisor: &str| {
        let field = json!({"resource": resource, "divisor": divisor});
        let env = json!([{"name": "A", "valueFrom": {"resourceFieldRef": field}}]);
        let resources = json!({"limits": {"memory": "64Mi"}});
        let container = json!({"name": "c", "resources": resources, "env": env});
        variables(&container).unwrap().remove("A").unwrap()
    };
    assert_eq!(of("limits.memory", "1Mi"), "64");
    assert_eq!(of("limits.cpu", "1m"), "4000");
    assert_eq!(of("requests.cpu", ""), "0");
}

#[test]
fn values_come_from_config_maps_and_secrets() {
    let key = |kind: &str, name: &str| json!({"valueFrom": {kind: {"name": name, "key": "key"}}});
    let map = variable(&key("configMapKeyRef", "map"));
    assert_eq!(map, Ok(Some("from map".to_owned())));
    let secret = variable(&key("secretKeyRef", "secret"));
    assert_eq!(secret, Ok(Some("from secret".to_owned())));
}

#[test]
fn what_is_missing_is_named_unless_it_is_optional() {
    let key = |name: &str, key: &str, optional: bool| {
        let selector = json!({"name": name, "key": key, "optional": optional});
        variable(&json!({"valueFrom": {"configMapKeyRef": selector}}))
    };
    let no_map = "configmap \"none\" not found".to_owned();
    assert_eq!(key("none", "key", false), Err(no_map));
    let no_key = "couldn't find key x in ConfigMap shop/map".to_owned();
    assert_eq!(key("map", "x", false), Err(no_key));
    assert_eq!(key("none", "key", true), Ok(None));
    assert_eq!(key("map", "x", true), Ok(None));
}

#[test]
fn env_overrides_env_from_and_may_use_what_stands_before_it() {
    let container = json!({
        "name": "c",
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "map"}}],
        "env": [
            {"name": "B", "value": "<$(P_key)> $(C)"},
            {"name": "C", "value": "c"},
            {"name": "P_key", "value": "own"},
        ],
    });
    let variables = variables(&container).unwrap();
    assert_eq!(variables["B"], "<from map> $(C)");
    assert_eq!(variables["P_key"], "own");
}

#[test]
fn services_are_named_with_their_first_port() {
    let listening = |port_name: Option<&str>, port: u16| Listening {
        namespace: "shop".to_owned(),
        service: "my-web".to_owned(),
        port_name: port_name.map(str::to_owned),
        asked: 80,
        actual: ([127, 0, 0, 1], port).into(),
    };
    let all = [
        listening(Some("http"), 8080),
        listening(Some("admin-x"), 9090),
    ];
    let variables = of_services(&all);
    let expected = [
        ("MY_WEB_SERVICE_HOST", "127.0.0.1"),
        ("MY_WEB_SERVICE_PORT", "8080"),
        ("MY_WEB_SERVICE_PORT_ADMIN_X", "9090"),
        ("MY_WEB_SERVICE_PORT_HTTP", "8080"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(variables, Variables::from(expected));
}
