//! One pod of a Service: its endpoint, and the ports that it has.

use k8s_openapi::{
    api::core::v1::{Pod, Service, ServicePort},
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde_json::{Value, json};

use crate::controllers::{
    object::Object,
    pods::{is_finished, is_ready},
};

/// The endpoint of a pod; nothing before it has an address and after it ended.
pub(super) fn endpoint(service: &Object<Service>, pod: &Object<Pod>) -> Option<Value> {
    let address = pod
        .status
        .as_ref()?
        .pod_ip
        .as_deref()
        .filter(|it| !it.is_empty())?;
    if is_finished(pod) {
        return None;
    }
    let always = service
        .spec
        .as_ref()
        .and_then(|it| it.publish_not_ready_addresses)
        == Some(true);
    let serving = is_ready(pod);
    let mut endpoint = json!({
        "addresses": [address],
        "conditions": {
            "ready": always || (serving && !pod.is_deleting()),
            "serving": serving,
            "terminating": pod.is_deleting(),
        },
        "targetRef": {
            "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid(),
        },
    });
    let spec = pod.spec.as_ref()?;
    if let Some(node) = &spec.node_name {
        endpoint["nodeName"] = json!(node);
    }
    if let Some(host) = spec.hostname.as_ref().filter(|it| !it.is_empty())
        && spec.subdomain.as_deref() == Some(service.name())
    {
        endpoint["hostname"] = json!(host);
    }
    Some(endpoint)
}

/// The ports of a pod: names of ports are looked up in its containers; what it does not have is left out.
pub(super) fn ports(service: &Service, pod: &Pod) -> Vec<Value> {
    let ports = service.spec.iter().flat_map(|it| it.ports.iter().flatten());
    let resolve = |port: &ServicePort| {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let number = match port.target_port.as_ref() {
            None | Some(IntOrString::Int(0)) => port.port,
            Some(IntOrString::Int(number)) => *number,
            Some(IntOrString::String(name)) => named(pod, name, protocol)?,
        };
        let name = port.name.as_deref().unwrap_or_default();
        let mut resolved = json!({"name": name, "port": number, "protocol": protocol});
        if let Some(application) = &port.app_protocol {
            resolved["appProtocol"] = json!(application);
        }
        Some(resolved)
    };
    ports.filter_map(resolve).collect()
}

fn named(pod: &Pod, name: &str, protocol: &str) -> Option<i32> {
    let containers = &pod.spec.as_ref()?.containers;
    let mut ports = containers.iter().flat_map(|it| it.ports.iter().flatten());
    let port = ports.find(|it| {
        it.name.as_deref() == Some(name) && it.protocol.as_deref().unwrap_or("TCP") == protocol
    })?;
    Some(port.container_port)
}
