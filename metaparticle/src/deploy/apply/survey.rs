//! [`survey`]: what exists in the namespace that concerns an application. Reads only.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use kube::{
    Api, ResourceExt as _,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta},
    discovery,
};

use super::{
    Error, delete,
    object::{Desired, GroupKind, Key, Live, known_resource},
    set,
};
use crate::deploy::cluster::{self, Cluster};

/// What exists in the namespace that concerns an application.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The parent of the application's set.
    pub(crate) parent: Option<Parent>,
    /// Counterparts of what is wanted.
    pub(crate) live: Vec<Live>,
    /// All members.
    pub(crate) members: Vec<Live>,
    /// How members of each kind are asked for.
    pub(crate) resources: Vec<ApiResource>,
}

/// The parent of a set, as it exists.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) live: Live,
    /// The set's id, if it is one's parent.
    pub(crate) id: Option<String>,
    pub(crate) tooling: String,
    pub(crate) group_kinds: BTreeSet<GroupKind>,
    /// The metadata, to compare with what is wanted.
    pub(crate) meta: PartialObjectMeta<DynamicObject>,
}

impl Survey {
    /// How an object that was found is asked for.
    pub(crate) fn resource(&self, found: &Key) -> &ApiResource {
        let mut resources = self.resources.iter();
        resources
            .find(|resource| GroupKind::of(resource) == found.group_kind)
            .expect("it was found by one of them")
    }
}

/// The kind of a set's parent.
pub(crate) fn config_map() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"))
}

/// Looks at the parent, at all members, and at everything that has the name of a wanted object.
///
/// Members are looked for among the kinds that the parent records, those of `desired`, and `also`.
///
/// # Errors
/// [`Error::OtherTool`] if another tool looks after the set, [`Error::Cluster`] if the API server refuses.
///
/// # Cancel safety
/// Cancel safe: it only reads.
pub(crate) async fn survey(
    cluster: &Cluster,
    app: &str,
    desired: &[Desired],
    also: &BTreeSet<GroupKind>,
) -> Result<Survey, Error> {
    let id = set::Id::of(app, &cluster.namespace);
    let parent = parent(cluster, app, &id).await?;
    let mut resources: Vec<ApiResource> = Vec::new();
    let mut seen = BTreeSet::new();
    for desired in desired {
        if seen.insert(desired.key.group_kind.clone()) {
            resources.push(desired.api.clone());
        }
    }
    let recorded = parent.iter().flat_map(|parent| &parent.group_kinds);
    for group_kind in recorded.chain(also) {
        if !seen.insert(group_kind.clone()) {
            continue;
        }
        // A kind that the server no longer serves has no members.
        if let Some(resource) = resource(cluster, group_kind).await? {
            resources.push(resource);
        }
    }
    let selector = format!("{}={id}", set::PART_OF);
    let lists = resources
        .iter()
        .map(|resource| members(cluster, resource, &selector));
    let members: Vec<Live> = try_join_all(lists).await?.concat();
    let unseen = desired.iter().filter(|desired| {
        let key = &desired.key;
        !members.iter().any(|member| member.key == *key)
    });
    let looks = unseen.map(|desired| async {
        let found = delete::look(cluster, &desired.api, &desired.key.name).await?;
        Ok::<_, cluster::Error>(found.map(|found| Live::new(&desired.api, &found)))
    });
    let mut live: Vec<Live> = try_join_all(looks).await?.into_iter().flatten().collect();
    let wanted = |member: &&Live| desired.iter().any(|desired| desired.key == member.key);
    live.extend(members.iter().filter(wanted).cloned());
    Ok(Survey {
        parent,
        live,
        members,
        resources,
    })
}

async fn parent(cluster: &Cluster, app: &str, id: &set::Id) -> Result<Option<Parent>, Error> {
    let name = set::parent_name(app);
    let Some(meta) = delete::look(cluster, &config_map(), &name).await? else {
        return Ok(None);
    };
    let annotation = |name| meta.annotations().get(name).cloned().unwrap_or_default();
    let parent = Parent {
        live: Live::new(&config_map(), &meta),
        id: meta.labels().get(set::ID).cloned(),
        tooling: annotation(set::TOOLING),
        group_kinds: set::group_kinds(&annotation(set::GROUP_KINDS)),
        meta,
    };
    if parent.id.as_deref() == Some(id.as_str()) && !set::is_ours(&parent.tooling) {
        return Err(Error::OtherTool {
            parent: name,
            tooling: parent.tooling,
        });
    }
    Ok(Some(parent))
}

async fn members(
    cluster: &Cluster,
    resource: &ApiResource,
    selector: &str,
) -> Result<Vec<Live>, cluster::Error> {
    let api: Api<DynamicObject> = cluster.api(resource);
    let params = ListParams::default().labels(selector);
    let list = cluster
        .call(format_args!("list {}", resource.plural), async || {
            api.list_metadata(&params).await
        })
        .await?;
    Ok(list
        .items
        .iter()
        .map(|item| Live::new(resource, item))
        .collect())
}

/// How objects of a kind are asked for: known, or asked from the server.
async fn resource(
    cluster: &Cluster,
    group_kind: &GroupKind,
) -> Result<Option<ApiResource>, cluster::Error> {
    if let Some(known) = known_resource(group_kind) {
        return Ok(Some(known));
    }
    let group = cluster
        .call(
            format_args!("discover {group_kind}"),
            async || match discovery::group(&cluster.client, &group_kind.group).await {
                Ok(group) => Ok(Some(group)),
                Err(kube::Error::Discovery(_)) => Ok(None),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
                Err(error) => Err(error),
            },
        )
        .await?;
    let kind = group.and_then(|group| group.recommended_kind(&group_kind.kind));
    Ok(kind.map(|(resource, _)| resource))
}
