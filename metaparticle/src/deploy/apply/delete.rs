//! [`delete`]: one member is deleted, and never another object that took its name.

use std::time::Duration;

use kube::{
    ResourceExt as _,
    api::{DeleteParams, Preconditions, PropagationPolicy},
    core::{ApiResource, DynamicObject, PartialObjectMeta},
};

use super::{
    Error,
    object::{Key, Live},
    set::Id,
};
use crate::deploy::cluster::{self, Cluster};

/// How often a member is looked at again after it changed between look and deletion.
const ATTEMPTS: usize = 8;

/// Deletes an object of the set: only while it has the identity and the `label` that it had when it was found
/// ([`super::set::PART_OF`] of a member, [`super::set::ID`] of the parent).
///
/// Returns whether it is this call that deleted it.
///
/// # Errors
/// [`cluster::Error`] if the API server refuses.
///
/// # Cancel safety
/// Cancel safe: the member is deleted or not.
pub(crate) async fn delete(
    cluster: &Cluster,
    resource: &ApiResource,
    (label, set): (&str, &Id),
    member: &Live,
    propagation: PropagationPolicy,
) -> Result<bool, cluster::Error> {
    let api = cluster.api(resource);
    let mut version = Some(member.resource_version.clone());
    for attempt in 0.. {
        let params = DeleteParams {
            propagation_policy: Some(propagation.clone()),
            preconditions: Some(Preconditions {
                uid: Some(member.uid.clone()),
                // If it changes faster than we look, its identity alone must do.
                resource_version: version.filter(|_| attempt < ATTEMPTS),
            }),
            ..DeleteParams::default()
        };
        let answer = cluster
            .call(format_args!("delete {}", member.key), async || {
                api.delete(&member.key.name, &params).await
            })
            .await;
        match answer {
            Ok(_) => return Ok(true),
            Err(error) if error.is_not_found() => break,
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) if error.is_conflict() => break, // another identity
            Err(error) => return Err(error),
        }
        // Its status may have changed, or it may no longer be ours.
        match look(cluster, resource, &member.key.name).await? {
            Some(now) if is_same(&now, &member.uid, label, set) => version = now.resource_version(),
            _ => break,
        }
    }
    Ok(false)
}

/// Waits until objects of these identities are gone.
///
/// # Errors
/// [`Error::StillThere`] after `limit`, or that the API server refuses.
///
/// # Cancel safety
/// Cancel safe: it only looks.
pub(crate) async fn gone(
    cluster: &Cluster,
    objects: &[(ApiResource, Key, String)],
    limit: Duration,
) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + limit;
    let mut left: Vec<&(ApiResource, Key, String)> = objects.iter().collect();
    let mut pause = Duration::from_millis(50);
    loop {
        let mut still = Vec::new();
        for object in left {
            let (resource, key, uid) = object;
            let now = look(cluster, resource, &key.name).await?;
            if now.is_some_and(|now| now.metadata.uid.as_ref() == Some(uid)) {
                still.push(object);
            }
        }
        if still.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            let names: Vec<String> = still.iter().map(|(_, key, _)| key.to_string()).collect();
            return Err(Error::StillThere {
                objects: names.join(", "),
                seconds: limit.as_secs(),
            });
        }
        left = still;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

/// The metadata of an object, if it exists.
pub(crate) async fn look(
    cluster: &Cluster,
    resource: &ApiResource,
    name: &str,
) -> Result<Option<PartialObjectMeta<DynamicObject>>, cluster::Error> {
    let api = cluster.api(resource);
    cluster
        .call(format_args!("read {}/{name}", resource.kind), async || {
            api.get_metadata_opt(name).await
        })
        .await
}

fn is_same(now: &PartialObjectMeta<DynamicObject>, uid: &str, label: &str, set: &Id) -> bool {
    now.metadata.uid.as_deref() == Some(uid)
        && now.labels().get(label).map(String::as_str) == Some(set.as_str())
}
