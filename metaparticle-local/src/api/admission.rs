//! What a write depends on besides its own object: the namespace, the number of pods, addresses that are free.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    failure::Failure,
    resource::{self, Resource},
    store::State,
    write::Write,
};

/// Most pods of a namespace: each is a process. A real cluster would have a `ResourceQuota`.
const MOST_PODS: usize = 1000;

/// The ports of nodes that Services get.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// Whether `write` may create an object.
pub(super) fn create(state: &State, write: &Write<'_>, object: &mut Value) -> Result<(), Failure> {
    let resource = write.resource;
    if !resource.namespaced {
        return Ok(());
    }
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let namespace = state.get(&resource::NAMESPACE, "", write.namespace);
    let namespace =
        namespace.ok_or_else(|| Failure::not_found(&resource::NAMESPACE, write.namespace))?;
    if !namespace.value()["metadata"]["deletionTimestamp"].is_null() {
        return Err(terminating(resource, &name, write.namespace));
    }
    if is(resource, &resource::POD) {
        pod(state, write, &name, object)?;
    }
    Ok(())
}

fn is(resource: &'static Resource, other: &'static Resource) -> bool {
    std::ptr::eq(resource, other)
}

fn terminating(resource: &'static Resource, name: &str, namespace: &str) -> Failure {
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let mut failure = Failure::forbidden(resource, name, &why);
    if let Some(details) = &mut failure.details {
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    failure
}

fn pod(state: &State, write: &Write<'_>, name: &str, object: &mut Value) -> Result<(), Failure> {
    let used = state.count(&resource::POD, write.namespace);
    if used >= MOST_PODS {
        let why = format!(
            "exceeded quota: embedded-cluster, requested: pods=1, used: pods={used}, limited: pods={MOST_PODS}"
        );
        return Err(Failure::forbidden(&resource::POD, name, &why));
    }
    let account = object["spec"]["serviceAccountName"]
        .as_str()
        .filter(|it| !it.is_empty());
    let account = account.unwrap_or("default").to_owned();
    if state
        .get(&resource::SERVICE_ACCOUNT, write.namespace, &account)
        .is_none()
    {
        let namespace = write.namespace;
        let why = format!(
            "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
        );
        return Err(Failure::forbidden(&resource::POD, name, &why));
    }
    object["spec"]["serviceAccountName"] = account.as_str().into();
    object["spec"]["serviceAccount"] = account.into();
    Ok(())
}

/// Gives a Service its address, unless it has one.
pub(super) fn allocate(
    state: &State,
    write: &Write<'_>,
    old: Option<&Value>,
    new: &mut Value,
) -> Result<(), Failure> {
    if !is(write.resource, &resource::SERVICE) {
        return Ok(());
    }
    if let Some(old) = old {
        // An update that says nothing keeps the address.
        if new["spec"]["clusterIP"].as_str().is_none_or(str::is_empty)
            && new["spec"]["type"] != "ExternalName"
        {
            for field in ["clusterIP", "clusterIPs"] {
                if let Some(address) = old["spec"].get(field) {
                    new["spec"][field] = address.clone();
                }
            }
        }
    }
    let asked = new["spec"]["clusterIP"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if asked == "None" {
        new["spec"]["clusterIPs"] = json!(["None"]);
    }
    if asked.is_empty() && new["spec"]["type"] != "ExternalName" {
        let address = free_address(state).ok_or_else(|| {
            Failure::new(
                500,
                "InternalError",
                "failed to allocate a serviceIP: range is full",
            )
        })?;
        new["spec"]["clusterIP"] = address.as_str().into();
        new["spec"]["clusterIPs"] = json!([address]);
    } else if !asked.is_empty() && new["spec"]["clusterIPs"].is_null() {
        new["spec"]["clusterIPs"] = json!([asked]);
    }
    allocate_node_ports(state, old, new);
    Ok(())
}

/// Gives the ports of a Service of such a type ports of the node, unless they have them.
fn allocate_node_ports(state: &State, old: Option<&Value>, new: &mut Value) {
    if new["spec"]["type"] != "NodePort" && new["spec"]["type"] != "LoadBalancer" {
        return;
    }
    let ports = |service: &Value| {
        service["spec"]["ports"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let before = old.map(ports).unwrap_or_default();
    let services = state.list(&resource::SERVICE, None);
    let all = services.flat_map(|it| ports(it.value()));
    let mut taken: BTreeSet<i64> = all
        .chain(ports(new))
        .filter_map(|it| it["nodePort"].as_i64())
        .collect();
    for port in new["spec"]["ports"].as_array_mut().into_iter().flatten() {
        if port["nodePort"].as_i64().is_some_and(|it| it != 0) {
            continue;
        }
        let same = |it: &&Value| it["port"] == port["port"] && it["protocol"] == port["protocol"];
        let kept = before
            .iter()
            .find(same)
            .and_then(|it| it["nodePort"].as_i64());
        if let Some(number) = kept.or_else(|| NODE_PORTS.clone().find(|it| !taken.contains(it))) {
            taken.insert(number);
            port["nodePort"] = number.into();
        }
    }
}

/// An address of 10.96.0.0/16 that no Service has.
fn free_address(state: &State) -> Option<String> {
    let taken: BTreeSet<&str> = state
        .list(&resource::SERVICE, None)
        .filter_map(|it| it.value()["spec"]["clusterIP"].as_str())
        .collect();
    (2..=u16::MAX)
        .map(|number| format!("10.96.{}.{}", number >> 8, number & 0xff))
        .find(|address| !taken.contains(address.as_str()))
}
