//! [`Set`]: a ReplicaSet of a Deployment while the next step is planned.

use std::cmp::Reverse;

use k8s_openapi::{
    api::apps::v1::{DeploymentCondition, ReplicaSet, ReplicaSetStatus},
    jiff::Timestamp,
};

use crate::controllers::object::Object;

use super::revision::{Annotations, revision};

/// What of a ReplicaSet matters, with the changes planned so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) created: Timestamp,
    pub(super) replicas: i32,
    pub(super) min_ready_seconds: Option<i32>,
    pub(super) annotations: Annotations,
    pub(super) status: ReplicaSetStatus,
    /// Deletion has begun, or the status is of an older spec.
    pub(super) unsettled: bool,
}

impl Set {
    pub(super) fn of(object: &Object<ReplicaSet>) -> Self {
        let spec = object.spec.as_ref();
        let status = object.status.clone().unwrap_or_default();
        let generation = object.metadata.generation;
        Self {
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            created: object.created(),
            replicas: spec.and_then(|it| it.replicas).unwrap_or(1),
            min_ready_seconds: spec
                .and_then(|it| it.min_ready_seconds)
                .filter(|it| *it != 0),
            annotations: object.metadata.annotations.clone().unwrap_or_default(),
            unsettled: object.is_deleting() || generation > status.observed_generation,
            status,
        }
    }

    /// Pods that there are.
    pub(super) fn pods(&self) -> i32 {
        self.status.replicas
    }

    pub(super) fn ready(&self) -> i32 {
        self.status.ready_replicas.unwrap_or_default()
    }

    pub(super) fn available(&self) -> i32 {
        self.status.available_replicas.unwrap_or_default()
    }

    /// A number among its annotations.
    pub(super) fn noted(&self, annotation: &str) -> Option<i32> {
        self.annotations.get(annotation)?.parse().ok()
    }

    /// Its `ReplicaFailure`, as a condition of the Deployment.
    pub(super) fn failure(&self) -> Option<DeploymentCondition> {
        let mut conditions = self.status.conditions.iter().flatten();
        let failure = conditions.find(|it| it.type_ == "ReplicaFailure")?;
        Some(DeploymentCondition {
            type_: failure.type_.clone(),
            status: failure.status.clone(),
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            last_transition_time: failure.last_transition_time.clone(),
            last_update_time: failure.last_transition_time.clone(),
        })
    }

    /// Order of revisions, the oldest first.
    pub(super) fn revision(&self) -> (i64, Timestamp, &str) {
        (revision(&self.annotations), self.created, &self.name)
    }

    /// Order in which sets grow: the largest first, then the newest.
    pub(super) fn growth(&self) -> (Reverse<i32>, Reverse<Timestamp>, &str) {
        (Reverse(self.replicas), Reverse(self.created), &self.name)
    }

    /// Order in which sets shrink: the largest first, then the oldest.
    pub(super) fn shrinkage(&self) -> (Reverse<i32>, Timestamp, &str) {
        (Reverse(self.replicas), self.created, &self.name)
    }
}
