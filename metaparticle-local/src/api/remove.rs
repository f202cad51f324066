//! Deletion: preconditions, grace, finalizers, and what becomes of dependents.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Api, DeleteOptions, Propagation,
    failure::Failure,
    resource::{self, Resource},
    store::{Object, State},
};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// How a deletion went.
#[derive(Debug)]
pub(crate) struct Removed {
    /// The object as it was last.
    pub(crate) object: Arc<Object>,
    /// Whether it is gone already.
    pub(crate) gone: bool,
}

/// Deletes an object, or begins to.
pub(crate) fn delete(
    api: &Api,
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
    dry_run: bool,
) -> Result<Removed, Failure> {
    let now = api.clock.now();
    api.store.with(|state| {
        let current = state.get(resource, namespace, name);
        let current = Arc::clone(current.ok_or_else(|| Failure::not_found(resource, name))?);
        check(resource, name, current.value(), options)?;
        Ok(delete_in(
            state,
            resource,
            (namespace, name),
            &current,
            options,
            now,
            dry_run,
        ))
    })
}

/// Deletes what was found, while the store is held.
pub(crate) fn delete_in(
    state: &mut State,
    resource: &'static Resource,
    (namespace, name): (&str, &str),
    current: &Arc<Object>,
    options: &DeleteOptions,
    now: jiff::Timestamp,
    dry_run: bool,
) -> Removed {
    let key = (namespace.to_owned(), name.to_owned());
    let old = current.value();
    let mut new = (**old).clone();
    let grace = grace(resource, old, options);
    let waits = mark(resource, &mut new, options, grace, now);
    if dry_run {
        return Removed {
            object: Arc::new(Object::unstored(resource, new)),
            gone: !waits,
        };
    }
    if !waits {
        let deleted = state.remove(resource, &key);
        let deleted = deleted.unwrap_or_else(|| Arc::clone(current));
        let last = if old["metadata"]["deletionTimestamp"].is_null() {
            deleted
        } else {
            Arc::new(Object::new(resource, new, deleted.revision()))
        };
        return Removed {
            object: last,
            gone: true,
        };
    }
    if new == **old {
        return Removed {
            object: Arc::clone(current),
            gone: false,
        };
    }
    Removed {
        object: state.put(resource, key, new),
        gone: false,
    }
}

/// Whether an object that is being deleted has nothing left to wait for.
pub(crate) fn is_finished(resource: &'static Resource, object: &Value) -> bool {
    let metadata = &object["metadata"];
    let is_empty = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    !metadata["deletionTimestamp"].is_null()
        && is_empty(&metadata["finalizers"])
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && (resource.kind != resource::NAMESPACE.kind || is_empty(&object["spec"]["finalizers"]))
}

fn check(
    resource: &'static Resource,
    name: &str,
    object: &Value,
    options: &DeleteOptions,
) -> Result<(), Failure> {
    let stored = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    let refused = |why: String| {
        // The storage names the kind here, not the resource.
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.kind_and_group()
        );
        let mut details = resource.details(name);
        details["kind"] = resource.kind.into();
        Failure::new(409, "Conflict", message).with_details(details)
    };
    let wanted = &options.preconditions;
    if let Some(uid) = wanted.uid.as_deref().filter(|uid| *uid != stored("uid")) {
        return Err(refused(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            stored("uid")
        )));
    }
    let version = wanted.resource_version.as_deref();
    if let Some(version) = version.filter(|version| *version != stored("resourceVersion")) {
        return Err(refused(format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            stored("resourceVersion")
        )));
    }
    Ok(())
}

/// Seconds until the object may go: pods that run are given time.
fn grace(resource: &'static Resource, object: &Value, options: &DeleteOptions) -> i64 {
    if resource.kind != resource::POD.kind {
        return 0;
    }
    let spec = &object["spec"];
    let asked = options.grace_period_seconds.filter(|seconds| *seconds >= 0);
    let grace =
        asked.unwrap_or_else(|| spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(30));
    let is_nowhere = spec["nodeName"].as_str().is_none_or(str::is_empty);
    let is_over = matches!(
        object["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    if is_nowhere || is_over { 0 } else { grace }
}

/// Writes into the object that it is being deleted. Whether there is something to wait for.
fn mark(
    resource: &'static Resource,
    object: &mut Value,
    options: &DeleteOptions,
    grace: i64,
    now: jiff::Timestamp,
) -> bool {
    let finalizers = finalizers(resource, object, options);
    let is_namespace = resource.kind == resource::NAMESPACE.kind
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|it| !it.is_empty());
    let waits = !finalizers.is_empty() || grace > 0 || is_namespace;
    let metadata = &mut object["metadata"];
    if finalizers.is_empty() {
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("finalizers");
        }
    } else {
        metadata["finalizers"] = json!(finalizers);
    }
    if metadata["deletionTimestamp"].is_null() {
        let at = now
            .saturating_add(SignedDuration::from_secs(grace))
            .unwrap_or(now);
        metadata["deletionTimestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        // Namespaces have no grace to count.
        if !is_namespace || !finalizers.is_empty() {
            metadata["deletionGracePeriodSeconds"] = grace.into();
        }
        if metadata["generation"].is_number() {
            let generation = metadata["generation"].as_i64().unwrap_or(0) + 1;
            metadata["generation"] = generation.into();
        }
    } else if metadata["deletionGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|before| grace < before)
    {
        // Sooner is possible, later is not.
        let at = now
            .saturating_add(SignedDuration::from_secs(grace))
            .unwrap_or(now);
        metadata["deletionTimestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        metadata["deletionGracePeriodSeconds"] = grace.into();
    }
    if is_namespace {
        object["status"]["phase"] = "Terminating".into();
    }
    waits
}

/// The finalizers that the propagation policy leaves on the object.
fn finalizers(resource: &'static Resource, object: &Value, options: &DeleteOptions) -> Vec<String> {
    let now = object["metadata"]["finalizers"].as_array();
    let now: Vec<String> = now
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let had = |name: &str| now.iter().any(|it| it == name);
    let propagation = options.propagation.or_else(|| {
        // An earlier decision stays; a Job's pods outlive it unless somebody says otherwise.
        let undecided = !had(FOREGROUND) && !had(ORPHAN);
        (undecided && resource.kind == resource::JOB.kind).then_some(Propagation::Orphan)
    });
    let Some(propagation) = propagation else {
        return now;
    };
    let mut kept: Vec<String> = now
        .into_iter()
        .filter(|it| it != FOREGROUND && it != ORPHAN)
        .collect();
    match propagation {
        Propagation::Foreground => kept.push(FOREGROUND.into()),
        Propagation::Orphan => kept.push(ORPHAN.into()),
        Propagation::Background => {}
    }
    kept
}
