//! From generated manifests to objects in the cluster: server-side apply, `ApplySet`, prune.
//!
//! # Guarantees
//! - Nothing is written before everything was looked at: a name that another owner has stops it all.
//! - Fields of other managers are never overwritten, unless that was asked for.
//! - Only members of the application's own set, in its own namespace, are deleted, each by its identity.
//! - Whatever was interrupted is completed by the next run: the parent records kinds before their members exist, and
//!   forgets them after they are gone.
//! - What is already as wanted is not stored again.
//! - Objects of the whole cluster (the fencing policy) are shared: never members, never deleted.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams, PropagationPolicy},
    core::{ApiResource, DynamicObject},
};
use metaparticle_spec::render::is_shared;
use serde_json::{Value, json};

pub(crate) mod delete;
mod error;
pub(crate) mod object;
pub(crate) mod plan;
pub(crate) mod set;
mod shared;
pub(crate) mod survey;

pub use super::report::Change;
use super::{
    cluster::{self, Cluster},
    report::{Event, Report},
};
pub use error::Error;
use object::{Desired, GroupKind, Key};
use plan::{Collision, Owner, Plan, Write};
use survey::{Parent, Survey, config_map, survey};

/// Who we are in `managedFields`.
pub const MANAGER: &str = "metaparticle";
/// How long an object that is about to go is waited for before it is created anew.
const GOING: Duration = Duration::from_secs(120);

/// An object as it stands in the cluster after it was applied.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Group, version, kind and plural.
    pub api: ApiResource,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity: an object of the same name that is created later has another.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
    /// Its generation; the controller has seen it when `status.observedGeneration` is at least this.
    pub generation: Option<i64>,
    /// What the write did.
    pub change: Change,
}

/// What is to be applied.
#[derive(Debug)]
pub struct Request {
    /// Name of the application.
    pub app: String,
    /// Its objects, in the order in which they are written.
    pub manifests: Vec<Value>,
    /// Whether fields of other managers, and objects of nobody, are taken over.
    pub take_ownership: bool,
    /// Whether the namespace is created if it is not there.
    pub create_namespace: bool,
}

/// What [`apply`] did.
#[derive(Debug)]
pub struct Outcome {
    /// The application's own objects, in the order of [`Request::manifests`].
    pub applied: Vec<Applied>,
    /// How many objects were pruned.
    pub pruned: usize,
}

impl Outcome {
    /// Whether the cluster was already as wanted.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let same = |applied: &Applied| applied.change == Change::Unchanged;
        self.pruned == 0 && self.applied.iter().all(same)
    }
}

impl Request {
    fn desired(&self, cluster: &Cluster) -> Vec<Desired> {
        let id = set::Id::of(&self.app, &cluster.namespace);
        let manifests = self.manifests.iter();
        manifests
            .filter(|manifest| !is_shared(manifest))
            .cloned()
            .map(|manifest| Desired::new(manifest, &cluster.namespace, &id))
            .collect()
    }
}

/// Finds what would stop [`apply`] before anything was written: a missing namespace, names that others have. Writes
/// nothing.
///
/// # Errors
/// What [`apply`] would fail with.
///
/// # Cancel safety
/// Cancel safe: it only reads.
pub async fn preflight(cluster: &Cluster, request: &Request) -> Result<(), Error> {
    shared::preflight(cluster, &request.manifests).await?;
    if namespace_exists(cluster).await? {
        plan_of(cluster, request).await?;
    } else if !request.create_namespace {
        return Err(no_namespace(cluster));
    }
    Ok(())
}

/// Makes the cluster hold exactly the wanted objects of this application.
///
/// `armed` becomes true before the first object is written.
///
/// # Errors
/// [`Error`], by what is in the way. Objects that were written before stay; the next run goes on from there.
///
/// # Cancel safety
/// May be dropped at any time: the next run converges. A request that was sent may still take effect.
pub async fn apply(
    cluster: &Cluster,
    request: &Request,
    report: &Report,
    armed: &AtomicBool,
) -> Result<Outcome, Error> {
    if !namespace_exists(cluster).await? {
        if !request.create_namespace {
            return Err(no_namespace(cluster));
        }
        armed.store(true, Ordering::SeqCst);
        create_namespace(cluster).await?;
        report.event(Event::note(format!(
            "namespace {} created",
            cluster.namespace
        )));
    }
    let (survey, plan) = plan_of(cluster, request).await?;
    let writer = Writer {
        cluster,
        take_ownership: request.take_ownership,
    };
    let wanted_kinds: BTreeSet<GroupKind> = plan
        .writes
        .iter()
        .map(|write| write.desired.key.group_kind.clone())
        .collect();
    let recorded = survey.parent.as_ref().map(|parent| &parent.group_kinds);
    let all_kinds = recorded.into_iter().flatten().cloned();
    let all_kinds = all_kinds.chain(wanted_kinds.iter().cloned()).collect();
    let parent = survey.parent.as_ref();
    armed.store(true, Ordering::SeqCst);
    writer.parent(&request.app, parent, &all_kinds).await?;
    await_gone(cluster, &plan, &survey, report).await?;
    shared::ensure(cluster, &request.manifests, report).await?;

    let mut applied = Vec::with_capacity(plan.writes.len());
    for write in &plan.writes {
        let object = writer.object(write).await?;
        report.event(Event::Applied {
            kind: object.api.kind.clone(),
            name: object.name.clone(),
            change: object.change,
            resource_version: object.resource_version.clone(),
        });
        applied.push(object);
    }
    let pruned = prune(cluster, request, &survey, &plan, report).await?;
    if all_kinds != wanted_kinds {
        let now = survey_parent(cluster, &request.app).await?;
        writer
            .parent(&request.app, now.as_ref(), &wanted_kinds)
            .await?;
    }
    Ok(Outcome { applied, pruned })
}

/// Whether an object of this kind and name exists in the namespace, whoever's it is.
///
/// # Errors
/// [`Error::Cluster`] if the API server refuses.
///
/// # Cancel safety
/// Cancel safe: it only reads.
pub async fn exists(cluster: &Cluster, api: &ApiResource, name: &str) -> Result<bool, Error> {
    Ok(delete::look(cluster, api, name).await?.is_some())
}

async fn plan_of(cluster: &Cluster, request: &Request) -> Result<(Survey, Plan), Error> {
    let desired = request.desired(cluster);
    let survey = survey(cluster, &request.app, &desired, &BTreeSet::new()).await?;
    let id = set::Id::of(&request.app, &cluster.namespace);
    let parent = survey.parent.as_ref().and_then(|parent| {
        let owner = match &parent.id {
            Some(own) if own == id.as_str() => return None,
            Some(other) => Owner::Set(other.clone()),
            None if request.take_ownership => return None,
            None => Owner::Unlabelled(parent.live.managers.clone()),
        };
        Some(Collision {
            key: parent.live.key.clone(),
            owner,
        })
    });
    let members = survey.members.clone();
    let plan = plan::plan(&id, desired, &survey.live, members, request.take_ownership);
    match (plan, parent) {
        (Ok(plan), None) => Ok((survey, plan)),
        (plan, parent) => {
            let mut collisions = plan.err().unwrap_or_default();
            collisions.splice(0..0, parent);
            Err(Error::of_collisions(&collisions))
        }
    }
}

async fn survey_parent(cluster: &Cluster, app: &str) -> Result<Option<Parent>, Error> {
    Ok(survey(cluster, app, &[], &BTreeSet::new()).await?.parent)
}

/// Applies manifests, one at a time.
struct Writer<'a> {
    cluster: &'a Cluster,
    take_ownership: bool,
}

impl Writer<'_> {
    /// Writes the parent, unless it is as wanted.
    async fn parent(
        &self,
        app: &str,
        live: Option<&Parent>,
        group_kinds: &BTreeSet<GroupKind>,
    ) -> Result<(), Error> {
        let namespace = &self.cluster.namespace;
        let id = set::Id::of(app, namespace);
        let mut manifest = set::parent(app, namespace, &id, group_kinds);
        if let Some(live) = live {
            if holds(&manifest["metadata"], live) {
                return Ok(());
            }
            manifest["metadata"]["uid"] = live.live.uid.clone().into();
        }
        let key = Key {
            group_kind: GroupKind::of(&config_map()),
            name: set::parent_name(app),
        };
        self.patch(&config_map(), &key, &manifest).await?;
        Ok(())
    }

    async fn object(&self, write: &Write) -> Result<Applied, Error> {
        let Desired { api, key, manifest } = &write.desired;
        let mut manifest = manifest.clone();
        if let Some(live) = &write.live {
            // The server refuses if the object of this name is another by now.
            manifest["metadata"]["uid"] = live.uid.clone().into();
        }
        let object = self.patch(api, key, &manifest).await?;
        let resource_version = object.resource_version().unwrap_or_default();
        let change = match &write.live {
            None => Change::Created,
            Some(live) if live.resource_version == resource_version => Change::Unchanged,
            Some(_) => Change::Changed,
        };
        Ok(Applied {
            api: api.clone(),
            namespace: self.cluster.namespace.clone(),
            name: key.name.clone(),
            uid: object.uid().unwrap_or_default(),
            resource_version,
            generation: object.metadata.generation,
            change,
        })
    }

    async fn patch(
        &self,
        resource: &ApiResource,
        key: &Key,
        manifest: &Value,
    ) -> Result<DynamicObject, Error> {
        let api = self.cluster.api(resource);
        let mut params = PatchParams::apply(MANAGER).validation_strict();
        params.force = self.take_ownership;
        let patch = Patch::Apply(manifest);
        self.cluster
            .call(format_args!("apply {key}"), async || {
                api.patch(&key.name, &params, &patch).await
            })
            .await
            .map_err(|error| Error::of_write(key, error))
    }
}

/// Whether the parent already has the wanted labels and annotations.
fn holds(wanted: &Value, live: &Parent) -> bool {
    let has = |wanted: &Value, present: &std::collections::BTreeMap<String, String>| {
        wanted.as_object().is_some_and(|wanted| {
            wanted
                .iter()
                .all(|(name, value)| present.get(name).map(String::as_str) == value.as_str())
        })
    };
    has(&wanted["labels"], live.meta.labels())
        && has(&wanted["annotations"], live.meta.annotations())
}

async fn await_gone(
    cluster: &Cluster,
    plan: &Plan,
    survey: &Survey,
    report: &Report,
) -> Result<(), Error> {
    let going: Vec<_> = plan
        .await_gone
        .iter()
        .filter_map(|key| {
            let live = survey.live.iter().find(|live| live.key == *key)?;
            Some((survey.resource(key).clone(), key.clone(), live.uid.clone()))
        })
        .collect();
    for (_, key, _) in &going {
        report.event(Event::running(
            key.to_string(),
            "is being deleted; waits until it is gone",
        ));
    }
    delete::gone(cluster, &going, GOING).await?;
    for (_, key, _) in &going {
        report.event(Event::done(key.to_string(), "is gone"));
    }
    Ok(())
}

async fn prune(
    cluster: &Cluster,
    request: &Request,
    survey: &Survey,
    plan: &Plan,
    report: &Report,
) -> Result<usize, Error> {
    let id = set::Id::of(&request.app, &cluster.namespace);
    let mut pruned = 0;
    for member in &plan.prunes {
        let resource = survey.resource(&member.key);
        let policy = PropagationPolicy::Background;
        if delete::delete(cluster, resource, (set::PART_OF, &id), member, policy).await? {
            pruned += 1;
            report.event(Event::Pruned {
                kind: member.key.group_kind.kind.clone(),
                name: member.key.name.clone(),
            });
        }
    }
    Ok(pruned)
}

fn no_namespace(cluster: &Cluster) -> Error {
    Error::NoNamespace {
        namespace: cluster.namespace.clone(),
        context: cluster.context.clone(),
    }
}

fn namespaces(cluster: &Cluster) -> Api<k8s_openapi::api::core::v1::Namespace> {
    Api::all(cluster.client.clone())
}

/// Whether the namespace exists, or we may not know: then the first write tells.
async fn namespace_exists(cluster: &Cluster) -> Result<bool, Error> {
    let name = &cluster.namespace;
    let api = namespaces(cluster);
    let found = cluster
        .call(format_args!("read namespace {name}"), async || {
            api.get_opt(name).await
        })
        .await;
    match found {
        Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => {
            Err(Error::NamespaceGoing {
                namespace: name.clone(),
            })
        }
        Ok(found) => Ok(found.is_some()),
        Err(error) if error.is_forbidden() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

async fn create_namespace(cluster: &Cluster) -> Result<(), Error> {
    let name = &cluster.namespace;
    let api = namespaces(cluster);
    let namespace = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": MANAGER}},
    }))
    .expect("a namespace has this shape");
    let params = PostParams {
        field_manager: Some(MANAGER.into()),
        ..PostParams::default()
    };
    let created = cluster
        .call(format_args!("create namespace {name}"), async || match api
            .create(&params, &namespace)
            .await
        {
            // An earlier attempt may have got through.
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => created.map(drop),
        })
        .await;
    created.map_err(|error: cluster::Error| error.into())
}
