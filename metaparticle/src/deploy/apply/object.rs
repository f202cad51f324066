//! [`Desired`] and [`Live`]: an object as it is wanted, and what the deployer needs to know of one that exists.

use std::fmt;

use kube::{
    Resource, ResourceExt as _,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

use super::set;

/// Group and kind: what an `ApplySet` records. In text: `Service`, `Deployment.apps`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupKind {
    pub(crate) group: String,
    pub(crate) kind: String,
}

/// Kind and name: which object of the namespace is meant. In text: `Deployment/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) group_kind: GroupKind,
    pub(crate) name: String,
}

/// An object as it is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Desired {
    pub(crate) api: ApiResource,
    pub(crate) key: Key,
    /// Complete manifest, with namespace and membership.
    pub(crate) manifest: Value,
}

/// An object that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) key: Key,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    /// The `ApplySet` that it says it belongs to.
    pub(crate) part_of: Option<String>,
    /// Who set fields of it, each once; its status apart.
    pub(crate) managers: Vec<String>,
    /// The object that controls it: `Deployment/web`.
    pub(crate) controller: Option<String>,
    /// Whether it is about to go.
    pub(crate) deleting: bool,
}

impl GroupKind {
    pub(crate) fn of(api: &ApiResource) -> Self {
        Self {
            group: api.group.clone(),
            kind: api.kind.clone(),
        }
    }

    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Self {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
        }
    }
}

impl Desired {
    /// Takes a generated manifest into a namespace and an `ApplySet`.
    pub(crate) fn new(mut manifest: Value, namespace: &str, set: &set::Id) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (group, version) = {
            let version = text(&manifest["apiVersion"]);
            match version.split_once('/') {
                Some((group, version)) => (group.to_owned(), version.to_owned()),
                None => (String::new(), version),
            }
        };
        let kind = text(&manifest["kind"]);
        let name = text(&manifest["metadata"]["name"]);
        manifest["metadata"]["namespace"] = namespace.into();
        manifest["metadata"]["labels"][set::PART_OF] = set.as_str().into();
        Self {
            api: ApiResource::from_gvk(&GroupVersionKind {
                group: group.clone(),
                version,
                kind: kind.clone(),
            }),
            key: Key {
                group_kind: GroupKind { group, kind },
                name,
            },
            manifest,
        }
    }
}

impl Live {
    /// Whether it makes pods.
    pub(crate) fn is_workload(&self) -> bool {
        let GroupKind { group, kind } = &self.key.group_kind;
        matches!(
            (group.as_str(), kind.as_str()),
            ("apps", "Deployment" | "StatefulSet") | ("batch", "Job" | "CronJob")
        )
    }

    /// What the metadata of an object of kind `api` says.
    pub(crate) fn new<K: Resource>(api: &ApiResource, object: &K) -> Self {
        let meta = object.meta();
        let mut managers: Vec<String> = object
            .managed_fields()
            .iter()
            .filter(|entry| entry.subresource.as_deref() != Some("status"))
            .filter_map(|entry| entry.manager.clone())
            .collect();
        managers.sort();
        managers.dedup();
        let controller = object
            .owner_references()
            .iter()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| format!("{}/{}", owner.kind, owner.name));
        Self {
            key: Key {
                group_kind: GroupKind::of(api),
                name: object.name_any(),
            },
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
            part_of: object.labels().get(set::PART_OF).cloned(),
            managers,
            controller,
            deleting: meta.deletion_timestamp.is_some(),
        }
    }
}

/// Kinds of which this version generates objects.
pub(crate) fn generated_kinds() -> impl Iterator<Item = GroupKind> {
    [
        "ServiceAccount",
        "Role.rbac.authorization.k8s.io",
        "RoleBinding.rbac.authorization.k8s.io",
        "Service",
        "PodDisruptionBudget.policy",
        "Deployment.apps",
        "StatefulSet.apps",
        "Job.batch",
    ]
    .into_iter()
    .map(GroupKind::parse)
}

/// The version in which objects of a kind are asked for, if this crate has ever generated it.
pub(crate) fn known_resource(group_kind: &GroupKind) -> Option<ApiResource> {
    let version = match (group_kind.group.as_str(), group_kind.kind.as_str()) {
        ("", "ConfigMap" | "Secret" | "Service" | "ServiceAccount")
        | ("apps", "Deployment" | "StatefulSet")
        | ("batch", "Job" | "CronJob")
        | ("networking.k8s.io", "Ingress" | "NetworkPolicy")
        | ("policy", "PodDisruptionBudget")
        | ("rbac.authorization.k8s.io", "Role" | "RoleBinding") => "v1",
        ("autoscaling", "HorizontalPodAutoscaler") => "v2",
        _ => return None,
    };
    Some(ApiResource::from_gvk(&GroupVersionKind {
        group: group_kind.group.clone(),
        version: version.to_owned(),
        kind: group_kind.kind.clone(),
    }))
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.group.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.group)
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group_kind.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_group_kind_is_read_as_it_is_written() {
        for text in [
            "Service",
            "Deployment.apps",
            "Role.rbac.authorization.k8s.io",
        ] {
            assert_eq!(GroupKind::parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_desired_object_is_in_the_namespace_and_the_set() {
        let id = set::Id::of("web", "shop");
        let manifest = json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "labels": {"a": "b"}},
        });
        let desired = Desired::new(manifest, "shop", &id);
        assert_eq!(desired.key.to_string(), "PodDisruptionBudget/web");
        assert_eq!(desired.api.plural, "poddisruptionbudgets");
        assert_eq!(desired.manifest["metadata"]["namespace"], "shop");
        assert_eq!(
            desired.manifest["metadata"]["labels"],
            json!({"a": "b", "applyset.kubernetes.io/part-of": id.as_str()})
        );
    }
}
