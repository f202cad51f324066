//! Service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Rules, at::At, cidr, edit, labels, names, pod_spec};
use crate::api::failure::FieldError;

pub(super) const RULES: Rules = Rules {
    name: names::dns_label,
    default,
    create: |object| {
        default(object);
        one_and_many(edit::slot(object, "spec"));
        families(object);
    },
    update,
    validate,
    validate_update,
    ..Rules::PLAIN
};

/// Whether an address has to be allocated: it has a type that has one, and neither an address nor `None`.
#[must_use]
pub fn needs_cluster_ip(service: &Value) -> bool {
    service["spec"]["type"] != "ExternalName"
        && At::root(service, "spec").get("clusterIP").is_empty()
}

/// Whether its ports get ports of the node.
#[must_use]
pub fn needs_node_ports(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["type"] == "NodePort"
        || spec["type"] == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false
}

/// Whether it has a port of the node at which its health is asked.
#[must_use]
pub fn needs_health_port(service: &Value) -> bool {
    let spec = &service["spec"];
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

fn default(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    edit::empty(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "ClientIP" {
        let config = edit::slot(spec, "sessionAffinityConfig");
        edit::absent(edit::slot(config, "clientIP"), "timeoutSeconds", 10_800);
    } else if spec["sessionAffinity"] == "None" {
        remove(spec, "sessionAffinityConfig");
    }
    edit::empty(spec, "type", "ClusterIP");
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    for port in edit::items(spec, "ports") {
        edit::empty(port, "protocol", "TCP");
        let number = port["port"].clone();
        edit::empty(port, "targetPort", number);
    }
    let outside = ["NodePort", "LoadBalancer"].contains(&kind.as_str());
    if outside || !At::new(&spec["externalIPs"], "").is_empty() && kind == "ClusterIP" {
        edit::empty(spec, "externalTrafficPolicy", "Cluster");
    }
    if outside || kind == "ClusterIP" {
        edit::absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        edit::absent(spec, "allocateLoadBalancerNodePorts", true);
    }
    edit::slot(edit::slot(object, "status"), "loadBalancer");
}

/// `clusterIP` is the first of `clusterIPs`; either may be given.
fn one_and_many(spec: &mut Value) {
    let one = spec["clusterIP"].clone();
    if one.as_str().is_some_and(|it| !it.is_empty()) {
        edit::absent(spec, "clusterIPs", json!([one]));
    }
}

/// The families of addresses: there is IPv4 here.
fn families(object: &mut Value) {
    let spec = edit::slot(object, "spec");
    if spec["type"] == "ExternalName" {
        return;
    }
    let selected = !At::new(&spec["selector"], "").is_empty();
    let (policy, families) = if spec["clusterIP"] == "None" && !selected {
        // Addresses that somebody else enters may be of both.
        ("RequireDualStack", json!(["IPv4", "IPv6"]))
    } else {
        ("SingleStack", json!(["IPv4"]))
    };
    edit::absent(spec, "ipFamilyPolicy", policy);
    edit::absent(spec, "ipFamilies", families);
}

/// What a client leaves out stays as it was allocated.
fn update(old: &Value, new: &mut Value) {
    drop_with_type(old, new);
    if needs_node_ports(old) && needs_node_ports(new) {
        keep_node_ports(&old["spec"], edit::slot(new, "spec"));
    }
    if needs_health_port(old) && needs_health_port(new) {
        let number = old["spec"]["healthCheckNodePort"].clone();
        edit::empty(edit::slot(new, "spec"), "healthCheckNodePort", number);
    }
    let old = &old["spec"];
    let spec = edit::slot(new, "spec");
    let named = |it: &Value| it["type"] == "ExternalName";
    if !named(old) && named(spec) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if spec[field] == old[field] {
                remove(spec, field);
            }
        }
    } else if !named(spec) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if At::new(&spec[field], "").is_empty() && !old[field].is_null() {
                spec[field] = old[field].clone();
            }
        }
        one_and_many(spec);
        if spec["clusterIP"] != old["clusterIP"] && spec["clusterIPs"] == old["clusterIPs"] {
            spec["clusterIPs"] = json!([spec["clusterIP"]]);
        }
    }
    if named(old) && !named(spec) {
        families(new);
    }
}

/// What another type does not have goes with the type, unless it was changed as well.
fn drop_with_type(old: &Value, new: &mut Value) {
    type Needs = fn(&Value) -> bool;
    let balanced: Needs = |it| it["spec"]["type"] == "LoadBalancer";
    let outside: Needs =
        |it| it["spec"]["type"] == "NodePort" || it["spec"]["type"] == "LoadBalancer";
    let inside: Needs = |it| it["spec"]["type"] != "ExternalName";
    if needs_node_ports(old) && !needs_node_ports(new) && node_ports(old) == node_ports(new) {
        for port in edit::items(edit::slot(new, "spec"), "ports") {
            remove(port, "nodePort");
        }
    }
    for (field, needs) in [
        ("allocateLoadBalancerNodePorts", balanced),
        ("loadBalancerClass", balanced),
        ("healthCheckNodePort", needs_health_port),
        ("externalTrafficPolicy", outside),
        ("internalTrafficPolicy", inside),
    ] {
        if needs(old) && !needs(new) && old["spec"][field] == new["spec"][field] {
            remove(edit::slot(new, "spec"), field);
        }
    }
}

fn node_ports(service: &Value) -> BTreeSet<i64> {
    let ports = At::root(service, "spec").get("ports");
    let numbers = ports.items().map(|it| it.get("nodePort").number());
    numbers.filter(|it| *it != 0).collect()
}

/// Ports keep their ports of the node, by name.
fn keep_node_ports(old: &Value, spec: &mut Value) {
    let given: Vec<Value> = edit::items(spec, "ports")
        .map(|it| it["nodePort"].clone())
        .collect();
    for port in edit::items(spec, "ports") {
        let before = old["ports"].as_array().into_iter().flatten();
        let mut before = before.filter(|it| it["name"] == port["name"]);
        if let Some(number) = before.next_back().map(|it| &it["nodePort"])
            && !number.is_null()
            && !given.contains(number)
        {
            edit::empty(port, "nodePort", number.clone());
        }
    }
}

fn remove(spec: &mut Value, field: &str) {
    spec.as_object_mut().map(|it| it.remove(field));
}

fn validate(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let ports = spec.get("ports");
    let kind = spec.get("type");
    let addresses = spec.get("clusterIPs");
    let headless = addresses.list().first().is_some_and(|it| it == "None");
    let mut errors = Vec::new();
    if ports.is_empty() && !headless && kind.text() != "ExternalName" {
        errors.push(ports.required(""));
    }
    match kind.text() {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {} services", kind.text());
            errors.extend(addresses.items().next().map(|it| it.invalid(&detail)));
        }
        "ExternalName" => errors.extend(external_name(&spec)),
        _ => {}
    }
    errors.extend(validate_ports(&ports));
    errors.extend(labels::validate(&spec.get("selector")));
    let affinity = spec.get("sessionAffinity");
    errors.extend(affinity.one_of(&["ClientIP", "None"]));
    if affinity.text() == "ClientIP" {
        let timeout = spec
            .get("sessionAffinityConfig")
            .get("clientIP")
            .get("timeoutSeconds");
        errors.extend(
            (!(1..=86400).contains(&timeout.number()))
                .then(|| timeout.invalid("must be greater than 0 and less than 86400")),
        );
    }
    if kind.text() != "ExternalName" {
        errors.extend(validate_addresses(&spec));
    }
    errors.extend(kind.one_of(&["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]));
    for port in ports.items() {
        let node = port.get("nodePort");
        if kind.text() == "ClusterIP" && node.number() != 0 {
            errors.push(node.forbidden("may not be used when `type` is 'ClusterIP'"));
        }
    }
    errors.extend(unique_ports(&ports));
    let allocate = spec.get("allocateLoadBalancerNodePorts");
    if allocate.is_set() && kind.text() != "LoadBalancer" {
        errors.push(allocate.forbidden("may only be used when `type` is 'LoadBalancer'"));
    }
    let external = spec.get("externalTrafficPolicy");
    let outside = ["NodePort", "LoadBalancer"].contains(&kind.text())
        || kind.text() == "ClusterIP" && !spec.get("externalIPs").is_empty();
    if !outside && external.is_set() {
        errors.push(external.invalid("may only be set for externally-accessible services"));
    } else {
        errors.extend(external.none_or_one_of(&["Cluster", "Local"]));
    }
    let internal = spec.get("internalTrafficPolicy");
    errors.extend(internal.none_or_one_of(&["Cluster", "Local"]));
    errors.extend(of_load_balancers(object));
    for address in spec.get("externalIPs").items() {
        errors.extend(pod_spec::validate_address(&address));
    }
    let distribution = spec.get("trafficDistribution");
    errors.extend(distribution.none_or_one_of(&[
        "PreferClose",
        "PreferSameZone",
        "PreferSameNode",
    ]));
    errors
}

/// What only a load balancer has.
fn of_load_balancers(object: &Value) -> Vec<FieldError> {
    let spec = At::root(object, "spec");
    let balanced = spec.get("type").text() == "LoadBalancer";
    let mut errors = Vec::new();
    let health = spec.get("healthCheckNodePort");
    if health.is_set() && health.number() != 0 {
        if !needs_health_port(object) {
            errors.push(health.invalid(
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
            ));
        }
        errors.extend(health.within(1, 65535));
    }
    let only = "may only be used when `type` is 'LoadBalancer'";
    let class = spec.get("loadBalancerClass");
    if class.is_set() && !balanced {
        errors.push(class.forbidden(only));
    } else if class.is_set() {
        errors.extend(class.all_invalid(names::qualified(class.text())));
    }
    let ranges = spec.get("loadBalancerSourceRanges");
    // The real server's path begins with a capital.
    let path = "spec.LoadBalancerSourceRanges";
    if !ranges.is_empty() && !balanced {
        errors.push(FieldError::forbidden(path, only));
    } else {
        for (index, range) in ranges.items().enumerate() {
            if let Err(detail) = cidr::parse(range.text().trim()) {
                let at = format!("{path}[{index}]");
                errors.push(FieldError::invalid(at, range.value, detail));
            }
        }
    }
    errors
}

fn external_name(spec: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let at = spec.get(field);
        if !at.is_empty() {
            errors.push(at.forbidden("may not be set for ExternalName services"));
        }
    }
    let name = spec.get("externalName");
    let text = name.text().strip_suffix('.').unwrap_or(name.text());
    if text.is_empty() {
        errors.push(name.required(""));
    } else {
        errors.extend(At::new(&text.into(), name.path).all_invalid(names::dns_subdomain(text)));
    }
    errors
}

fn validate_ports(ports: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    for port in ports.items() {
        let name = port.get("name");
        if !name.is_empty() {
            errors.extend(name.all_invalid(names::dns_label(name.text())));
            if !seen.insert(name.text()) {
                errors.push(name.duplicate());
            }
        } else if ports.list().len() > 1 {
            errors.push(name.required(""));
        }
        let number = port.get("port");
        errors.extend(At::new(&number.number().into(), number.path).within(1, 65535));
        errors.extend(port.get("protocol").one_of(&["SCTP", "TCP", "UDP"]));
        errors.extend(pod_spec::validate_port(&port.get("targetPort")));
        let protocol = port.get("appProtocol");
        if protocol.is_set() {
            errors.extend(protocol.all_invalid(names::qualified(protocol.text())));
        }
    }
    errors
}

/// A protocol and a number occur once.
fn unique_ports(ports: &At<'_>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["nodePort", "port"] {
        let mut seen = BTreeSet::new();
        for port in ports.items() {
            let number = port.get(field);
            let protocol = port.get("protocol").text();
            if number.number() == 0 || seen.insert((protocol, number.number())) {
                continue;
            }
            errors.push(if field == "nodePort" {
                number.duplicate()
            } else {
                FieldError {
                    reason: "FieldValueDuplicate",
                    field: port.path.clone(),
                    message: format!(
                        "Duplicate value: {{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\
                         \"TargetPort\":0,\"NodePort\":0}}",
                        json!(protocol),
                        number.value
                    ),
                }
            });
        }
    }
    errors
}

fn validate_addresses(spec: &At<'_>) -> Vec<FieldError> {
    let one = spec.get("clusterIP");
    let many = spec.get("clusterIPs");
    let mut errors = Vec::new();
    match (one.is_empty(), many.list().first()) {
        (false, None) => errors.push(many.required("")),
        (false, Some(first)) if first != one.value => {
            errors.push(many.invalid("first value must match `clusterIP`"));
        }
        (true, Some(_)) => {
            errors.push(many.invalid("must be empty when `clusterIP` is not specified"));
        }
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for family in spec.get("ipFamilies").items() {
        errors.extend(family.none_or_one_of(&["IPv4", "IPv6"]));
        if !seen.insert(family.text()) {
            errors.push(family.duplicate());
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    errors.extend(spec.get("ipFamilyPolicy").none_or_one_of(&policies));
    for (index, address) in many.items().enumerate() {
        if index == 0 && address.text() == "None" {
            if many.list().len() > 1 {
                errors.push(many.invalid("'None' must be the first and only value"));
            }
        } else if address.text().parse::<std::net::IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(address.invalid(detail));
        }
    }
    if many.list().len() > 2 {
        errors.push(many.invalid("may only hold up to 2 values"));
    }
    errors
}

/// An address stays, unless the Service becomes or was the name of something outside.
fn validate_update(old: &Value, new: &Value) -> Vec<FieldError> {
    let (old, new) = (At::root(old, "spec"), At::root(new, "spec"));
    let external = |it: &At<'_>| it.get("type").text() == "ExternalName";
    if external(&old) || external(&new) {
        return Vec::new();
    }
    let (before, now) = (old.get("clusterIPs"), new.get("clusterIPs"));
    let first = || format!("{}[0]", now.path);
    match (before.list(), now.list()) {
        ([_, ..], []) => {
            let detail = "primary clusterIP can not be unset";
            vec![FieldError::invalid(first(), &json!([]), detail)]
        }
        ([old, ..], [new, ..]) if old != new => {
            vec![FieldError::invalid(
                first(),
                now.value,
                "may not change once set",
            )]
        }
        _ => Vec::new(),
    }
}
