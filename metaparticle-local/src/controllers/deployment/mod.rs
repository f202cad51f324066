//! Deployments: a ReplicaSet a template, scaled up and down so that the promised pods stay available.

mod bounds;
mod plan;
mod revision;
mod rolling;
mod scaling;
mod sets;
mod status;

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use serde_json::{Value, json};

use crate::api::{
    Api, Change, DeleteOptions, EventKind,
    failure::Failure,
    resource::{DEPLOYMENT, POD, REPLICA_SET, Resource},
};

use super::{
    adoption::{MANAGER, adopt, release, write},
    object::{Object, controller_of, controller_uid},
    pods,
    run::{Controller, Key, key},
    selector::{Claim, claim, is_empty},
};
use plan::{Decision, World, decide};
use sets::Set;

/// Who records events.
const COMPONENT: &str = "deployment-controller";

/// The controller.
#[derive(Debug)]
pub(super) struct Deployments;

impl Controller for Deployments {
    type Key = Key;

    fn watches(&self) -> Vec<&'static Resource> {
        vec![&DEPLOYMENT, &REPLICA_SET, &POD]
    }

    fn keys(&mut self, api: &Api, change: &Change) -> Vec<Key> {
        if change.resource == &DEPLOYMENT {
            return vec![key(change)];
        }
        if change.resource == &POD {
            return if change.deleted {
                recreating(api, change)
            } else {
                Vec::new()
            };
        }
        let all = api.list(&DEPLOYMENT, Some(&change.namespace));
        let owner = controller_uid(&change.object);
        let concerns = |it: &&Arc<Value>| match owner {
            Some(uid) => it["metadata"]["uid"] == uid,
            None => true, // it may adopt it
        };
        let names = all
            .iter()
            .filter(concerns)
            .filter_map(|it| it["metadata"]["name"].as_str());
        names
            .map(|name| (change.namespace.clone(), name.to_owned()))
            .collect()
    }

    fn reconcile(&mut self, api: &Api, key: &Key) -> Result<Option<Duration>, Failure> {
        let Some(deployment) = Object::<Deployment>::read(api, &DEPLOYMENT, &key.0, &key.1) else {
            return Ok(None);
        };
        let world = observe(api, deployment)?;
        let decision = decide(&world, api.now());
        act(api, &world.deployment, decision)
    }
}

/// Deployments that wait for their old pods to end.
fn recreating(api: &Api, change: &Change) -> Vec<Key> {
    let Some(uid) = controller_uid(&change.object) else {
        return Vec::new();
    };
    let sets = api.list(&REPLICA_SET, Some(&change.namespace));
    let set = sets.iter().find(|it| it["metadata"]["uid"] == uid);
    let Some(owner) = set.and_then(|it| controller_uid(it)) else {
        return Vec::new();
    };
    let all = api.list(&DEPLOYMENT, Some(&change.namespace));
    let waits = |it: &&Arc<Value>| {
        it["metadata"]["uid"] == owner && it["spec"]["strategy"]["type"] == "Recreate"
    };
    let names = all
        .iter()
        .filter(waits)
        .filter_map(|it| it["metadata"]["name"].as_str());
    names
        .map(|name| (change.namespace.clone(), name.to_owned()))
        .collect()
}

/// Reads what matters, and takes or lets go ReplicaSets.
fn observe(api: &Api, deployment: Object<Deployment>) -> Result<World, Failure> {
    let namespace = deployment.namespace().to_owned();
    let mut world = World {
        replica_sets: Vec::new(),
        taken: Vec::new(),
        running: HashMap::new(),
        deployment,
    };
    let deployment = &world.deployment;
    let spec = deployment.spec.as_ref();
    let Some(selector) = spec.map(|it| &it.selector).filter(|it| !is_empty(it)) else {
        return Ok(world);
    };
    let (uid, deleting) = (deployment.uid(), deployment.is_deleting());
    for set in Object::<ReplicaSet>::list(api, &REPLICA_SET, &namespace, |_| true) {
        match claim(uid, deleting, selector, &set.metadata) {
            Claim::Keep => world.replica_sets.push(set),
            Claim::Adopt => {
                let adopted = adopt(api, &REPLICA_SET, &set, &DEPLOYMENT, deployment)?;
                world.replica_sets.extend(Object::parse(adopted));
            }
            Claim::Release => {
                release(api, &REPLICA_SET, &set, uid)?;
                world.taken.push(set.name().to_owned());
            }
            Claim::Ignore => world.taken.push(set.name().to_owned()),
        }
    }
    for pod in Object::<Pod>::list(api, &POD, &namespace, |it| controller_uid(it).is_some()) {
        if let Some(owner) = controller_of(&pod.metadata).filter(|_| !pods::is_finished(&pod)) {
            *world.running.entry(owner.uid.clone()).or_default() += 1;
        }
    }
    Ok(world)
}

fn act(
    api: &Api,
    deployment: &Object<Deployment>,
    mut decision: Decision,
) -> Result<Option<Duration>, Failure> {
    let namespace = deployment.namespace();
    let mut outcome = Ok(());
    if let Some(set) = decision.create.take() {
        let name = set["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if let Err(failure) = api.create(&REPLICA_SET, namespace, set, MANAGER) {
            let message = format!(
                "Failed to create new replica set \"{name}\": {}",
                failure.message
            );
            api.event(
                &deployment.raw,
                COMPONENT,
                EventKind::Warning,
                "ReplicaSetCreateError",
                &message,
            );
            decision.fail(&message, api.now());
            outcome = Err(failure);
        }
    }
    for set in &decision.update {
        api.update(&REPLICA_SET, namespace, &set.name, MANAGER, |object| {
            apply(set, object);
        })?;
    }
    for (warning, reason, message) in &decision.events {
        let kind = if *warning {
            EventKind::Warning
        } else {
            EventKind::Normal
        };
        api.event(&deployment.raw, COMPONENT, kind, reason, message);
    }
    for name in &decision.delete {
        api.delete(&REPLICA_SET, namespace, name, &DeleteOptions::default())?;
    }
    let status = serde_json::to_value(&decision.status).unwrap_or_default();
    write(
        api,
        &DEPLOYMENT,
        namespace,
        deployment.name(),
        deployment.uid(),
        |object| {
            if let Some(revision) = &decision.revision {
                object["metadata"]["annotations"][revision::REVISION] = json!(revision);
            }
            object["status"] = status.clone();
        },
    )?;
    outcome.map(|()| decision.again)
}

/// Writes what is planned for a ReplicaSet.
fn apply(set: &Set, object: &mut Value) {
    object["spec"]["replicas"] = json!(set.replicas);
    object["metadata"]["annotations"] = json!(set.annotations);
    match set.min_ready_seconds {
        Some(seconds) => object["spec"]["minReadySeconds"] = json!(seconds),
        None => {
            object["spec"]
                .as_object_mut()
                .map(|it| it.remove("minReadySeconds"));
        }
    }
}
