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

/// Namespaces that stay.
const ETERNAL: [&str; 3] = ["default", "kube-system", "kube-public"];

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
        if resource.kind == resource::NAMESPACE.kind && ETERNAL.contains(&name) {
            let why = "this namespace may not be deleted";
            return Err(Failure::forbidden(resource, name, why));
        }
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
fn delete_in(
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
    let Some(grace) = grace(resource, old, options) else {
        return Removed {
            object: Arc::clone(current),
            gone: false,
        };
    };
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
    let wanted = &options.preconditions;
    let is_namespace = resource.kind == resource::NAMESPACE.kind;
    for (field, what, wanted, story) in [
        ("uid", "UID", &wanted.uid, "been deleted and then recreated"),
        (
            "resourceVersion",
            "ResourceVersion",
            &wanted.resource_version,
            "been modified",
        ),
    ] {
        let stored = object["metadata"][field].as_str().unwrap_or_default();
        let Some(wanted) = wanted.as_deref().filter(|it| *it != stored) else {
            continue;
        };
        if is_namespace {
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {stored}"
            );
            return Err(Failure::conflict(resource, name, &why));
        }
        // The storage names the kind here, not the resource.
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the {what} in the precondition ({wanted}) does not match the \
             {what} in record ({stored}). The object might have {story}",
            resource.kind_and_group()
        );
        let mut details = resource.details(name);
        details["kind"] = resource.kind.into();
        return Err(Failure::new(409, "Conflict", message).with_details(details));
    }
    Ok(())
}

/// Seconds until the object may go: pods that run are given time. None if it is being deleted already, and this changes
/// nothing: sooner is possible, later is not.
fn grace(resource: &'static Resource, object: &Value, options: &DeleteOptions) -> Option<i64> {
    if resource.kind != resource::POD.kind {
        return Some(0);
    }
    // As of old, a negative number asks for the shortest time.
    let shortest = |seconds: i64| if seconds < 0 { 1 } else { seconds };
    let asked = options.grace_period_seconds.map(shortest);
    if !object["metadata"]["deletionTimestamp"].is_null() {
        let before = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
        return asked.filter(|asked| before.is_some_and(|before| *asked < before));
    }
    let spec = &object["spec"];
    let is_nowhere = spec["nodeName"].as_str().is_none_or(str::is_empty);
    let phase = object["status"]["phase"].as_str();
    if is_nowhere || matches!(phase, Some("Succeeded" | "Failed")) {
        return Some(0);
    }
    let own = || shortest(spec["terminationGracePeriodSeconds"].as_i64().unwrap_or(30));
    Some(asked.unwrap_or_else(own))
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
        metadata["deletionTimestamp"] = seconds_after(now, grace).into();
        // Namespaces have no grace to count.
        if !is_namespace || !finalizers.is_empty() {
            metadata["deletionGracePeriodSeconds"] = grace.into();
        }
        if metadata["generation"].is_number() {
            let generation = metadata["generation"].as_i64().unwrap_or(0) + 1;
            metadata["generation"] = generation.into();
        }
    } else if let Some(before) = metadata["deletionGracePeriodSeconds"].as_i64()
        && grace < before
    {
        // The time counts from the first request on.
        let was = metadata["deletionTimestamp"].as_str();
        let was = was.and_then(|it| it.parse().ok()).unwrap_or(now);
        metadata["deletionTimestamp"] = seconds_after(was, grace - before).into();
        metadata["deletionGracePeriodSeconds"] = grace.into();
    }
    if is_namespace {
        object["status"]["phase"] = "Terminating".into();
    }
    waits
}

fn seconds_after(time: jiff::Timestamp, seconds: i64) -> String {
    let at = time.saturating_add(SignedDuration::from_secs(seconds));
    let at = at.unwrap_or(time);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
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
