//! The downward API: fields of a pod as text. Pure.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};

use crate::node::quantity;

/// Where a pod runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) node: String,
    pub(crate) host_ip: IpAddr,
    pub(crate) pod_ip: IpAddr,
    /// What the node has, `cpu` and `memory`: the limit of a container that has none.
    pub(crate) capacity: BTreeMap<String, String>,
}

/// The field that a path means.
///
/// # Errors
/// That there is no such field.
pub(crate) fn of_pod(pod: &Pod, place: &Place, path: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|it| it.split_once("['")) {
        let map = match map {
            "metadata.labels" => &meta.labels,
            "metadata.annotations" => &meta.annotations,
            _ => return Err(unknown(path)),
        };
        let value = map.as_ref().and_then(|map| map.get(key));
        return Ok(value.cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => meta.name.clone().unwrap_or_default(),
        "metadata.namespace" => meta.namespace.clone().unwrap_or_default(),
        "metadata.uid" => meta.uid.clone().unwrap_or_default(),
        "metadata.labels" => lines(meta.labels.as_ref()),
        "metadata.annotations" => lines(meta.annotations.as_ref()),
        "spec.nodeName" => place.node.clone(),
        "spec.serviceAccountName" => spec
            .and_then(|it| it.service_account_name.clone())
            .unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => place.host_ip.to_string(),
        "status.podIP" | "status.podIPs" => place.pod_ip.to_string(),
        _ => return Err(unknown(path)),
    })
}

/// A limit or request of a container; for a volume, of the one that is named.
///
/// # Errors
/// That there is no such resource.
pub(crate) fn of_container(
    pod: &Pod,
    container: &Container,
    place: &Place,
    field: &ResourceFieldSelector,
) -> Result<String, String> {
    let spec = pod.spec.as_ref();
    let named = field.container_name.as_deref().and_then(|name| {
        let mut all = spec.into_iter().flat_map(|it| &it.containers);
        all.find(|it| it.name == name)
    });
    let resources = named.unwrap_or(container).resources.as_ref();
    let (kind, name) = field
        .resource
        .split_once('.')
        .ok_or_else(|| unknown(&field.resource))?;
    let given = match kind {
        "limits" => resources.and_then(|it| it.limits.as_ref()),
        "requests" => resources.and_then(|it| it.requests.as_ref()),
        _ => return Err(unknown(&field.resource)),
    };
    let given = given.and_then(|it| it.get(name)).map(|it| it.0.as_str());
    let value = match (given, kind) {
        (Some(value), _) => value,
        (None, "limits") => place.capacity.get(name).map_or("0", String::as_str),
        (None, _) => "0",
    };
    let divisor = field.divisor.as_ref().map_or("", |it| it.0.as_str());
    let value = quantity::divided(value, divisor).ok_or_else(|| unknown(&field.resource))?;
    Ok(value.to_string())
}

/// `key="value"`, one a line.
fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines = map.into_iter().flatten();
    let lines: Vec<String> = lines
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

fn unknown(path: &str) -> String {
    format!("unsupported fieldPath: {path}")
}
