//! What a pod's spec says where its author is silent.

use serde_json::{Value, json};

use super::{
    super::edit::{absent, empty, items, present, slot},
    image::is_latest,
};
use crate::api::decode::Quantity;

/// A pod template.
pub(in crate::api::kinds) fn template(owner: &mut Value) {
    let template = slot(owner, "template");
    slot(template, "metadata");
    spec(slot(template, "spec"));
}

/// The spec of a pod itself, which gets more.
pub(in crate::api::kinds) fn pod(pod: &mut Value) {
    let on_host = pod["spec"]["hostNetwork"] == true;
    let pod = slot(pod, "spec");
    spec(pod);
    absent(pod, "enableServiceLinks", true);
    for list in ["containers", "initContainers"] {
        for container in items(pod, list) {
            requests_from_limits(container);
            for port in items(container, "ports").filter(|_| on_host) {
                let number = port["containerPort"].clone();
                empty(port, "hostPort", number);
            }
        }
    }
}

fn spec(spec: &mut Value) {
    empty(spec, "dnsPolicy", "ClusterFirst");
    empty(spec, "restartPolicy", "Always");
    absent(spec, "securityContext", json!({}));
    absent(spec, "terminationGracePeriodSeconds", 30);
    empty(spec, "schedulerName", "default-scheduler");
    mirror_service_account(spec);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        items(spec, list).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
}

/// `serviceAccount` is the old name of `serviceAccountName`, and always the same.
fn mirror_service_account(spec: &mut Value) {
    let old = spec["serviceAccount"].clone();
    if old != "" {
        empty(spec, "serviceAccountName", old);
    }
    let name = spec["serviceAccountName"].clone();
    let fields = spec.as_object_mut().expect("a spec is an object");
    if name.is_null() || name == "" {
        fields.remove("serviceAccount");
        fields.remove("serviceAccountName");
    } else {
        fields.insert("serviceAccount".to_owned(), name);
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let pull = if is_latest(image) {
        "Always"
    } else {
        "IfNotPresent"
    };
    empty(container, "imagePullPolicy", pull);
    empty(container, "terminationMessagePath", "/dev/termination-log");
    empty(container, "terminationMessagePolicy", "File");
    slot(container, "resources");
    for list in ["limits", "requests"] {
        if let Some(amounts) = present(&mut container["resources"], list) {
            canonical_amounts(amounts);
        }
    }
    for port in items(container, "ports") {
        empty(port, "protocol", "TCP");
    }
    for variable in items(container, "env") {
        if let Some(reference) = present(variable, "valueFrom") {
            field_and_resource(reference);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(it) = present(container, name) {
            probe(it);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(get) = container
            .get_mut("lifecycle")
            .and_then(|it| it.get_mut(hook))
            .and_then(|it| present(it, "httpGet"))
        {
            http_get(get);
        }
    }
}

fn probe(probe: &mut Value) {
    empty(probe, "timeoutSeconds", 1);
    empty(probe, "periodSeconds", 10);
    empty(probe, "successThreshold", 1);
    empty(probe, "failureThreshold", 3);
    if let Some(get) = present(probe, "httpGet") {
        http_get(get);
    }
    if let Some(grpc) = present(probe, "grpc") {
        absent(grpc, "service", "");
    }
}

fn http_get(get: &mut Value) {
    empty(get, "path", "/");
    empty(get, "scheme", "HTTP");
}

/// A `fieldRef` and a `resourceFieldRef`.
fn field_and_resource(source: &mut Value) {
    if let Some(field) = present(source, "fieldRef") {
        empty(field, "apiVersion", "v1");
    }
    if let Some(resource) = present(source, "resourceFieldRef") {
        absent(resource, "divisor", "0");
    }
}

/// Limits are requests where none are given; only in a pod.
fn requests_from_limits(container: &mut Value) {
    let resources = slot(container, "resources");
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else {
        return;
    };
    let requests = slot(resources, "requests");
    for (name, amount) in limits {
        absent(requests, &name, amount);
    }
}

/// Amounts in their canonical form.
fn canonical_amounts(amounts: &mut Value) {
    for amount in amounts
        .as_object_mut()
        .into_iter()
        .flat_map(|it| it.values_mut())
    {
        canonical_amount(amount);
    }
}

fn canonical_amount(amount: &mut Value) {
    if let Some(quantity) = Quantity::of(amount) {
        *amount = quantity.in_thousandths().canonical().into();
    }
}

fn volume(volume: &mut Value) {
    let sources = volume.as_object().into_iter().flatten();
    if !sources
        .into_iter()
        .any(|(key, value)| key != "name" && !value.is_null())
    {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(it) = present(volume, source) {
            absent(it, "defaultMode", 0o644);
        }
    }
    if let Some(limit) = volume.pointer_mut("/emptyDir/sizeLimit") {
        canonical_amount(limit);
    }
    if let Some(path) = present(volume, "hostPath") {
        absent(path, "type", "");
    }
    if let Some(api) = present(volume, "downwardAPI") {
        items(api, "items").for_each(field_and_resource);
    }
    if let Some(projected) = present(volume, "projected") {
        for source in items(projected, "sources") {
            if let Some(token) = present(source, "serviceAccountToken") {
                absent(token, "expirationSeconds", 3600);
            }
            if let Some(api) = present(source, "downwardAPI") {
                items(api, "items").for_each(field_and_resource);
            }
        }
    }
}
