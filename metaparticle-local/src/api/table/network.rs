//! What leads to pods: Services, their endpoints, and what is only stored.

use serde_json::Value;

use super::{Row, items, labels, number, or, shown, text};

/// Name, type, address, address outside, ports, age; selector.
pub(super) fn service(row: &Row<'_>) -> Vec<Value> {
    let spec = row.spec();
    let ports = items(&spec["ports"]).iter().map(|port| {
        let (number, protocol) = (number(&port["port"]), text(&port["protocol"]));
        match port["nodePort"].as_i64() {
            Some(node @ 1..) => format!("{number}:{node}/{protocol}"),
            _ => format!("{number}/{protocol}"),
        }
    });
    let address = spec["clusterIPs"].get(0).unwrap_or(&Value::Null);
    vec![
        row.name(),
        spec["type"].clone(),
        or(address, "<none>").into(),
        outside(row).into(),
        joined(ports, "<none>").into(),
        row.age(),
        labels(&spec["selector"]).into(),
    ]
}

/// Name, address type, ports, endpoints, age.
pub(super) fn endpoint_slice(row: &Row<'_>) -> Vec<Value> {
    let object = row.object;
    let ports = items(&object["ports"])
        .iter()
        .map(|port| match port["port"].as_i64() {
            Some(number) => number.to_string(),
            None => or(&port["name"], "*").to_owned(),
        });
    let endpoints = items(&object["endpoints"]).iter();
    let addresses = endpoints
        .flat_map(|it| items(&it["addresses"]))
        .map(|it| text(it).to_owned());
    vec![
        row.name(),
        object["addressType"].clone(),
        some(&ports.collect::<Vec<_>>()).into(),
        some(&addresses.collect::<Vec<_>>()).into(),
        row.age(),
    ]
}

/// Name, class, hosts, address, ports, age.
pub(super) fn ingress(row: &Row<'_>) -> Vec<Value> {
    let spec = row.spec();
    let hosts = items(&spec["rules"])
        .iter()
        .map(|it| text(&it["host"]).to_owned());
    let hosts: Vec<String> = hosts.filter(|it| !it.is_empty()).collect();
    let ports = if items(&spec["tls"]).is_empty() {
        "80"
    } else {
        "80, 443"
    };
    vec![
        row.name(),
        or(&spec["ingressClassName"], "<none>").into(),
        match hosts.len() {
            0 => "*".into(),
            1..=3 => hosts.join(",").into(),
            all => format!("{} + {} more...", hosts[..3].join(","), all - 3).into(),
        },
        joined(balancer(row), "").into(),
        ports.into(),
        row.age(),
    ]
}

/// Name, selector, age.
pub(super) fn network_policy(row: &Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        shown(&row.spec()["podSelector"]).into(),
        row.age(),
    ]
}

/// Where a Service is reached from outside.
fn outside(row: &Row<'_>) -> String {
    let spec = row.spec();
    let own = items(&spec["externalIPs"])
        .iter()
        .map(|it| text(it).to_owned());
    match text(&spec["type"]) {
        "ClusterIP" | "NodePort" => joined(own, "<none>"),
        "LoadBalancer" => joined(balancer(row).chain(own), "<pending>"),
        "ExternalName" => text(&spec["externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// The addresses of a load balancer.
fn balancer<'a>(row: &Row<'a>) -> impl Iterator<Item = String> + use<'a> {
    let entries = items(&row.status()["loadBalancer"]["ingress"]).iter();
    entries.map(|it| or(&it["ip"], text(&it["hostname"])).to_owned())
}

fn joined(texts: impl Iterator<Item = String>, none: &str) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() {
        none.to_owned()
    } else {
        texts.join(",")
    }
}

/// The first three, and how many more.
fn some(texts: &[String]) -> String {
    match texts.len() {
        0 => "<unset>".to_owned(),
        1..=3 => texts.join(","),
        all => format!("{} + {} more...", texts[..3].join(","), all - 3),
    }
}
