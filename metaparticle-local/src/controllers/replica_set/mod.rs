//! ReplicaSets: so many pods of one template.

mod decide;
mod rank;

pub(super) use decide::batches;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use serde_json::Value;

use crate::api::{
    Api, Change, EventKind,
    failure::Failure,
    resource::{POD, REPLICA_SET, Resource},
};

use super::{
    adoption::{MANAGER, delete, write},
    claims::{claimed, owners},
    object::Object,
    pods::from_template,
    run::{Controller, Key, key},
};
use decide::{Action, again, decide, status};

/// Who records events.
const COMPONENT: &str = "replicaset-controller";

/// The controller.
#[derive(Debug)]
pub(super) struct ReplicaSets;

impl Controller for ReplicaSets {
    fn watches(&self) -> Vec<&'static Resource> {
        vec![&REPLICA_SET, &POD]
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Key> {
        if change.resource == &REPLICA_SET {
            vec![key(change)]
        } else {
            owners(api, &REPLICA_SET, change)
        }
    }

    fn reconcile(&mut self, api: &Api, key: &Key) -> Result<Option<Duration>, Failure> {
        let Some(set) = Object::<ReplicaSet>::read(api, &REPLICA_SET, &key.0, &key.1) else {
            return Ok(None);
        };
        let Some(selector) = set.spec.as_ref().map(|it| &it.selector) else {
            return Ok(None);
        };
        let pods: Vec<Object<Pod>> = claimed(api, &REPLICA_SET, &set, selector)?;
        let now = api.now();
        let outcome = match decide(&set, &pods, now) {
            Some(Action::Create(count)) => {
                create(api, &set, count).map_err(|it| ("FailedCreate", it))
            }
            Some(Action::Delete(names)) => {
                let mut names = names.iter();
                let deleted = names.try_for_each(|it| unmake(api, &set.raw, COMPONENT, it));
                deleted.map_err(|it| ("FailedDelete", it))
            }
            None => Ok(()),
        };
        let failure = outcome
            .as_ref()
            .err()
            .map(|(reason, it)| (*reason, it.message.as_str()));
        let status = serde_json::to_value(status(&set, &pods, failure, now)).unwrap_or_default();
        write(
            api,
            &REPLICA_SET,
            set.namespace(),
            set.name(),
            set.uid(),
            |object| {
                object["status"] = status;
            },
        )?;
        outcome.map_err(|(_, failure)| failure)?;
        Ok(again(&set, &pods, now))
    }
}

/// Makes pods in growing batches; the first failure is the outcome.
fn create(api: &Api, set: &Object<ReplicaSet>, count: usize) -> Result<(), Failure> {
    let pod = from_template(set.template(), &REPLICA_SET, set.name(), set.uid());
    for batch in batches(count) {
        let made: Vec<_> = (0..batch)
            .map(|_| make(api, &set.raw, COMPONENT, pod.clone()))
            .collect();
        made.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(())
}

/// Makes one pod for `owner` and says so in an event.
pub(super) fn make(
    api: &Api,
    owner: &Value,
    component: &str,
    pod: Value,
) -> Result<Arc<Value>, Failure> {
    let namespace = owner["metadata"]["namespace"].as_str().unwrap_or_default();
    let made = api.create(&POD, namespace, pod, MANAGER);
    match &made {
        Ok(pod) => {
            let message = format!(
                "Created pod: {}",
                pod["metadata"]["name"].as_str().unwrap_or_default()
            );
            api.event(
                owner,
                component,
                EventKind::Normal,
                "SuccessfulCreate",
                &message,
            );
        }
        // Nothing can be made any more in a namespace that goes.
        Err(failure) if failure.message.contains("because it is being terminated") => {}
        Err(failure) => {
            let message = format!("Error creating: {}", failure.message);
            api.event(
                owner,
                component,
                EventKind::Warning,
                "FailedCreate",
                &message,
            );
        }
    }
    made
}

/// Deletes one pod of `owner` and says so in an event.
pub(super) fn unmake(api: &Api, owner: &Value, component: &str, name: &str) -> Result<(), Failure> {
    let namespace = owner["metadata"]["namespace"].as_str().unwrap_or_default();
    let deleted = delete(api, &POD, namespace, name);
    let (kind, reason, message) = match &deleted {
        Ok(()) => (
            EventKind::Normal,
            "SuccessfulDelete",
            format!("Deleted pod: {name}"),
        ),
        Err(failure) => (
            EventKind::Warning,
            "FailedDelete",
            format!("Error deleting: {}", failure.message),
        ),
    };
    api.event(owner, component, kind, reason, &message);
    deleted
}
