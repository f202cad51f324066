//! StatefulSets: pods with names that last, made and updated in order.

mod decide;
mod pod;
mod revision;

#[cfg(test)]
mod tests;

use std::{collections::HashSet, time::Duration};

use k8s_openapi::api::{
    apps::v1::{ControllerRevision, StatefulSet},
    core::v1::Pod,
};
use serde_json::json;

use crate::api::{
    Api, Change, EventKind,
    failure::Failure,
    resource::{CONTROLLER_REVISION, POD, Resource, STATEFUL_SET},
};

use super::{
    adoption::{MANAGER, delete, write},
    claims::{claimed, owners},
    object::{Object, controller_uid},
    run::{Controller, Key, key},
};
use decide::{Action, World, decide};
use revision::{Revisions, revisions, surplus};

/// Who records events.
const COMPONENT: &str = "statefulset-controller";

/// The controller.
#[derive(Debug, Default)]
pub(super) struct StatefulSets {
    /// Uids of those whose volume claims were spoken about.
    warned: HashSet<String>,
}

impl Controller for StatefulSets {
    type Key = Key;

    fn watches(&self) -> Vec<&'static Resource> {
        vec![&STATEFUL_SET, &POD]
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Key> {
        if change.resource != &STATEFUL_SET {
            return owners(api, &STATEFUL_SET, change);
        }
        if change.deleted {
            self.warned.remove(
                change.object["metadata"]["uid"]
                    .as_str()
                    .unwrap_or_default(),
            );
        }
        vec![key(change)]
    }

    fn reconcile(&mut self, api: &Api, key: &Key) -> Result<Option<Duration>, Failure> {
        let Some(set) = Object::<StatefulSet>::read(api, &STATEFUL_SET, &key.0, &key.1) else {
            return Ok(None);
        };
        let Some(spec) = set.spec.as_ref() else {
            return Ok(None);
        };
        self.warn(api, &set);
        let mut pods: Vec<Object<Pod>> = claimed(api, &STATEFUL_SET, &set, &spec.selector)?;
        pods.retain(|it| pod::ordinal(set.name(), it.name()).is_some());
        let (own, taken) = stored(api, &set);
        let found = revisions(&set, &own, &taken);
        record(api, &set, &found)?;
        let world = World {
            set: &set,
            spec,
            pods: &pods,
            revisions: &found,
            now: api.now(),
        };
        let outcome = decide(&world)
            .into_iter()
            .try_for_each(|action| act(api, &set, action));
        let status = serde_json::to_value(world.status()).unwrap_or_default();
        write(
            api,
            &STATEFUL_SET,
            set.namespace(),
            set.name(),
            set.uid(),
            |object| {
                object["status"] = status.clone();
            },
        )?;
        outcome?;
        let mut used: HashSet<&str> = pods.iter().filter_map(|it| pod::revision(it)).collect();
        used.extend([found.current.name.as_str(), found.update.name.as_str()]);
        for name in surplus(&set, &own, &used) {
            delete(api, &CONTROLLER_REVISION, set.namespace(), name)?;
        }
        Ok(world.again())
    }
}

impl StatefulSets {
    fn warn(&mut self, api: &Api, set: &Object<StatefulSet>) {
        let claims = set
            .spec
            .as_ref()
            .and_then(|it| it.volume_claim_templates.as_ref());
        if claims.is_some_and(|it| !it.is_empty()) && self.warned.insert(set.uid().to_owned()) {
            let message =
                "volumeClaimTemplates are not honoured here: pods get no volumes for them";
            api.event(
                &set.raw,
                COMPONENT,
                EventKind::Warning,
                "VolumeClaimsIgnored",
                message,
            );
        }
    }
}

/// The set's own ControllerRevisions, and the names of others.
fn stored(
    api: &Api,
    set: &Object<StatefulSet>,
) -> (Vec<Object<ControllerRevision>>, HashSet<String>) {
    let all =
        Object::<ControllerRevision>::list(api, &CONTROLLER_REVISION, set.namespace(), |_| true);
    let is_own = |it: &Object<ControllerRevision>| controller_uid(&it.raw) == Some(set.uid());
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_own);
    (own, others.iter().map(|it| it.name().to_owned()).collect())
}

fn record(api: &Api, set: &Object<StatefulSet>, found: &Revisions) -> Result<(), Failure> {
    if set.is_deleting() {
        return Ok(());
    }
    if let Some(revision) = &found.create {
        api.create(
            &CONTROLLER_REVISION,
            set.namespace(),
            revision.clone(),
            MANAGER,
        )?;
    }
    if let Some((name, number)) = &found.renumber {
        api.update(
            &CONTROLLER_REVISION,
            set.namespace(),
            name,
            MANAGER,
            |object| {
                object["revision"] = json!(number);
            },
        )?;
    }
    Ok(())
}

fn act(api: &Api, set: &Object<StatefulSet>, action: Action) -> Result<(), Failure> {
    let event = |kind, reason: &str, message: &str| {
        api.event(&set.raw, COMPONENT, kind, reason, message);
    };
    let (verb, pod, outcome) = match action {
        Action::Create(pod) => {
            let name = pod["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let made = api.create(&POD, set.namespace(), pod, MANAGER);
            ("Create", name, made.map(drop))
        }
        Action::Delete { name, ended } => {
            if let Some(how) = ended {
                let message = format!(
                    "StatefulSet {}/{} is recreating {} Pod {name}",
                    set.namespace(),
                    set.name(),
                    how.to_lowercase()
                );
                let kind = if how == "Failed" {
                    EventKind::Warning
                } else {
                    EventKind::Normal
                };
                event(kind, &format!("Recreating{how}Pod"), &message);
            }
            let deleted = delete(api, &POD, set.namespace(), &name);
            ("Delete", name, deleted)
        }
        Action::Identify { name, ordinal } => {
            let result = api.update(&POD, set.namespace(), &name, MANAGER, |pod| {
                pod::identify(pod, &name, ordinal);
            });
            return result.map(drop);
        }
    };
    let subject = format!("{verb} Pod {pod} in StatefulSet {}", set.name());
    match &outcome {
        Ok(()) => event(
            EventKind::Normal,
            &format!("Successful{verb}"),
            &format!("{subject} successful"),
        ),
        Err(failure) => event(
            EventKind::Warning,
            &format!("Failed{verb}"),
            &format!("{subject} failed error: {}", failure.message),
        ),
    }
    outcome
}
