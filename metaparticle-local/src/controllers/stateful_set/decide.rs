//! What a StatefulSet does next: pods in order, or all at once; updates from the last to the first.

use std::time::Duration;

use k8s_openapi::{
    api::{
        apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetStatus},
        core::v1::Pod,
    },
    apimachinery::pkg::util::intstr::IntOrString,
    jiff::Timestamp,
};
use serde_json::Value;

use crate::controllers::{
    amount::scaled,
    object::{Object, count},
    pods::{available_in, is_available, is_finished, is_ready, phase},
};

use super::{
    pod::{self, NAME},
    revision::Revisions,
};

/// What to do with a pod.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Make it.
    Create(Value),
    /// Delete it; it is to be made again if it ended by itself, which is told.
    Delete {
        name: String,
        ended: Option<&'static str>,
    },
    /// Restore its labels.
    Identify { name: String, ordinal: i32 },
}

/// What is there.
#[derive(Debug)]
pub(super) struct World<'a> {
    pub(super) set: &'a Object<StatefulSet>,
    pub(super) spec: &'a StatefulSetSpec,
    pub(super) pods: &'a [Object<Pod>],
    pub(super) revisions: &'a Revisions,
    pub(super) now: Timestamp,
}

/// The pods by ordinal.
struct Slots<'a> {
    start: i32,
    /// Those that are wanted.
    wanted: Vec<Option<&'a Object<Pod>>>,
    /// Those that are not, the last first.
    condemned: Vec<&'a Object<Pod>>,
}

/// Decides.
pub(super) fn decide(world: &World<'_>) -> Vec<Action> {
    if world.set.is_deleting() {
        return Vec::new();
    }
    let slots = world.slots();
    let mut actions = Vec::new();
    let settled = world.fill(&slots, &mut actions) && world.shrink(&slots, &mut actions);
    let strategy = world.spec.update_strategy.as_ref();
    if settled && strategy.and_then(|it| it.type_.as_deref()) != Some("OnDelete") {
        world.update(&slots, &mut actions);
    }
    actions
}

impl<'a> World<'a> {
    fn slots(&self) -> Slots<'a> {
        let start = self
            .spec
            .ordinals
            .as_ref()
            .and_then(|it| it.start)
            .unwrap_or_default();
        let replicas = self.spec.replicas.unwrap_or(1);
        let mut wanted = vec![None; usize::try_from(replicas).unwrap_or_default()];
        let mut condemned = Vec::new();
        for pod in self.pods {
            let Some(ordinal) = pod::ordinal(self.set.name(), pod.name()) else {
                continue;
            };
            let index = usize::try_from(ordinal - start).ok();
            match index.and_then(|it| wanted.get_mut(it)) {
                Some(slot) => *slot = Some(pod),
                None => condemned.push((ordinal, pod)),
            }
        }
        condemned.sort_by_key(|(ordinal, _)| -ordinal);
        Slots {
            start,
            wanted,
            condemned: condemned.into_iter().map(|(_, pod)| pod).collect(),
        }
    }

    fn is_ordered(&self) -> bool {
        self.spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    fn min_ready_seconds(&self) -> i32 {
        self.spec.min_ready_seconds.unwrap_or_default()
    }

    fn is_available(&self, pod: &Pod) -> bool {
        is_running(pod) && is_available(pod, self.min_ready_seconds(), self.now)
    }

    /// Makes what is missing, in order where there is one. Says whether all is there.
    fn fill(&self, slots: &Slots<'_>, actions: &mut Vec<Action>) -> bool {
        let mut settled = true;
        for (ordinal, slot) in (slots.start..).zip(&slots.wanted) {
            let wait = match slot {
                None => {
                    actions.push(Action::Create(self.pod(slots, ordinal)));
                    self.is_ordered()
                }
                Some(pod) if is_finished(pod) => {
                    if !pod.is_deleting() {
                        let ended = Some(if phase(pod) == "Failed" {
                            "Failed"
                        } else {
                            "Terminated"
                        });
                        actions.push(Action::Delete {
                            name: pod.name().to_owned(),
                            ended,
                        });
                    }
                    true
                }
                Some(pod)
                    if self.is_ordered() && (pod.is_deleting() || !self.is_available(pod)) =>
                {
                    true
                }
                Some(pod) => {
                    let named = pod.metadata.labels.as_ref().and_then(|it| it.get(NAME));
                    if named.map(String::as_str) != Some(pod.name()) {
                        actions.push(Action::Identify {
                            name: pod.name().to_owned(),
                            ordinal,
                        });
                    }
                    false
                }
            };
            settled &= !wait;
            if wait && self.is_ordered() {
                break;
            }
        }
        settled
    }

    /// The pod of an ordinal, of the revision that is due: below the partition the current one.
    fn pod(&self, slots: &Slots<'_>, ordinal: i32) -> Value {
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|it| it.rolling_update.as_ref());
        let on_delete = strategy.and_then(|it| it.type_.as_deref()) == Some("OnDelete");
        let current = match rolling {
            _ if on_delete => false,
            Some(rolling) => ordinal < slots.start + rolling.partition.unwrap_or_default(),
            None => ordinal < slots.start + self.count(&self.revisions.current.name),
        };
        let revision = if current {
            &self.revisions.current
        } else {
            &self.revisions.update
        };
        pod::pod(self.set, ordinal, revision)
    }

    /// Deletes what is not wanted, the last first. Says whether to go on.
    fn shrink(&self, slots: &Slots<'_>, actions: &mut Vec<Action>) -> bool {
        let unhealthy = |pod: &&&Object<Pod>| !is_healthy(pod);
        let mut wanted = slots.wanted.iter().flatten();
        let first = wanted
            .find(unhealthy)
            .or_else(|| slots.condemned.iter().rev().find(unhealthy));
        for pod in &slots.condemned {
            let is_first = first.is_some_and(|it| it.name() == pod.name());
            if pod.is_deleting() {
                if self.is_ordered() {
                    return false;
                }
                continue;
            }
            if self.is_ordered() && !is_first && !self.is_available(pod) {
                return false;
            }
            actions.push(Action::Delete {
                name: pod.name().to_owned(),
                ended: None,
            });
            if self.is_ordered() {
                return false;
            }
        }
        true
    }

    /// Deletes pods of other revisions, the last first, as long as no more are unavailable than may be.
    fn update(&self, slots: &Slots<'_>, actions: &mut Vec<Action>) {
        let strategy = self.spec.update_strategy.as_ref();
        let rolling = strategy.and_then(|it| it.rolling_update.as_ref());
        let partition = rolling.and_then(|it| it.partition).unwrap_or_default();
        let replicas = self.spec.replicas.unwrap_or(1);
        let one = IntOrString::Int(1);
        let most = rolling
            .and_then(|it| it.max_unavailable.as_ref())
            .unwrap_or(&one);
        let most = usize::try_from(scaled(most, replicas, false))
            .unwrap_or_default()
            .max(1);
        let mut unavailable = 0;
        let partition = usize::try_from(partition).unwrap_or_default();
        for pod in slots.wanted.iter().skip(partition).rev() {
            if unavailable >= most {
                return;
            }
            let Some(pod) = pod else {
                unavailable += 1;
                continue;
            };
            if pod::revision(pod) != Some(&self.revisions.update.name) && !pod.is_deleting() {
                actions.push(Action::Delete {
                    name: pod.name().to_owned(),
                    ended: None,
                });
                unavailable += 1;
            } else if pod.is_deleting() || !self.is_available(pod) {
                unavailable += 1;
            }
        }
    }

    /// Pods of a revision that do not go.
    fn count(&self, revision: &str) -> i32 {
        let of = |it: &&Object<Pod>| !it.is_deleting() && pod::revision(it) == Some(revision);
        number(self.pods.iter().filter(of).count())
    }

    /// The status.
    pub(super) fn status(&self) -> StatefulSetStatus {
        let pods = || self.pods.iter();
        let ready = number(pods().filter(|it| is_running(it) && is_ready(it)).count());
        let available = number(pods().filter(|it| self.is_available(it)).count());
        let replicas = number(self.pods.len());
        let updated = self.count(&self.revisions.update.name);
        let rolling = self
            .spec
            .update_strategy
            .as_ref()
            .and_then(|it| it.type_.as_deref());
        let complete = rolling != Some("OnDelete") && updated == replicas && ready == replicas;
        let current = if complete {
            &self.revisions.update
        } else {
            &self.revisions.current
        };
        StatefulSetStatus {
            observed_generation: self.set.metadata.generation,
            replicas,
            ready_replicas: count(ready),
            available_replicas: Some(available),
            current_replicas: count(self.count(&current.name)),
            updated_replicas: count(updated),
            current_revision: Some(current.name.clone()),
            update_revision: Some(self.revisions.update.name.clone()),
            collision_count: Some(self.revisions.collisions),
            conditions: self
                .set
                .status
                .as_ref()
                .and_then(|it| it.conditions.clone()),
        }
    }

    /// When the next ready pod becomes available.
    pub(super) fn again(&self) -> Option<Duration> {
        let delays = self.pods.iter();
        let delays = delays.filter_map(|it| available_in(it, self.min_ready_seconds(), self.now));
        delays.filter(|it| !it.is_zero()).min()
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn is_running(pod: &Pod) -> bool {
    phase(pod) == "Running"
}

fn is_healthy(pod: &Object<Pod>) -> bool {
    is_running(pod) && is_ready(pod) && !pod.is_deleting()
}
