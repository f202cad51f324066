//! Namespaces: one that is being deleted is emptied, then goes; every other has a ServiceAccount `default`.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::api::{
    Api, Change,
    failure::Failure,
    resource::{ALL, NAMESPACE, Resource, SERVICE_ACCOUNT},
};

use super::{
    adoption::{MANAGER, delete, unless_gone, write},
    run::Controller,
};

/// The controller.
#[derive(Debug)]
pub(super) struct Namespaces;

impl Controller for Namespaces {
    type Key = String;

    fn watches(&self) -> Vec<&'static Resource> {
        ALL.iter()
            .copied()
            .filter(|it| it.namespaced || *it == &NAMESPACE)
            .collect()
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<String> {
        if change.resource == &NAMESPACE {
            return vec![change.name.clone()];
        }
        let is_account = change.resource == &SERVICE_ACCOUNT && change.deleted;
        let is_going = || {
            let namespace = api.get(&NAMESPACE, "", &change.namespace);
            namespace.is_some_and(|it| !it["metadata"]["deletionTimestamp"].is_null())
        };
        let concerned = is_account || is_going();
        concerned
            .then(|| change.namespace.clone())
            .into_iter()
            .collect()
    }

    fn reconcile(&mut self, api: &Api, name: &String) -> Result<Option<Duration>, Failure> {
        let Some(namespace) = api.get(&NAMESPACE, "", name) else {
            return Ok(None);
        };
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            if api.get(&SERVICE_ACCOUNT, name, "default").is_none() {
                let account = json!({"metadata": {"name": "default", "namespace": name}});
                api.create(&SERVICE_ACCOUNT, name, account, MANAGER)?;
            }
            return Ok(None);
        }
        for resource in namespaced() {
            for object in api.list(resource, Some(name)) {
                if object["metadata"]["deletionTimestamp"].is_null() {
                    let object = object["metadata"]["name"].as_str().unwrap_or_default();
                    delete(api, resource, name, object)?;
                }
            }
        }
        let remaining = Remaining::count(namespaced().flat_map(|it| {
            api.list(it, Some(name))
                .into_iter()
                .map(move |object| (it, object))
        }));
        if remaining.resources.is_empty() {
            unless_gone(api.finalize(name, MANAGER))?;
            return Ok(None);
        }
        let uid = namespace["metadata"]["uid"].as_str().unwrap_or_default();
        let now = api.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        write(api, &NAMESPACE, "", name, uid, |object| {
            let conditions = remaining.conditions(&object["status"]["conditions"], &now);
            object["status"]["conditions"] = conditions;
        })?;
        Ok(None)
    }
}

fn namespaced() -> impl Iterator<Item = &'static Resource> {
    ALL.iter().copied().filter(|it| it.namespaced)
}

/// What is still in a namespace.
#[derive(Debug, Default)]
struct Remaining {
    /// By kind.
    resources: BTreeMap<String, usize>,
    /// By finalizer.
    finalizers: BTreeMap<String, usize>,
}

impl Remaining {
    fn count<O: std::ops::Deref<Target = Value>>(
        objects: impl Iterator<Item = (&'static Resource, O)>,
    ) -> Self {
        let mut remaining = Self::default();
        for (resource, object) in objects {
            let kind = format!("{}.{}", resource.plural, resource.group);
            *remaining.resources.entry(kind).or_default() += 1;
            for finalizer in object["metadata"]["finalizers"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let finalizer = finalizer.as_str().unwrap_or_default().to_owned();
                *remaining.finalizers.entry(finalizer).or_default() += 1;
            }
        }
        remaining
    }

    /// The conditions of the namespace; one that stays as it was keeps its time.
    fn conditions(&self, before: &Value, now: &str) -> Value {
        let list = |of: &BTreeMap<String, usize>, verb: &str| {
            let words = of
                .iter()
                .map(|(name, count)| format!("{name} {verb} {count} resource instances"));
            words.collect::<Vec<_>>().join(", ")
        };
        let kinds = format!(
            "Some resources are remaining: {}",
            list(&self.resources, "has")
        );
        let finalizers = format!(
            "Some content in the namespace has finalizers remaining: {}",
            list(&self.finalizers, "in")
        );
        let (held, held_reason, held_message) = if self.finalizers.is_empty() {
            let message = "All content-preserving finalizers finished";
            ("False", "ContentHasNoFinalizers", message)
        } else {
            ("True", "SomeFinalizersRemain", finalizers.as_str())
        };
        let discovered = "All resources successfully discovered";
        let parsed = "All legacy kube types successfully parsed";
        let deleted = "All content successfully deleted, may be waiting on finalization";
        let all = [
            (
                "NamespaceDeletionDiscoveryFailure",
                "False",
                "ResourcesDiscovered",
                discovered,
            ),
            (
                "NamespaceDeletionGroupVersionParsingFailure",
                "False",
                "ParsedGroupVersions",
                parsed,
            ),
            (
                "NamespaceDeletionContentFailure",
                "False",
                "ContentDeleted",
                deleted,
            ),
            (
                "NamespaceContentRemaining",
                "True",
                "SomeResourcesRemain",
                &kinds,
            ),
            (
                "NamespaceFinalizersRemaining",
                held,
                held_reason,
                held_message,
            ),
        ];
        let condition = |(type_, status, reason, message): (&str, &str, &str, &str)| {
            let mut same = before
                .as_array()
                .into_iter()
                .flatten()
                .filter(|it| it["type"] == type_);
            let since = same
                .find(|it| it["status"] == status)
                .map(|it| &it["lastTransitionTime"]);
            let since = since.cloned().unwrap_or_else(|| json!(now));
            json!({"type": type_, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": since})
        };
        all.map(condition).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::api::resource::{CONFIG_MAP, DEPLOYMENT};

    use super::*;

    #[test]
    fn what_remains_is_told_by_kind_and_finalizer() {
        let held = json!({"metadata": {"finalizers": ["example.com/stuck"]}});
        let free = json!({"metadata": {}});
        let remaining = Remaining::count(
            [
                (&CONFIG_MAP, &held),
                (&DEPLOYMENT, &held),
                (&CONFIG_MAP, &free),
            ]
            .into_iter(),
        );
        let conditions = remaining.conditions(&Value::Null, "now");
        assert_eq!(
            conditions[3]["message"],
            "Some resources are remaining: configmaps. has 2 resource instances, \
             deployments.apps has 1 resource instances"
        );
        assert_eq!(
            conditions[4]["message"],
            "Some content in the namespace has finalizers remaining: example.com/stuck in 2 resource instances"
        );
    }

    #[test]
    fn a_condition_that_stays_keeps_its_time() {
        let remaining = Remaining::count([(&CONFIG_MAP, &json!({}))].into_iter());
        let first = remaining.conditions(&Value::Null, "then");
        assert_eq!(remaining.conditions(&first, "now"), first);
        assert_eq!(first[4]["reason"], "ContentHasNoFinalizers");
    }
}
