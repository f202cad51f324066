//! Revisions of a Deployment: which ReplicaSet has its template, what a new one is called, which annotations they carry.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use crate::api::resource::DEPLOYMENT;
use crate::controllers::{
    hash::hash,
    object::{Object, owner_reference},
};

use super::bounds::Bounds;

/// The number of a template, on the Deployment and its ReplicaSets.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
/// Numbers that a ReplicaSet had before, with commas.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// `spec.replicas` of the Deployment when the ReplicaSet was scaled last.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with `maxSurge`.
pub(super) const MOST: &str = "deployment.kubernetes.io/max-replicas";
/// The label that tells the pods of templates apart.
pub(super) const HASH: &str = "pod-template-hash";
/// How long the history may become.
const HISTORY_LENGTH: usize = 2000;
/// Annotations of the Deployment that its ReplicaSets do not get.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];

/// Annotations of an object.
pub(super) type Annotations = BTreeMap<String, String>;

/// The revision that an object says to have; 0 if none.
pub(super) fn revision(annotations: &Annotations) -> i64 {
    annotations
        .get(REVISION)
        .and_then(|it| it.parse().ok())
        .unwrap_or_default()
}

/// Whether two templates are the same, the hash label aside.
pub(super) fn same_template(one: &Value, other: &Value) -> bool {
    let bare = |template: &Value| {
        let mut template = template.clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        template
    };
    bare(one) == bare(other)
}

/// Brings the annotations of the ReplicaSet with the Deployment's template up to date: the Deployment's own, and
/// `revision` if it is higher; the number before goes to the history.
pub(super) fn annotate(own: &mut Annotations, deployment: &Annotations, revision_number: i64) {
    for (key, value) in deployment {
        if !OWN.contains(&key.as_str()) {
            own.insert(key.clone(), value.clone());
        }
    }
    let before = revision(own);
    if before >= revision_number {
        return;
    }
    own.insert(REVISION.to_owned(), revision_number.to_string());
    if before > 0 {
        let mut history: Vec<String> = own
            .get(HISTORY)
            .into_iter()
            .flat_map(|it| it.split(','))
            .map(str::to_owned)
            .collect();
        history.push(before.to_string());
        while history.len() > 1 && history.join(",").len() > HISTORY_LENGTH {
            history.remove(0);
        }
        own.insert(HISTORY.to_owned(), history.join(","));
    }
}

/// Notes how many pods the Deployment wanted when the ReplicaSet was scaled.
pub(super) fn annotate_size(own: &mut Annotations, bounds: Bounds) {
    own.insert(DESIRED.to_owned(), bounds.replicas.to_string());
    own.insert(MOST.to_owned(), bounds.most().to_string());
}

/// The ReplicaSet of the Deployment's template.
pub(super) fn replica_set(
    deployment: &Object<Deployment>,
    annotations: &Annotations,
    replicas: i32,
) -> Value {
    let collisions = deployment.status.as_ref().and_then(|it| it.collision_count);
    let hash = hash(deployment.template(), collisions);
    let mut template = deployment.template().clone();
    template["metadata"]["labels"][HASH] = json!(hash);
    let mut selector = deployment.raw["spec"]["selector"].clone();
    selector["matchLabels"][HASH] = json!(hash);
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", deployment.name()),
            "namespace": deployment.namespace(),
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [owner_reference(&DEPLOYMENT, deployment.name(), deployment.uid())],
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    });
    if let Some(seconds) = deployment.raw["spec"].get("minReadySeconds") {
        set["spec"]["minReadySeconds"] = seconds.clone();
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations<const N: usize>(of: [(&str, &str); N]) -> Annotations {
        of.into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn a_template_that_comes_back_keeps_its_old_numbers_as_history() {
        let mut own = annotations([(REVISION, "3"), (HISTORY, "1")]);
        annotate(&mut own, &Annotations::new(), 5);
        assert_eq!(own, annotations([(REVISION, "5"), (HISTORY, "1,3")]));
        annotate(&mut own, &Annotations::new(), 4);
        assert_eq!(own, annotations([(REVISION, "5"), (HISTORY, "1,3")]));
    }

    #[test]
    fn a_replica_set_gets_the_annotations_of_the_deployment_but_not_kubectls() {
        let deployment = annotations([
            ("example.com/team", "blue"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
            (REVISION, "7"),
        ]);
        let mut own = Annotations::new();
        annotate(&mut own, &deployment, 1);
        assert_eq!(
            own,
            annotations([("example.com/team", "blue"), (REVISION, "1")])
        );
    }

    #[test]
    fn templates_are_compared_without_the_hash_label() {
        let one = json!({"metadata": {"labels": {"app": "web", HASH: "x"}}, "spec": {}});
        let other = json!({"metadata": {"labels": {"app": "web"}}, "spec": {}});
        assert!(same_template(&one, &other));
        let third = json!({"metadata": {"labels": {"app": "db"}}, "spec": {}});
        assert!(!same_template(&one, &third));
    }
}
