//! `down`: deletes exactly what the program deployed, and waits until it is gone.

use std::{collections::BTreeSet, time::Duration};

use kube::api::PropagationPolicy;

use super::{
    apply::{
        Error, delete,
        object::generated_kinds,
        set,
        survey::{Parent, config_map, survey},
    },
    cluster::Cluster,
    report::{Event, Report},
};

/// How long pods are given to end.
const LIMIT: Duration = Duration::from_secs(120);

/// Deletes all members of an application's set, then its parent, and waits until they are gone.
///
/// Returns how many objects were deleted.
///
/// # Errors
/// [`Error::StillThere`] if objects do not go in time, or that the API server refuses.
///
/// # Cancel safety
/// May be dropped at any time; the next call goes on from there, because the parent goes last.
pub async fn down(cluster: &Cluster, app: &str, report: &Report) -> Result<usize, Error> {
    let id = set::Id::of(app, &cluster.namespace);
    let mut found = survey(cluster, app, &[], &BTreeSet::new()).await?;
    if found.parent.is_none() {
        // Somebody may have deleted the parent alone.
        found = survey(cluster, app, &[], &generated_kinds().collect()).await?;
    }
    let mut members = found.members.clone();
    members.sort_by_key(|member| (!member.is_workload(), member.key.clone()));
    let mut deleted = 0;
    let mut going = Vec::new();
    for member in &members {
        let resource = found.resource(&member.key);
        going.push((resource.clone(), member.key.clone(), member.uid.clone()));
        if member.deleting {
            continue;
        }
        let propagation = if member.is_workload() {
            PropagationPolicy::Foreground // waiting for it is then waiting for its pods
        } else {
            PropagationPolicy::Background
        };
        let label = (set::PART_OF, &id);
        if delete::delete(cluster, resource, label, member, propagation).await? {
            deleted += 1;
            report.event(Event::Deleted {
                kind: member.key.group_kind.kind.clone(),
                name: member.key.name.clone(),
            });
        }
    }
    if !going.is_empty() {
        report.event(Event::running("pods", "are given time to end"));
        delete::gone(cluster, &going, LIMIT).await?;
        report.event(Event::done("pods", "have ended"));
    }
    let parent = found
        .parent
        .filter(|parent| parent.id.as_deref() == Some(id.as_str()));
    if let Some(Parent { live, .. }) = parent {
        let label = (set::ID, &id);
        delete::delete(
            cluster,
            &config_map(),
            label,
            &live,
            PropagationPolicy::Background,
        )
        .await?;
    }
    Ok(deleted)
}
