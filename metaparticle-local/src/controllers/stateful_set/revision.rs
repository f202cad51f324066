//! Revisions of a StatefulSet: its templates, each kept as a ControllerRevision.

use std::collections::HashSet;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use serde_json::{Value, json};

use crate::api::resource::STATEFUL_SET;
use crate::controllers::{
    hash::hash,
    object::{Object, owner_reference},
};

/// One template and its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Revision {
    pub(super) name: String,
    pub(super) template: Value,
}

/// The revisions that matter, and what to do for them.
#[derive(Debug, PartialEq)]
pub(super) struct Revisions {
    /// That of the pods that are not updated yet.
    pub(super) current: Revision,
    /// That of the StatefulSet's template.
    pub(super) update: Revision,
    /// `status.collisionCount`.
    pub(super) collisions: i32,
    /// A new ControllerRevision.
    pub(super) create: Option<Value>,
    /// One that comes back: its name and new number.
    pub(super) renumber: Option<(String, i64)>,
}

/// Finds them. `taken`: names of ControllerRevisions of others.
pub(super) fn revisions(
    set: &Object<StatefulSet>,
    own: &[Object<ControllerRevision>],
    taken: &HashSet<String>,
) -> Revisions {
    let data = data(set.template());
    let status = set.status.as_ref();
    let mut collisions = status.and_then(|it| it.collision_count).unwrap_or_default();
    let latest = own.iter().map(|it| it.revision).max().unwrap_or_default();
    let equal = own
        .iter()
        .filter(|it| it.raw["data"] == data)
        .max_by_key(|it| it.revision);
    let (mut create, mut renumber) = (None, None);
    let name = if let Some(equal) = equal {
        if equal.revision < latest {
            renumber = Some((equal.name().to_owned(), latest + 1));
        }
        equal.name().to_owned()
    } else {
        let name = |hash: &str| format!("{}-{hash}", set.name());
        let is_taken = |name: &str| taken.contains(name) || own.iter().any(|it| it.name() == name);
        while is_taken(&name(&hash(&data, Some(collisions)))) {
            collisions += 1;
        }
        let hash = hash(&data, Some(collisions));
        create = Some(object(set, &hash, &data, latest + 1));
        name(&hash)
    };
    let update = Revision {
        name,
        template: set.template().clone(),
    };
    let before = status.and_then(|it| it.current_revision.as_deref());
    let current = own
        .iter()
        .find(|it| Some(it.name()) == before)
        .map(|it| Revision {
            name: it.name().to_owned(),
            template: template(&it.raw["data"]),
        });
    Revisions {
        current: current.unwrap_or_else(|| update.clone()),
        update,
        collisions,
        create,
        renumber,
    }
}

/// A template as a patch of a StatefulSet, which is how ControllerRevisions keep it.
fn data(template: &Value) -> Value {
    let mut template = template.clone();
    template["$patch"] = json!("replace");
    json!({"spec": {"template": template}})
}

fn template(data: &Value) -> Value {
    let mut template = data["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    template
}

fn object(set: &Object<StatefulSet>, hash: &str, data: &Value, revision: i64) -> Value {
    let mut labels = set.template()["metadata"]["labels"].clone();
    labels["controller.kubernetes.io/hash"] = json!(hash);
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {
            "name": format!("{}-{hash}", set.name()),
            "namespace": set.namespace(),
            "labels": labels,
            "ownerReferences": [owner_reference(&STATEFUL_SET, set.name(), set.uid())],
        },
        "data": data,
        "revision": revision,
    });
    if let Some(annotations) = set.raw["metadata"].get("annotations") {
        object["metadata"]["annotations"] = annotations.clone();
    }
    object
}

/// Names of those beyond `spec.revisionHistoryLimit` that no pod has, the oldest first.
pub(super) fn surplus<'a>(
    set: &StatefulSet,
    own: &'a [Object<ControllerRevision>],
    used: &HashSet<&str>,
) -> Vec<&'a str> {
    let limit = set
        .spec
        .as_ref()
        .and_then(|it| it.revision_history_limit)
        .unwrap_or(10);
    let mut history: Vec<_> = own.iter().filter(|it| !used.contains(it.name())).collect();
    history.sort_by_key(|it| it.revision);
    let surplus = history
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or_default());
    history
        .into_iter()
        .take(surplus)
        .map(Object::name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(image: &str, current: &str) -> Object<StatefulSet> {
        Object::of(json!({
            "metadata": {"name": "db", "namespace": "default", "uid": "s", "annotations": {"a": "b"}},
            "spec": {"selector": {}, "serviceName": "db", "revisionHistoryLimit": 1, "template":
                {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "main", "image": image}]}}},
            "status": {"replicas": 0, "currentRevision": current},
        }))
    }

    fn stored(mut revision: Value, number: i64) -> Object<ControllerRevision> {
        revision["revision"] = json!(number);
        Object::of(revision)
    }

    fn made(image: &str) -> Value {
        revisions(&set(image, ""), &[], &HashSet::new())
            .create
            .unwrap()
    }

    fn name(revision: &Value) -> &str {
        revision["metadata"]["name"].as_str().unwrap()
    }

    #[test]
    fn a_new_template_is_a_new_revision() {
        let first = made("v1");
        assert_eq!(first["metadata"]["labels"]["app"], "db");
        assert_eq!(
            name(&first),
            format!(
                "db-{}",
                first["metadata"]["labels"]["controller.kubernetes.io/hash"]
                    .as_str()
                    .unwrap()
            )
        );
        assert_eq!(first["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(first["data"]["spec"]["template"]["$patch"], "replace");
        assert_eq!(first["revision"], 1);
        let own = [stored(first.clone(), 1)];
        let next = revisions(&set("v2", name(&first)), &own, &HashSet::new());
        assert_eq!(next.current.name, name(&first));
        assert_eq!(
            next.current.template["spec"]["containers"][0]["image"],
            "v1"
        );
        assert_eq!(next.current.template.get("$patch"), None);
        assert_eq!(next.create.unwrap()["revision"], 2);
    }

    #[test]
    fn a_template_that_comes_back_gets_the_highest_number() {
        let (first, second) = (made("v1"), made("v2"));
        let own = [stored(first.clone(), 1), stored(second.clone(), 2)];
        let back = revisions(&set("v1", name(&second)), &own, &HashSet::new());
        assert_eq!(
            (back.create, back.renumber),
            (None, Some((name(&first).to_owned(), 3)))
        );
        let same = revisions(&set("v2", name(&second)), &own, &HashSet::new());
        assert_eq!((same.create, same.renumber), (None, None));
    }

    #[test]
    fn a_name_that_is_taken_is_a_collision() {
        let first = made("v1");
        let taken = HashSet::from([name(&first).to_owned()]);
        let found = revisions(&set("v1", ""), &[], &taken);
        assert_eq!(found.collisions, 1);
        assert_ne!(found.update.name, name(&first));
    }

    #[test]
    fn revisions_without_pods_are_kept_up_to_the_limit() {
        let own: Vec<_> = [("a", 3), ("b", 1), ("c", 2), ("d", 4)]
            .map(|(name, number)| stored(json!({"metadata": {"name": name}}), number))
            .into();
        let used = HashSet::from(["d"]);
        assert_eq!(surplus(&set("v1", ""), &own, &used), ["b", "c"]);
    }
}
