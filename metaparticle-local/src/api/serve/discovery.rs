//! Which kinds are served, in the old and in the aggregated form.

use bytes::Bytes;
use http::{Request, Response, header};
use serde_json::{Value, json};

use super::{
    super::{
        failure::Failure,
        resource::{self, Resource},
    },
    Body, answer,
    route::Discovery,
};

/// The version of Kubernetes that is imitated.
const VERSION: (&str, &str, &str) = ("1", "36", "v1.36.3+metaparticle");
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(super) fn answer(
    what: &Discovery,
    request: &Request<Bytes>,
) -> Result<Response<Body>, Failure> {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let aggregated = accept.contains("g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    match what {
        Discovery::Root => {
            let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
            for (group, version) in groups() {
                paths.push(format!("/apis/{group}"));
                paths.push(format!("/apis/{group}/{version}"));
            }
            paths.extend(
                ["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned),
            );
            Ok(answer::value(200, &json!({"paths": paths})))
        }
        Discovery::Version => Ok(answer::value(200, &version())),
        Discovery::Core if aggregated => Ok(list(&[("", "v1")])),
        Discovery::Groups if aggregated => Ok(list(&groups())),
        Discovery::Core => Ok(answer::value(
            200,
            &json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        )),
        Discovery::Groups => {
            let groups: Vec<Value> = groups()
                .iter()
                .map(|(name, version)| group(name, version))
                .collect();
            Ok(answer::value(
                200,
                &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
            ))
        }
        Discovery::Group(name) => {
            let found = groups().into_iter().find(|(group, _)| group == name);
            let Some((name, version)) = found else {
                return Ok(answer::no_path());
            };
            let mut group = group(name, version);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            Ok(answer::value(200, &group))
        }
        Discovery::Version1(group, version) => {
            let resources: Vec<Value> = of(group, version).flat_map(old_entries).collect();
            if resources.is_empty() {
                return Err(Failure::no_such_path());
            }
            let name = if group.is_empty() {
                version.clone()
            } else {
                format!("{group}/{version}")
            };
            let mut list =
                json!({"kind": "APIResourceList", "groupVersion": name, "resources": resources});
            if !group.is_empty() {
                list["apiVersion"] = "v1".into();
            }
            Ok(answer::value(200, &list))
        }
    }
}

fn version() -> Value {
    let (major, minor, git) = VERSION;
    json!({
        "major": major, "minor": minor, "gitVersion": git, "gitCommit": "", "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// Groups but the core one, with their versions.
fn groups() -> Vec<(&'static str, &'static str)> {
    let mut groups: Vec<(&str, &str)> = Vec::new();
    for resource in resource::ALL.iter().filter(|it| !it.group.is_empty()) {
        if !groups.contains(&(resource.group, resource.version)) {
            groups.push((resource.group, resource.version));
        }
    }
    groups
}

fn of<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static Resource> + 'a {
    resource::ALL
        .iter()
        .copied()
        .filter(move |it| it.group == group && it.version == version)
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn verbs(resource: &Resource) -> Vec<&'static str> {
    let collection =
        |verb: &&str| *verb != "deletecollection" || resource.is_deleted_as_collection();
    VERBS.into_iter().filter(collection).collect()
}

/// A part of an object: its name, its kind (group, version, kind), its verbs.
type Part = (
    &'static str,
    (&'static str, &'static str, &'static str),
    Vec<&'static str>,
);

/// The parts of a kind.
fn parts(resource: &Resource) -> Vec<Part> {
    let mut parts = Vec::new();
    let own = (resource.group, resource.version, resource.kind);
    if resource.status {
        parts.push(("status", own, vec!["get", "patch", "update"]));
    }
    if resource.scale {
        parts.push((
            "scale",
            ("autoscaling", "v1", "Scale"),
            vec!["get", "patch", "update"],
        ));
    }
    if resource.kind == "Pod" {
        parts.push(("binding", ("", "v1", "Binding"), vec!["create"]));
        parts.push(("eviction", ("policy", "v1", "Eviction"), vec!["create"]));
        parts.push(("log", own, vec!["get"]));
        parts.push((
            "portforward",
            ("", "v1", "PodPortForwardOptions"),
            vec!["create", "get"],
        ));
    }
    if resource.kind == "Namespace" {
        parts.push(("finalize", own, vec!["update"]));
    }
    parts.sort_by_key(|(part, ..)| *part);
    parts
}

/// The entries of `/apis/GROUP/VERSION`.
fn old_entries(resource: &'static Resource) -> Vec<Value> {
    let mut whole = json!({
        "name": resource.plural, "singularName": resource.singular(), "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": verbs(resource),
    });
    if !resource.short.is_empty() {
        whole["shortNames"] = json!(resource.short);
    }
    if is_in_all(resource) {
        whole["categories"] = json!(["all"]);
    }
    let mut entries = vec![whole];
    for (part, (group, version, kind), verbs) in parts(resource) {
        let mut entry = json!({
            "name": format!("{}/{part}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
            "kind": kind, "verbs": verbs,
        });
        if (group, version) != (resource.group, resource.version) {
            entry["group"] = group.into();
            entry["version"] = version.into();
        }
        entries.push(entry);
    }
    entries
}

/// Whether `kubectl get all` shows it.
fn is_in_all(resource: &Resource) -> bool {
    matches!(
        resource.kind,
        "Pod"
            | "Service"
            | "Deployment"
            | "ReplicaSet"
            | "StatefulSet"
            | "Job"
            | "CronJob"
            | "HorizontalPodAutoscaler"
    )
}

/// An aggregated list of groups.
fn list(groups: &[(&'static str, &'static str)]) -> Response<Body> {
    let items: Vec<Value> = groups
        .iter()
        .map(|(group, version)| aggregated(group, version))
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    answer::with_type(200, AGGREGATED, list.to_string().into())
}

fn aggregated(group: &str, version: &str) -> Value {
    let resources: Vec<Value> = of(group, version).map(new_entry).collect();
    let mut metadata = json!({"creationTimestamp": null});
    if !group.is_empty() {
        metadata["name"] = group.into();
    }
    json!({
        "metadata": metadata,
        "versions": [{"version": version, "resources": resources, "freshness": "Current"}],
    })
}

fn new_entry(resource: &'static Resource) -> Value {
    // The group and version of the list are left out.
    let kind = |(group, version, kind): (&str, &str, &str)| {
        let own = (group, version) == (resource.group, resource.version);
        let (group, version) = if own { ("", "") } else { (group, version) };
        json!({"group": group, "version": version, "kind": kind})
    };
    let scope = if resource.namespaced {
        "Namespaced"
    } else {
        "Cluster"
    };
    let mut entry = json!({
        "resource": resource.plural, "responseKind": kind((resource.group, resource.version, resource.kind)),
        "scope": scope, "singularResource": resource.singular(), "verbs": verbs(resource),
    });
    if !resource.short.is_empty() {
        entry["shortNames"] = json!(resource.short);
    }
    if is_in_all(resource) {
        entry["categories"] = json!(["all"]);
    }
    let parts: Vec<Value> = parts(resource)
        .into_iter()
        .map(|(part, its, verbs)| json!({"subresource": part, "responseKind": kind(its), "verbs": verbs}))
        .collect();
    if !parts.is_empty() {
        entry["subresources"] = parts.into();
    }
    entry
}
