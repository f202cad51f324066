//! ReplicaSets: so many pods of one template.

mod decide;
mod rank;

pub(super) use decide::batches;
pub(super) use rank::order;

use std::time::Duration;

use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};

use crate::api::{
    Api, Change,
    failure::Failure,
    resource::{POD, REPLICA_SET, Resource},
};

use super::{
    adoption::write,
    claims::{claimed, owners},
    making::{make, unmake},
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
    type Key = Key;

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
                object["status"] = status.clone();
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
