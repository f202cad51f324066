//! Making and deleting pods for their controllers, which say so in events.

use std::sync::Arc;

use serde_json::Value;

use crate::api::{Api, EventKind, failure::Failure, resource::POD};

use super::adoption::{MANAGER, delete};

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
