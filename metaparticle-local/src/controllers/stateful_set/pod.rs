//! The pods of a StatefulSet: names and labels by ordinal.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use serde_json::{Value, json};

use crate::api::resource::STATEFUL_SET;
use crate::controllers::{object::Object, pods::from_template};

use super::revision::Revision;

/// The label with the name of the pod's revision.
pub(super) const REVISION: &str = "controller-revision-hash";
/// The label with the pod's name, for Services of one pod.
pub(super) const NAME: &str = "statefulset.kubernetes.io/pod-name";
/// The label with the pod's ordinal.
const INDEX: &str = "apps.kubernetes.io/pod-index";

/// The ordinal in a pod's name.
pub(super) fn ordinal(set: &str, pod: &str) -> Option<i32> {
    let digits = pod.strip_prefix(set)?.strip_prefix('-')?;
    digits
        .bytes()
        .all(|it| it.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// The revision that a pod was made from.
pub(super) fn revision(pod: &Pod) -> Option<&str> {
    pod.metadata
        .labels
        .as_ref()?
        .get(REVISION)
        .map(String::as_str)
}

/// The pod of an ordinal.
pub(super) fn pod(set: &Object<StatefulSet>, ordinal: i32, revision: &Revision) -> Value {
    let name = format!("{}-{ordinal}", set.name());
    let mut pod = from_template(&revision.template, &STATEFUL_SET, set.name(), set.uid());
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["labels"][NAME] = json!(name);
    pod["metadata"]["labels"][INDEX] = json!(ordinal.to_string());
    pod["metadata"]["labels"][REVISION] = json!(revision.name);
    pod["spec"]["hostname"] = json!(name);
    if let Some(service) = set.raw["spec"]["serviceName"]
        .as_str()
        .filter(|it| !it.is_empty())
    {
        pod["spec"]["subdomain"] = json!(service);
    }
    pod
}

/// Makes up for labels that somebody took away.
pub(super) fn identify(pod: &mut Value, name: &str, ordinal: i32) {
    pod["metadata"]["labels"][NAME] = json!(name);
    pod["metadata"]["labels"][INDEX] = json!(ordinal.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_read_from_names_of_the_set_only() {
        assert_eq!(ordinal("db", "db-12"), Some(12));
        assert_eq!(ordinal("db", "db-x"), None);
        assert_eq!(ordinal("db", "db-"), None);
        assert_eq!(ordinal("db", "db-+1"), None);
        assert_eq!(ordinal("db", "dbx-1"), None);
        assert_eq!(ordinal("db", "db-a-1"), None);
    }

    #[test]
    fn a_pod_is_known_by_its_ordinal() {
        let set = Object::of(
            json!({"metadata": {"name": "db", "namespace": "default", "uid": "s"},
            "spec": {"selector": {}, "serviceName": "peers", "template": {}}}),
        );
        let template = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": []}});
        let revision = Revision {
            name: "db-x".to_owned(),
            template,
        };
        let pod = pod(&set, 3, &revision);
        assert_eq!(pod["metadata"]["name"], "db-3");
        assert_eq!(
            pod["metadata"]["labels"],
            json!({"app": "db", NAME: "db-3", INDEX: "3", REVISION: "db-x"})
        );
        assert_eq!(
            pod["spec"],
            json!({"containers": [], "hostname": "db-3", "subdomain": "peers"})
        );
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "StatefulSet");
    }
}
