//! [`Source`]: where the knowledge about one rollout comes from.

use std::{collections::BTreeMap, fmt::Debug};

use futures::{
    StreamExt as _, TryStreamExt as _,
    future::ready,
    stream::{BoxStream, select_all},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, ReplicaSet, StatefulSet},
        batch::v1::Job,
        core::v1::{Event as ClusterEvent, Pod},
    },
};
use kube::{Api, Client, Error, Resource, ResourceExt as _, api::ListParams};
use serde::de::DeserializeOwned;

use super::seen::{Seen, Workload};
use crate::deploy::{
    apply::Applied,
    mirror::{Update, Updates, mirror},
};

/// A kind of workload whose rollout is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    Job,
}

impl Kind {
    pub(super) fn of(kind: &str) -> Option<Self> {
        match kind {
            "Deployment" => Some(Self::Deployment),
            "StatefulSet" => Some(Self::StatefulSet),
            "Job" => Some(Self::Job),
            _ => None,
        }
    }
}

/// What one of the watched collections tells.
pub(super) enum Change {
    Workload(Update<Workload>),
    ReplicaSets(Update<ReplicaSet>),
    Pods(Update<Pod>),
    Events(Update<ClusterEvent>),
}

/// All changes that matter to one rollout.
pub(super) type Changes = BoxStream<'static, Result<Change, Error>>;

/// Watches what belongs to one workload.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) client: &'a Client,
    pub(super) applied: &'a Applied,
    pub(super) kind: Kind,
}

impl Source<'_> {
    /// The workload itself.
    pub(super) fn workloads(&self) -> Updates<Workload> {
        let filter = ListParams::default().fields(&format!("metadata.name={}", self.applied.name));
        match self.kind {
            Kind::Deployment => map(self.mirror::<Deployment>(filter), |deployment| {
                Workload::Deployment(Box::new(deployment))
            }),
            Kind::StatefulSet => map(self.mirror::<StatefulSet>(filter), |set| {
                Workload::StatefulSet(Box::new(set))
            }),
            Kind::Job => map(self.mirror::<Job>(filter), |job| {
                Workload::Job(Box::new(job))
            }),
        }
    }

    /// The workload and what belongs to it.
    pub(super) fn changes(&self, workloads: Updates<Workload>, seen: &Seen) -> Changes {
        let selector = ListParams::default().labels(&seen.workload.selector());
        let warnings = ListParams::default().fields("type=Warning");
        let mut changes = vec![
            workloads.map_ok(Change::Workload).boxed(),
            self.mirror(selector.clone()).map_ok(Change::Pods).boxed(),
            // Events explain; whoever may not read them still gets a rollout.
            self.mirror(warnings)
                .filter(|update| ready(update.is_ok()))
                .map_ok(Change::Events)
                .boxed(),
        ];
        if self.kind == Kind::Deployment {
            changes.push(self.mirror(selector).map_ok(Change::ReplicaSets).boxed());
        }
        select_all(changes).boxed()
    }

    fn mirror<K>(&self, filter: ListParams) -> Updates<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        let api = Api::namespaced(self.client.clone(), &self.applied.namespace);
        mirror(api, filter)
    }
}

fn map<K: Send + 'static, T: 'static>(updates: Updates<K>, f: fn(K) -> T) -> Updates<T> {
    updates
        .map_ok(move |update| match update {
            Update::Reset(objects) => Update::Reset(objects.into_iter().map(f).collect()),
            Update::Set(object) => Update::Set(f(object)),
            Update::Gone(object) => Update::Gone(f(object)),
            Update::Trouble(error) => Update::Trouble(error),
        })
        .boxed()
}

/// Takes a change into a collection; gives back what the API server was unable to do.
pub(super) fn put<K: Resource>(
    objects: &mut BTreeMap<String, K>,
    update: Update<K>,
) -> Option<Error> {
    match update {
        Update::Reset(all) => {
            *objects = all
                .into_iter()
                .map(|object| (object.name_any(), object))
                .collect();
        }
        Update::Set(object) => {
            objects.insert(object.name_any(), object);
        }
        Update::Gone(object) => {
            objects.remove(&object.name_any());
        }
        Update::Trouble(error) => return Some(error),
    }
    None
}
