//! Which pods a controller has, and which controllers a change of a pod concerns.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::LabelSelector};
use kube::ResourceExt;
use serde::Deserialize;

use crate::api::{
    Api, Change,
    failure::Failure,
    resource::{POD, Resource},
};

use super::{
    adoption::{adopt, release},
    object::{Object, controller_uid},
    run::Key,
    selector::{Claim, Labels, claim, matches},
};

/// The pods of a controller, after it took those that match and let go those that no longer do.
pub(super) fn claimed<O: ResourceExt>(
    api: &Api,
    kind: &'static Resource,
    owner: &Object<O>,
    selector: &LabelSelector,
) -> Result<Vec<Object<Pod>>, Failure> {
    let uid = owner.uid();
    let relevant = |pod: &serde_json::Value| controller_uid(pod).is_none_or(|it| it == uid);
    let mut pods = Vec::new();
    for pod in Object::<Pod>::list(api, &POD, owner.namespace(), relevant) {
        match claim(uid, owner.is_deleting(), selector, &pod.metadata) {
            Claim::Keep => pods.push(pod),
            Claim::Adopt => pods.extend(Object::parse(adopt(api, &POD, &pod, kind, owner)?)),
            Claim::Release => drop(release(api, &POD, &pod, uid)?),
            Claim::Ignore => {}
        }
    }
    Ok(pods)
}

/// The controllers of a kind that a changed pod concerns: its own, or those that may take it.
pub(super) fn owners(api: &Api, kind: &'static Resource, change: &Change) -> Vec<Key> {
    let all = api.list(kind, Some(&change.namespace));
    let owner = controller_uid(&change.object);
    let labels = Labels::deserialize(&change.object["metadata"]["labels"]).unwrap_or_default();
    let concerned = all.iter().filter(|it| match owner {
        Some(uid) => it["metadata"]["uid"] == uid,
        None => LabelSelector::deserialize(&it["spec"]["selector"])
            .is_ok_and(|selector| matches(&selector, &labels)),
    });
    let names = concerned.filter_map(|it| it["metadata"]["name"].as_str());
    names
        .map(|name| (change.namespace.clone(), name.to_owned()))
        .collect()
}
