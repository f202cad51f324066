//! Which slices a Service has: endpoints by their ports, at most a hundred a slice, moved as little as possible.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
};
use serde_json::{Map, Value, json};

use crate::api::resource::SERVICE;
use crate::controllers::object::{Object, owner_reference};

use super::endpoint::{endpoint, ports};

/// The label with the name of the Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label with who manages a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Who does.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// The label of slices of a Service without an address of its own.
const HEADLESS: &str = "service.kubernetes.io/headless";
/// The most endpoints of a slice.
const MOST: usize = 100;

/// What to do.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    pub(super) create: Vec<Value>,
    /// Names, and what they become: endpoints, ports, labels.
    pub(super) update: Vec<(String, Contents)>,
    pub(super) delete: Vec<String>,
}

/// What of a slice changes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) endpoints: Value,
    pub(super) ports: Value,
    pub(super) labels: Value,
}

/// Whether a slice is this controller's.
pub(super) fn is_managed(slice: &Value) -> bool {
    slice["metadata"]["labels"][MANAGED_BY] == CONTROLLER
}

/// Decides.
pub(super) fn decide(
    service: &Object<Service>,
    pods: &[Object<Pod>],
    slices: &[Object<EndpointSlice>],
) -> Decision {
    let mut groups: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for pod in pods {
        if let Some(endpoint) = endpoint(service, pod) {
            let ports = ports(service, pod);
            let key = json!(ports).to_string();
            groups
                .entry(key)
                .or_insert_with(|| (ports, Vec::new()))
                .1
                .push(endpoint);
        }
    }
    let labels = labels(service);
    let mut decision = Decision::default();
    let mut left: Vec<&Object<EndpointSlice>> = slices.iter().collect();
    for (ports, endpoints) in groups.into_values() {
        let (own, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|it| array(&it.raw["ports"]) == ports);
        left = others;
        fill(service, &mut decision, &own, &ports, endpoints, &labels);
    }
    // A Service without endpoints keeps one empty slice.
    if decision.create.is_empty() && decision.update.is_empty() {
        let kept = slices.len() - left.len() > decision.delete.len();
        if !kept {
            let empty = || Contents {
                endpoints: Value::Null,
                ports: Value::Null,
                labels: labels.clone(),
            };
            match left.pop() {
                Some(one) => update(&mut decision, one, empty()),
                None => decision.create.push(slice(service, &empty())),
            }
        }
    }
    decision
        .delete
        .extend(left.into_iter().map(|it| it.name().to_owned()));
    decision
}

/// Spreads endpoints with the same ports over the slices that have them: each stays where it is.
fn fill(
    service: &Object<Service>,
    decision: &mut Decision,
    slices: &[&Object<EndpointSlice>],
    ports: &[Value],
    endpoints: Vec<Value>,
    labels: &Value,
) {
    let target = |it: &Value| {
        it["targetRef"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let mut wanted: BTreeMap<String, Value> = BTreeMap::new();
    let mut order = Vec::new();
    for endpoint in endpoints {
        order.push(target(&endpoint));
        wanted.insert(target(&endpoint), endpoint);
    }
    let mut kept: Vec<Vec<Value>> = slices
        .iter()
        .map(|slice| {
            let old = array(&slice.raw["endpoints"]).iter();
            old.filter_map(|it| wanted.remove(&target(it))).collect()
        })
        .collect();
    let mut new: Vec<Value> = order.iter().filter_map(|uid| wanted.remove(uid)).collect();
    for slice in &mut kept {
        let room = MOST.saturating_sub(slice.len()).min(new.len());
        slice.extend(new.drain(..room));
    }
    let contents = |endpoints: Vec<Value>| Contents {
        endpoints: json!(endpoints),
        ports: json!(ports),
        labels: labels.clone(),
    };
    for (slice, endpoints) in slices.iter().zip(kept) {
        if endpoints.is_empty() {
            decision.delete.push(slice.name().to_owned());
        } else {
            update(decision, slice, contents(endpoints));
        }
    }
    for chunk in new.chunks(MOST) {
        decision
            .create
            .push(slice(service, &contents(chunk.to_vec())));
    }
}

fn update(decision: &mut Decision, slice: &Object<EndpointSlice>, contents: Contents) {
    let raw = &slice.raw;
    let same = array(&raw["endpoints"]) == array(&contents.endpoints)
        && array(&raw["ports"]) == array(&contents.ports)
        && raw["metadata"]["labels"] == contents.labels;
    if !same {
        decision.update.push((slice.name().to_owned(), contents));
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Labels of the Service, and those that say whose the slice is.
fn labels(service: &Object<Service>) -> Value {
    let mut labels = Map::new();
    for (key, value) in service.metadata.labels.iter().flatten() {
        labels.insert(key.clone(), json!(value));
    }
    labels.insert(SERVICE_NAME.to_owned(), json!(service.name()));
    labels.insert(MANAGED_BY.to_owned(), json!(CONTROLLER));
    if service
        .spec
        .as_ref()
        .and_then(|it| it.cluster_ip.as_deref())
        == Some("None")
    {
        labels.insert(HEADLESS.to_owned(), json!(""));
    } else {
        labels.remove(HEADLESS);
    }
    Value::Object(labels)
}

fn slice(service: &Object<Service>, contents: &Contents) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "generateName": format!("{}-", service.name()),
            "namespace": service.namespace(),
            "labels": contents.labels,
            "ownerReferences": [owner_reference(&SERVICE, service.name(), service.uid())],
        },
        "addressType": "IPv4",
        "endpoints": contents.endpoints,
        "ports": contents.ports,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(change: impl FnOnce(&mut Value)) -> Object<Service> {
        let mut service = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "s", "labels": {"team": "blue"}},
            "spec": {"clusterIP": "127.0.0.1", "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        });
        change(&mut service);
        Object::of(service)
    }

    fn pod(number: usize, change: impl FnOnce(&mut Value)) -> Object<Pod> {
        let mut pod = json!({
            "metadata": {"name": format!("p{number:03}"), "namespace": "default", "uid": format!("u{number:03}")},
            "spec": {"nodeName": "local", "containers": [{"name": "main", "ports": [
                {"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
            "status": {"phase": "Running", "podIP": "127.1.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        change(&mut pod);
        Object::of(pod)
    }

    /// The slices after a decision, as the API stores them.
    fn stored(decision: &Decision) -> Vec<Object<EndpointSlice>> {
        let named = |(index, slice): (usize, &Value)| {
            let mut slice = slice.clone();
            slice["metadata"]["name"] = json!(format!("web-{index}"));
            Object::of(slice)
        };
        decision.create.iter().enumerate().map(named).collect()
    }

    fn conditions(decision: &Decision) -> Value {
        let conditions = &decision.create[0]["endpoints"][0]["conditions"];
        json!([
            conditions["ready"],
            conditions["serving"],
            conditions["terminating"]
        ])
    }

    #[test]
    fn a_service_has_a_slice_with_its_pods() {
        let decision = decide(&service(|_| ()), &[pod(1, |_| ())], &[]);
        let slice = &decision.create[0];
        assert_eq!(slice["metadata"]["generateName"], "web-");
        assert_eq!(
            slice["metadata"]["labels"],
            json!({"team": "blue", SERVICE_NAME: "web", MANAGED_BY: CONTROLLER})
        );
        assert_eq!(
            slice["ports"],
            json!([{"name": "http", "port": 8080, "protocol": "TCP"}])
        );
        assert_eq!(
            slice["endpoints"],
            json!([{"addresses": ["127.1.0.1"], "nodeName": "local",
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "targetRef": {"kind": "Pod", "namespace": "default", "name": "p001", "uid": "u001"}}])
        );
    }

    #[test]
    fn nothing_changes_when_nothing_did() {
        let (service, pods) = (service(|_| ()), [pod(1, |_| ()), pod(2, |_| ())]);
        let slices = stored(&decide(&service, &pods, &[]));
        assert_eq!(decide(&service, &pods, &slices), Decision::default());
    }

    #[test]
    fn conditions_follow_readiness_and_deletion() {
        let unready = |it: &mut Value| it["status"]["conditions"][0]["status"] = json!("False");
        let going =
            |it: &mut Value| it["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        let of = |pod: Object<Pod>| conditions(&decide(&service(|_| ()), &[pod], &[]));
        assert_eq!(of(pod(1, unready)), json!([false, false, false]));
        assert_eq!(of(pod(1, going)), json!([false, true, true]));
        let publish = service(|it| it["spec"]["publishNotReadyAddresses"] = json!(true));
        assert_eq!(
            conditions(&decide(&publish, &[pod(1, unready)], &[])),
            json!([true, false, false])
        );
    }

    #[test]
    fn pods_without_an_address_and_pods_that_ended_are_left_out() {
        let pods = [
            pod(1, |it| it["status"]["podIP"] = Value::Null),
            pod(2, |it| it["status"]["phase"] = json!("Succeeded")),
        ];
        let decision = decide(&service(|_| ()), &pods, &[]);
        assert_eq!(
            (decision.create.len(), &decision.create[0]["endpoints"]),
            (1, &Value::Null)
        );
    }

    #[test]
    fn a_service_without_endpoints_keeps_one_empty_slice() {
        let service = service(|_| ());
        let slices = stored(&decide(&service, &[pod(1, |_| ())], &[]));
        let emptied = decide(&service, &[], &slices);
        assert_eq!(
            (
                emptied.create.len(),
                emptied.delete.len(),
                emptied.update.len()
            ),
            (0, 0, 1)
        );
        assert_eq!(emptied.update[0].1.ports, Value::Null);
        let empty = stored(&decide(&service, &[], &[]));
        assert_eq!(decide(&service, &[], &empty), Decision::default());
        let filled = decide(&service, &[pod(1, |_| ())], &empty);
        assert_eq!((filled.create.len(), filled.delete.len()), (1, 1));
    }

    #[test]
    fn a_slice_has_at_most_a_hundred_endpoints_and_each_stays_where_it_is() {
        let service = service(|_| ());
        let pods: Vec<_> = (0..150).map(|number| pod(number, |_| ())).collect();
        let slices = stored(&decide(&service, &pods, &[]));
        let sizes: Vec<_> = slices.iter().map(|it| it.endpoints.len()).collect();
        assert_eq!(sizes, [100, 50]);
        let fewer: Vec<_> = pods.iter().skip(1).cloned().collect();
        let decision = decide(&service, &fewer, &slices);
        assert_eq!((decision.create.len(), decision.delete.len()), (0, 0));
        assert_eq!(decision.update.len(), 1);
        assert_eq!(decision.update[0].0, "web-0");
        assert_eq!(decision.update[0].1.endpoints.as_array().unwrap().len(), 99);
    }

    #[test]
    fn pods_with_other_ports_have_another_slice() {
        let other = pod(2, |it| {
            it["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(9090);
        });
        let decision = decide(&service(|_| ()), &[pod(1, |_| ()), other], &[]);
        let ports: Vec<_> = decision
            .create
            .iter()
            .map(|it| it["ports"][0]["port"].clone())
            .collect();
        assert_eq!(ports, [8080, 9090]);
    }

    #[test]
    fn a_headless_service_names_its_hosts() {
        let headless = service(|it| it["spec"]["clusterIP"] = json!("None"));
        let pod = pod(1, |it| {
            it["spec"]["hostname"] = json!("db-0");
            it["spec"]["subdomain"] = json!("web");
        });
        let decision = decide(&headless, &[pod], &[]);
        assert_eq!(decision.create[0]["endpoints"][0]["hostname"], "db-0");
        assert_eq!(decision.create[0]["metadata"]["labels"][HEADLESS], "");
    }
}
