//! Which ports to listen on, and what is behind them. Pure.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::{Endpoint, EndpointSlice},
};

use crate::node::Ports;

/// The label that leads from a slice to its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A port of a Service, in the order in which it is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    pub(super) namespace: String,
    pub(super) service: String,
    /// Its place among the Service's ports.
    pub(super) index: usize,
    pub(super) name: Option<String>,
    pub(super) number: u16,
}

/// The ports of a Service that are proxied: those of TCP, unless it is headless or an alias.
pub(super) fn ports(service: &Service) -> Vec<Port> {
    let Some(spec) = service.spec.as_ref() else {
        return Vec::new();
    };
    if spec.cluster_ip.as_deref() == Some("None") || spec.type_.as_deref() == Some("ExternalName") {
        return Vec::new();
    }
    let all = spec.ports.iter().flatten().enumerate();
    all.filter(|(_, port)| is_tcp(port.protocol.as_deref()))
        .filter_map(|(index, port)| {
            Some(Port {
                namespace: service.metadata.namespace.clone()?,
                service: service.metadata.name.clone()?,
                index,
                name: port.name.clone().filter(|it| !it.is_empty()),
                number: u16::try_from(port.port).ok()?,
            })
        })
        .collect()
}

/// What a Service asks for and does not get, in words that complete "the embedded cluster ignores …".
pub(super) fn ignored(service: &Service) -> Vec<String> {
    let Some(spec) = service.spec.as_ref() else {
        return Vec::new();
    };
    let other = spec
        .ports
        .iter()
        .flatten()
        .find(|port| !is_tcp(port.protocol.as_deref()));
    let other = other.map(|port| {
        let protocol = port.protocol.as_deref().unwrap_or_default();
        format!("port {} ({protocol}; only TCP is forwarded)", port.port)
    });
    let affinity = spec.session_affinity.as_deref() == Some("ClientIP");
    let affinity = affinity.then(|| "sessionAffinity".to_owned());
    other.into_iter().chain(affinity).collect()
}

fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|it| it == "TCP")
}

/// Where connections to a port go: to ready endpoints, or if there are none to those that end but still serve.
pub(super) fn backends<'a>(
    port: &Port,
    slices: impl Iterator<Item = &'a EndpointSlice>,
    moved: &Ports,
) -> Vec<SocketAddr> {
    let (mut ready, mut ending) = (Vec::new(), Vec::new());
    for slice in slices.filter(|slice| is_of(slice, port)) {
        let number = slice.ports.iter().flatten().find_map(|it| {
            let name = it.name.as_deref().filter(|it| !it.is_empty());
            let number = u16::try_from(it.port?).ok()?;
            (name == port.name.as_deref()).then_some(number)
        });
        let Some(number) = number else { continue };
        for endpoint in &slice.endpoints {
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            let list = if conditions.ready != Some(false) {
                &mut ready
            } else if conditions.serving == Some(true) && conditions.terminating == Some(true) {
                &mut ending
            } else {
                continue;
            };
            list.extend(address(endpoint, number, moved));
        }
    }
    if ready.is_empty() { ending } else { ready }
}

fn is_of(slice: &EndpointSlice, port: &Port) -> bool {
    let meta = &slice.metadata;
    let service = meta.labels.as_ref().and_then(|it| it.get(SERVICE_NAME));
    meta.namespace.as_ref() == Some(&port.namespace) && service == Some(&port.service)
}

fn address(endpoint: &Endpoint, number: u16, moved: &Ports) -> Option<SocketAddr> {
    let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
    let pod = endpoint
        .target_ref
        .as_ref()
        .and_then(|it| it.uid.as_deref());
    let number = pod.map_or(number, |uid| moved.actual(uid, number));
    Some(SocketAddr::new(ip, number))
}

/// The ports to try for one that is asked for, the last of which is any.
pub(super) fn candidates(asked: u16, shared: bool) -> impl Iterator<Item = u16> {
    let first = if shared { None } else { Some(asked) };
    let from = match (asked, shared) {
        (_, true) => asked.checked_add(10_000).unwrap_or(asked),
        (..1024, false) => asked + 8_000,
        (_, false) => asked.saturating_add(1),
    };
    let next = (from..=u16::MAX).take(100);
    first.into_iter().chain(next).chain([0])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(spec: &Value) -> Service {
        let meta = json!({"namespace": "shop", "name": "web"});
        serde_json::from_value(json!({"metadata": meta, "spec": spec})).unwrap()
    }

    fn web(name: Option<&str>) -> Port {
        Port {
            namespace: "shop".to_owned(),
            service: "web".to_owned(),
            index: 0,
            name: name.map(str::to_owned),
            number: 80,
        }
    }

    fn slice(service: &str, endpoints: &Value) -> EndpointSlice {
        let meta = json!({"namespace": "shop", "labels": {SERVICE_NAME: service}});
        let ports = json!([{"name": "http", "port": 8080}, {"name": "", "port": 9090}]);
        let slice = json!({"metadata": meta, "addressType": "IPv4", "ports": ports, "endpoints": endpoints});
        serde_json::from_value(slice).unwrap()
    }

    fn endpoint(ip: &str, ready: bool, serving: bool, terminating: bool) -> Value {
        let conditions = json!({"ready": ready, "serving": serving, "terminating": terminating});
        let pod = json!({"kind": "Pod", "uid": ip});
        json!({"addresses": [ip], "conditions": conditions, "targetRef": pod})
    }

    fn found(port: &Port, slices: &[EndpointSlice]) -> Vec<String> {
        let found = backends(port, slices.iter(), &Ports::default());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn headless_services_aliases_and_other_protocols_are_not_proxied() {
        let port = json!([{"port": 80}]);
        assert_eq!(ports(&service(&json!({"ports": port}))), [web(None)]);
        assert_eq!(
            ports(&service(&json!({"ports": port, "clusterIP": "None"}))),
            []
        );
        assert_eq!(
            ports(&service(&json!({"ports": port, "type": "ExternalName"}))),
            []
        );
        let udp = service(&json!({"ports": [{"port": 53, "protocol": "UDP"}]}));
        assert_eq!(ports(&udp), []);
        assert_eq!(ignored(&udp), ["port 53 (UDP; only TCP is forwarded)"]);
    }

    #[test]
    fn a_port_finds_its_number_in_the_slices_of_its_service_by_name() {
        let one = |ip| json!([endpoint(ip, true, true, false)]);
        let slices = [
            slice("web", &one("127.70.0.2")),
            slice("other", &one("127.70.0.3")),
        ];
        assert_eq!(found(&web(Some("http")), &slices), ["127.70.0.2:8080"]);
        assert_eq!(found(&web(None), &slices), ["127.70.0.2:9090"]);
        assert_eq!(found(&web(Some("none")), &slices), [""; 0]);
    }

    #[test]
    fn only_ready_endpoints_are_used_while_there_are_any() {
        let ready = endpoint("127.70.0.2", true, true, false);
        let unready = endpoint("127.70.0.3", false, false, false);
        let ending = endpoint("127.70.0.4", false, true, true);
        let all = slice("web", &json!([ready, unready, ending]));
        assert_eq!(found(&web(None), &[all]), ["127.70.0.2:9090"]);
        let rest = slice("web", &json!([unready, ending]));
        assert_eq!(found(&web(None), &[rest]), ["127.70.0.4:9090"]);
    }

    #[test]
    fn a_port_that_is_not_free_is_looked_for_further_up() {
        let first = |asked, shared| candidates(asked, shared).take(3).collect::<Vec<_>>();
        assert_eq!(first(80, false), [80, 8080, 8081]);
        assert_eq!(first(8080, false), [8080, 8081, 8082]);
        assert_eq!(first(8080, true), [18080, 18081, 18082]);
        assert_eq!(first(u16::MAX, false), [u16::MAX, u16::MAX, 0]);
        assert_eq!(candidates(443, false).last(), Some(0));
    }
}
