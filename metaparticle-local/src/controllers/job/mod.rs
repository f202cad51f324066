//! Jobs: pods that end, made again until enough have succeeded or too many failed.

pub(crate) mod backoff;
mod conditions;
mod decide;
mod indexes;
mod per_index;
mod pod;
mod policy;
mod size;
mod world;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};

use crate::api::{
    Api, Change, DeleteOptions, EventKind, Preconditions, Propagation,
    failure::Failure,
    resource::{JOB, POD, Resource},
};

use super::{
    adoption::{MANAGER, drop_finalizer, unless_gone, write},
    claims::{claimed, owners},
    making::{make, unmake},
    object::{Object, controller_of},
    replica_set::batches,
    run::{Controller, Key, key},
};
use backoff::Backoff;
use decide::{Decision, TRACKING, decide, is_tracked};
use per_index::Failures;
use world::World;

/// Who records events.
const COMPONENT: &str = "job-controller";

/// The controller.
#[derive(Debug)]
pub(super) struct Jobs {
    /// The wait after a Job's first failure.
    first: Duration,
    /// Failures in a row, by the uid of the Job.
    backoff: HashMap<String, Backoff>,
}

impl Jobs {
    pub(super) fn new(first: Duration) -> Self {
        Self {
            first,
            backoff: HashMap::new(),
        }
    }
}

impl Controller for Jobs {
    type Key = Key;

    fn watches(&self) -> Vec<&'static Resource> {
        vec![&JOB, &POD]
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Key> {
        if change.resource == &JOB {
            if change.deleted {
                self.backoff.remove(
                    change.object["metadata"]["uid"]
                        .as_str()
                        .unwrap_or_default(),
                );
            }
            return vec![key(change)];
        }
        let mut keys = owners(api, &JOB, change);
        let owners = change.object["metadata"]["ownerReferences"].as_array();
        let gone = owners
            .into_iter()
            .flatten()
            .filter(|it| it["kind"] == "Job");
        let names = gone.filter_map(|it| it["name"].as_str());
        keys.extend(names.map(|name| (change.namespace.clone(), name.to_owned())));
        keys.dedup();
        keys
    }

    fn reconcile(&mut self, api: &Api, key: &Key) -> Result<Option<Duration>, Failure> {
        let job = Object::<Job>::read(api, &JOB, &key.0, &key.1);
        forget(api, key, job.as_ref().map_or("", |it| it.uid()))?;
        let Some(job) = job else { return Ok(None) };
        let Some(spec) = job.spec.as_ref() else {
            return Ok(None);
        };
        let selector = spec.selector.clone().unwrap_or_default();
        if super::selector::is_empty(&selector) {
            return Ok(None);
        }
        let pods: Vec<Object<Pod>> = claimed(api, &JOB, &job, &selector)?;
        let known = self.backoff.get(job.uid()).copied();
        let backoff = known.unwrap_or_else(|| Backoff::new(self.first));
        let world = World {
            job: &job,
            spec,
            pods: &pods,
            backoff,
            now: api.now(),
        };
        let decision = decide(&world);
        let failures = per_index::failures(&world);
        let (backoff, again) = (decision.backoff, decision.again);
        act(api, &job, decision, failures.as_ref())?;
        self.backoff.insert(job.uid().to_owned(), backoff);
        Ok(again)
    }
}

/// Lets pods go whose Job is gone: nobody will count them.
fn forget(api: &Api, (namespace, name): &Key, uid: &str) -> Result<(), Failure> {
    for pod in Object::<Pod>::list(api, &POD, namespace, |it| {
        !it["metadata"]["finalizers"].is_null()
    }) {
        let owner = controller_of(&pod.metadata);
        let is_orphan =
            owner.is_some_and(|it| it.kind == "Job" && it.name == *name && it.uid != uid);
        if is_orphan && is_tracked(&pod) {
            release(api, namespace, pod.name())?;
        }
    }
    Ok(())
}

fn release(api: &Api, namespace: &str, pod: &str) -> Result<(), Failure> {
    unless_gone(api.update(&POD, namespace, pod, MANAGER, |it| {
        drop_finalizer(it, TRACKING);
    }))
}

fn act(
    api: &Api,
    job: &Object<Job>,
    mut decision: Decision,
    failures: Option<&BTreeMap<i32, Failures>>,
) -> Result<(), Failure> {
    let namespace = job.namespace();
    if decision.expire {
        let options = DeleteOptions {
            preconditions: Preconditions {
                uid: Some(job.uid().to_owned()),
                ..Default::default()
            },
            propagation: Some(Propagation::Foreground),
            ..Default::default()
        };
        unless_gone(api.delete(&JOB, namespace, job.name(), &options))?;
    }
    for pod in &decision.dismiss {
        release(api, namespace, pod)?;
    }
    for pod in decision.dismiss.iter().chain(&decision.delete) {
        unmake(api, &job.raw, COMPONENT, pod)?;
    }
    let outcome = create(api, job, &mut decision, failures);
    let status = serde_json::to_value(&decision.status).unwrap_or_default();
    write(api, &JOB, namespace, job.name(), job.uid(), |object| {
        object["status"] = status.clone();
    })?;
    for pod in &decision.release {
        release(api, namespace, pod)?;
    }
    for (warning, reason, message) in &decision.events {
        let kind = if *warning {
            EventKind::Warning
        } else {
            EventKind::Normal
        };
        api.event(&job.raw, COMPONENT, kind, reason, message);
    }
    outcome
}

/// Makes pods in growing batches. What could not be made is not active.
fn create(
    api: &Api,
    job: &Object<Job>,
    decision: &mut Decision,
    failures: Option<&BTreeMap<i32, Failures>>,
) -> Result<(), Failure> {
    let mut wanted = decision.create.iter();
    let mut made = 0;
    let mut outcome = Ok(());
    for batch in batches(decision.create.len()) {
        for index in wanted.by_ref().take(batch) {
            let before = failures.map(|it| {
                index
                    .and_then(|index| it.get(&index))
                    .map_or(0, |it| it.count)
            });
            match make(api, &job.raw, COMPONENT, pod::pod(job, *index, before)) {
                Ok(_) => made += 1,
                Err(failure) => outcome = Err(failure),
            }
        }
        if outcome.is_err() {
            break;
        }
    }
    let missing = i32::try_from(decision.create.len() - made).unwrap_or_default();
    let active = decision.status.active.unwrap_or_default() - missing;
    decision.status.active = super::object::count(active);
    outcome
}
