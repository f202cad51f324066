//! [`Seen`]: what is known about a workload, its pods and their events, and which of the pods are of the new revision.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet, StatefulSet},
        batch::v1::Job,
        core::v1::{Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
    jiff::Timestamp,
};
use kube::ResourceExt as _;

use crate::deploy::apply::MANAGER;

/// A snapshot of everything that a rollout is judged by.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The workload.
    pub workload: Workload,
    /// Every ReplicaSet by name; those of others are ignored.
    pub replica_sets: BTreeMap<String, ReplicaSet>,
    /// Pods by name; those of others are ignored.
    pub pods: BTreeMap<String, Pod>,
    /// Events by name; those about other objects are ignored.
    pub events: BTreeMap<String, Event>,
}

/// A workload whose rollout can be judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Workload {
    /// Of replicas.
    Deployment(Box<Deployment>),
    /// Of shards.
    StatefulSet(Box<StatefulSet>),
    /// Of a program that ends.
    Job(Box<Job>),
}

impl Seen {
    /// Knows the workload and nothing else yet.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        Self {
            workload,
            replica_sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }

    /// The ReplicaSet of a Deployment's newest revision. Right only once the controller has observed the generation.
    pub(super) fn new_replica_set(&self) -> Option<&ReplicaSet> {
        let Workload::Deployment(deployment) = &self.workload else {
            return None;
        };
        let newest = revision(&deployment.metadata)?;
        let uid = deployment.metadata.uid.as_deref()?;
        self.replica_sets.values().find(|replica_set| {
            is_owned_by(&replica_set.metadata, uid)
                && revision(&replica_set.metadata) == Some(newest)
        })
    }

    /// The pods of the new revision that are not on their way out, in the order of their names.
    pub(super) fn new_pods(&self) -> impl Iterator<Item = &Pod> {
        let owner = match &self.workload {
            Workload::Deployment(_) => self
                .new_replica_set()
                .and_then(|replica_set| replica_set.metadata.uid.as_deref()),
            Workload::StatefulSet(set) => set.metadata.uid.as_deref(),
            Workload::Job(job) => job.metadata.uid.as_deref(),
        };
        let revision = match &self.workload {
            Workload::StatefulSet(set) => set
                .status
                .as_ref()
                .and_then(|status| status.update_revision.as_deref()),
            _ => None,
        };
        self.pods.values().filter(move |pod| {
            owner.is_some_and(|owner| is_owned_by(&pod.metadata, owner))
                && pod.metadata.deletion_timestamp.is_none()
                && revision.is_none_or(|revision| {
                    pod.labels()
                        .get("controller-revision-hash")
                        .is_some_and(|hash| hash == revision)
                })
        })
    }

    /// Whether a pod belongs to a StatefulSet or Job, whatever its revision.
    pub(super) fn owns(&self, pod: &Pod) -> bool {
        let uid = self.workload.meta().uid.as_deref();
        uid.is_some_and(|uid| is_owned_by(&pod.metadata, uid))
    }

    /// Events about the object of this identity, the newest last.
    pub(super) fn events_of<'a>(&'a self, uid: Option<&'a str>) -> Vec<&'a Event> {
        let mut events: Vec<&Event> = self
            .events
            .values()
            .filter(|event| uid.is_some() && event.involved_object.uid.as_deref() == uid)
            .collect();
        events.sort_by_key(|event| when(event));
        events
    }

    /// Events about the workload itself that are not older than what it is now told to be.
    pub(super) fn events_of_workload(&self) -> Vec<&Event> {
        let meta = self.workload.meta();
        let since = meta
            .managed_fields
            .iter()
            .flatten()
            .filter(|entry| {
                entry.manager.as_deref() == Some(MANAGER) && entry.subresource.is_none()
            })
            .filter_map(|entry| Some(entry.time.as_ref()?.0))
            .max();
        self.events_of(meta.uid.as_deref())
            .into_iter()
            .filter(|event| since.is_none() || when(event) >= since)
            .collect()
    }
}

impl Workload {
    /// Kind and name, such as `Deployment/web`.
    #[must_use]
    pub fn subject(&self) -> String {
        format!(
            "{}/{}",
            self.kind(),
            self.meta().name.as_deref().unwrap_or_default()
        )
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Deployment(_) => "Deployment",
            Self::StatefulSet(_) => "StatefulSet",
            Self::Job(_) => "Job",
        }
    }

    pub(super) fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Deployment(deployment) => &deployment.metadata,
            Self::StatefulSet(set) => &set.metadata,
            Self::Job(job) => &job.metadata,
        }
    }

    /// The labels of its pods, as a selector for lists.
    pub(super) fn selector(&self) -> String {
        let selector: Option<&LabelSelector> = match self {
            Self::Deployment(deployment) => deployment.spec.as_ref().map(|spec| &spec.selector),
            Self::StatefulSet(set) => set.spec.as_ref().map(|spec| &spec.selector),
            Self::Job(job) => job.spec.as_ref().and_then(|spec| spec.selector.as_ref()),
        };
        selector
            .and_then(|selector| selector.match_labels.as_ref())
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// How often an event happened.
pub(super) fn count(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    event.count.max(series).unwrap_or(1)
}

/// When an event happened last.
fn when(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| Some(series.last_observed_time.as_ref()?.0));
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let micro = event.event_time.as_ref().map(|time| time.0);
    series.max(last).max(micro)
}

fn is_owned_by(meta: &ObjectMeta, uid: &str) -> bool {
    meta.owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// The Deployment controller's number of a revision, on Deployment and ReplicaSet alike.
fn revision(meta: &ObjectMeta) -> Option<&str> {
    let annotations = meta.annotations.as_ref()?;
    annotations
        .get("deployment.kubernetes.io/revision")
        .map(String::as_str)
}
