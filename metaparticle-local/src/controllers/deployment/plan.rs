//! What a Deployment does next: [`decide`]. Steps, bounds and words are those of `kube-controller-manager`.

use std::{collections::HashMap, time::Duration};

use k8s_openapi::{
    api::apps::v1::{
        Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet,
    },
    jiff::Timestamp,
};
use serde_json::Value;

use crate::controllers::{object::Object, selector};

use super::{
    bounds::{Bounds, is_recreate},
    revision::{
        Annotations, DESIRED, annotate, annotate_size, replica_set, revision, same_template,
    },
    rolling, scaling,
    sets::Set,
    status,
};

/// What is there.
#[derive(Debug)]
pub(super) struct World {
    pub(super) deployment: Object<Deployment>,
    /// The Deployment's own.
    pub(super) replica_sets: Vec<Object<ReplicaSet>>,
    /// Names of other ReplicaSets in the namespace.
    pub(super) taken: Vec<String>,
    /// How many pods that have not ended there are, by the uid of their ReplicaSet.
    pub(super) running: HashMap<String, usize>,
}

/// What to do, in this order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// A new ReplicaSet.
    pub(super) create: Option<Value>,
    /// ReplicaSets that change.
    pub(super) update: Vec<Set>,
    /// ReplicaSets of the past.
    pub(super) delete: Vec<String>,
    /// Events: warning, reason, message.
    pub(super) events: Vec<(bool, &'static str, String)>,
    /// The Deployment's status.
    pub(super) status: DeploymentStatus,
    /// The Deployment's revision.
    pub(super) revision: Option<String>,
    /// When to look again, if nothing else happens.
    pub(super) again: Option<Duration>,
}

/// A decision in the making.
pub(super) struct Plan<'a> {
    pub(super) deployment: &'a Object<Deployment>,
    pub(super) spec: &'a DeploymentSpec,
    pub(super) bounds: Bounds,
    pub(super) now: Timestamp,
    /// All ReplicaSets, the oldest first.
    pub(super) sets: Vec<Set>,
    /// Which of them has the Deployment's template.
    pub(super) new: Option<usize>,
    /// The status so far.
    pub(super) status: DeploymentStatus,
    decision: Decision,
}

/// Decides.
pub(super) fn decide(world: &World, now: Timestamp) -> Decision {
    let Some(spec) = world.deployment.spec.as_ref() else {
        return Decision::default();
    };
    let mut plan = Plan::new(world, spec, now);
    if selector::is_empty(&spec.selector) {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        plan.decision
            .events
            .push((true, "SelectingAll", message.to_owned()));
        plan.status.observed_generation = world.deployment.metadata.generation;
        return plan.finish(world);
    }
    if world.deployment.is_deleting() {
        plan.adopt_revision();
        plan.status = status::counted(&plan);
        return plan.finish(world);
    }
    plan.note_pause();
    if spec.paused == Some(true) || plan.is_scaled() {
        plan.adopt_revision();
        scaling::scale(&mut plan);
        if spec.paused == Some(true) {
            plan.clean_up();
        }
        plan.status = status::counted(&plan);
        return plan.finish(world);
    }
    plan.adopt_revision();
    if is_recreate(spec) {
        recreate(&mut plan, world);
    } else if plan.ensure_new(world) && !rolling::grow(&mut plan) {
        rolling::shrink(&mut plan);
    }
    if plan.decision.is_idle() && plan.is_complete() {
        plan.clean_up();
    }
    if plan.decision.create.is_none() {
        plan.status = status::rolled(&plan);
    }
    plan.finish(world)
}

/// All old pods go, then the new ones come.
fn recreate(plan: &mut Plan<'_>, world: &World) {
    let old = plan.old();
    let scaled = old.iter().filter(|&&index| plan.scale(index, 0)).count();
    let runs = |&index: &usize| {
        let set = &plan.sets[index];
        set.pods() > 0 || world.running.contains_key(&set.uid)
    };
    if scaled > 0 || old.iter().any(runs) || !plan.ensure_new(world) {
        return;
    }
    if let Some(new) = plan.new {
        plan.scale(new, plan.bounds.replicas);
    }
}

impl Decision {
    /// Notes that the new ReplicaSet could not be made.
    pub(super) fn fail(&mut self, message: &str, now: Timestamp) {
        self.events.retain(|it| it.1 != "ScalingReplicaSet");
        self.revision = None;
        let conditions = self.status.conditions.get_or_insert_default();
        let new = status::condition(
            "Progressing",
            "False",
            "ReplicaSetCreateError",
            message,
            now,
        );
        status::set(conditions, new);
    }

    /// Whether no ReplicaSet is made or scaled.
    fn is_idle(&self) -> bool {
        self.create.is_none() && self.events.is_empty()
    }
}

impl<'a> Plan<'a> {
    fn new(world: &'a World, spec: &'a DeploymentSpec, now: Timestamp) -> Self {
        let mut objects: Vec<_> = world.replica_sets.iter().collect();
        objects.sort_by_key(|it| (it.created(), it.name()));
        let template = world.deployment.template();
        Self {
            deployment: &world.deployment,
            spec,
            bounds: Bounds::of(spec),
            now,
            new: objects
                .iter()
                .position(|it| same_template(it.template(), template)),
            sets: objects.into_iter().map(Set::of).collect(),
            status: world.deployment.status.clone().unwrap_or_default(),
            decision: Decision::default(),
        }
    }

    /// `spec.progressDeadlineSeconds`, if there is a deadline.
    pub(super) fn deadline(&self) -> Option<i32> {
        self.spec
            .progress_deadline_seconds
            .filter(|it| *it != i32::MAX)
    }

    /// The condition `Progressing`.
    pub(super) fn progressing(&self) -> Option<&DeploymentCondition> {
        status::find(self.status.conditions.as_deref()?, "Progressing")
    }

    /// The other ReplicaSets, the oldest first.
    pub(super) fn old(&self) -> Vec<usize> {
        (0..self.sets.len())
            .filter(|index| Some(*index) != self.new)
            .collect()
    }

    /// Those of them that want pods.
    pub(super) fn active_old(&self) -> Vec<usize> {
        self.old()
            .into_iter()
            .filter(|&index| self.sets[index].replicas > 0)
            .collect()
    }

    /// Pods that the ReplicaSets want together.
    pub(super) fn wanted(&self) -> i32 {
        self.sets.iter().map(|it| it.replicas).sum()
    }

    /// Scales a ReplicaSet; says whether its size changed.
    pub(super) fn scale(&mut self, index: usize, replicas: i32) -> bool {
        let set = &mut self.sets[index];
        if set.replicas == replicas {
            return false;
        }
        let direction = if replicas > set.replicas {
            "up"
        } else {
            "down"
        };
        let message = format!(
            "Scaled {direction} replica set {} from {} to {replicas}",
            set.name, set.replicas
        );
        set.replicas = replicas;
        annotate_size(&mut set.annotations, self.bounds);
        self.decision
            .events
            .push((false, "ScalingReplicaSet", message));
        true
    }

    /// Notes the Deployment's size on a ReplicaSet, whatever its own.
    pub(super) fn note_size(&mut self, index: usize) {
        annotate_size(&mut self.sets[index].annotations, self.bounds);
    }

    fn progress(&mut self, value: &str, reason: &str, message: &str) {
        let new = status::condition("Progressing", value, reason, message, self.now);
        status::set(self.status.conditions.get_or_insert_default(), new);
    }

    /// Time does not run against a paused Deployment.
    fn note_pause(&mut self) {
        let reason = self.progressing().and_then(|it| it.reason.clone());
        let reason = reason.as_deref();
        if self.deadline().is_none() || reason == Some("ProgressDeadlineExceeded") {
            return;
        }
        let paused = self.spec.paused == Some(true);
        if paused && reason != Some("DeploymentPaused") {
            self.progress("Unknown", "DeploymentPaused", "Deployment is paused");
        } else if !paused && reason == Some("DeploymentPaused") {
            self.progress("Unknown", "DeploymentResumed", "Deployment is resumed");
        }
    }

    /// Whether `spec.replicas` changed since the ReplicaSets were scaled.
    fn is_scaled(&self) -> bool {
        let mut active = self.sets.iter().filter(|it| it.replicas > 0);
        active.any(|it| {
            it.noted(DESIRED)
                .is_some_and(|noted| noted != self.bounds.replicas)
        })
    }

    fn next_revision(&self) -> i64 {
        let old = self.old().into_iter();
        old.map(|index| revision(&self.sets[index].annotations))
            .max()
            .unwrap_or_default()
            + 1
    }

    /// Brings the ReplicaSet of the template, if there is one, up to date, and the Deployment's revision.
    fn adopt_revision(&mut self) {
        let Some(new) = self.new else { return };
        let next = self.next_revision();
        let annotations = self.deployment_annotations();
        let set = &mut self.sets[new];
        annotate(&mut set.annotations, annotations, next);
        set.min_ready_seconds = self.spec.min_ready_seconds.filter(|it| *it != 0);
        let found = format!("Found new replica set \"{}\"", set.name);
        self.decision.revision = Some(revision(&set.annotations).to_string());
        if self.deadline().is_some() && self.progressing().is_none() {
            self.progress("True", "FoundNewReplicaSet", &found);
        }
    }

    fn deployment_annotations(&self) -> &'a Annotations {
        static NONE: Annotations = Annotations::new();
        self.deployment
            .metadata
            .annotations
            .as_ref()
            .unwrap_or(&NONE)
    }

    /// Makes the ReplicaSet of the template where there is none; says whether there was one.
    fn ensure_new(&mut self, world: &World) -> bool {
        if self.new.is_some() {
            return true;
        }
        let next = self.next_revision();
        let mut annotations = Annotations::new();
        annotate(&mut annotations, self.deployment_annotations(), next);
        annotate_size(&mut annotations, self.bounds);
        let replicas = if is_recreate(self.spec) {
            self.bounds.replicas
        } else {
            rolling::room(self, 0)
        };
        let set = replica_set(self.deployment, &annotations, replicas);
        let name = set["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if world.taken.contains(&name) || self.sets.iter().any(|it| it.name == name) {
            let collisions = self.status.collision_count.get_or_insert_default();
            *collisions += 1;
            self.decision.again = Some(Duration::ZERO);
            return false;
        }
        if replicas > 0 {
            let message = format!("Scaled up replica set {name} from 0 to {replicas}");
            self.decision
                .events
                .push((false, "ScalingReplicaSet", message));
        }
        self.decision.revision = Some(next.to_string());
        if self.deadline().is_some() {
            let message = format!("Created new replica set \"{name}\"");
            self.progress("True", "NewReplicaSetCreated", &message);
        }
        self.decision.create = Some(set);
        false
    }

    fn is_complete(&self) -> bool {
        let status = self.deployment.status.clone().unwrap_or_default();
        status::is_complete(&status, self.bounds, self.deployment.metadata.generation)
    }

    /// Deletes the oldest ReplicaSets beyond `spec.revisionHistoryLimit`.
    fn clean_up(&mut self) {
        let Some(limit) = self
            .spec
            .revision_history_limit
            .and_then(|it| usize::try_from(it).ok())
        else {
            return;
        };
        let mut old = self.old();
        old.sort_by(|a, b| self.sets[*a].revision().cmp(&self.sets[*b].revision()));
        let surplus = old.len().saturating_sub(limit);
        for set in old.into_iter().take(surplus).map(|index| &self.sets[index]) {
            if set.pods() == 0 && set.replicas == 0 && !set.unsettled {
                self.decision.delete.push(set.name.clone());
            }
        }
    }

    fn finish(mut self, world: &World) -> Decision {
        let again = status::again(&self.status, &self);
        let before: HashMap<_, _> = world
            .replica_sets
            .iter()
            .map(|it| (it.name(), Set::of(it)))
            .collect();
        let changed = self
            .sets
            .iter()
            .filter(|set| before.get(set.name.as_str()) != Some(set));
        self.decision.update = changed.cloned().collect();
        self.decision.again = self.decision.again.or(again);
        self.decision.status = self.status;
        self.decision
    }
}
