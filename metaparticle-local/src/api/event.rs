//! Events about objects, as `kubectl describe` shows them.

use serde_json::{Value, json};

use super::{Api, resource, write};

/// Most Events of a namespace; the oldest go first. The real server forgets them after an hour.
const MOST: usize = 500;

/// `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// All goes well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Api {
    /// Records an Event (core/v1) about an object; the same one again is counted.
    pub fn event(
        &self,
        about: &Value,
        component: &str,
        kind: EventKind,
        reason: &str,
        message: &str,
    ) {
        let metadata = &about["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let namespace = Some(text("namespace"))
            .filter(|it| !it.is_empty())
            .unwrap_or("default");
        let now = self.clock.seconds();
        let known = self.list(&resource::EVENT, Some(namespace));
        let same = known.iter().find(|event| {
            event["involvedObject"]["uid"] == metadata["uid"]
                && event["reason"] == reason
                && event["message"] == message
                && event["source"]["component"] == component
        });
        if let Some(same) = same {
            let name = write::name_of(same);
            // It may have been deleted meanwhile; then nobody misses the count.
            let _ = self.update(&resource::EVENT, namespace, &name, component, |event| {
                event["count"] = (event["count"].as_i64().unwrap_or(1) + 1).into();
                event["lastTimestamp"] = now.into();
            });
            return;
        }
        if known.len() >= MOST
            && let Some(oldest) = known.iter().min_by_key(|event| {
                event["metadata"]["resourceVersion"]
                    .as_str()
                    .and_then(|it| it.parse::<u64>().ok())
            })
        {
            let _ = self.delete(
                &resource::EVENT,
                namespace,
                &write::name_of(oldest),
                &super::DeleteOptions::default(),
            );
        }
        let kind = match kind {
            EventKind::Normal => "Normal",
            EventKind::Warning => "Warning",
        };
        let event = json!({
            "metadata": {"name": format!("{}.{:016x}", text("name"), self.random.next()), "namespace": namespace},
            "involvedObject": {
                "kind": about["kind"], "apiVersion": about["apiVersion"], "namespace": metadata["namespace"],
                "name": metadata["name"], "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason, "message": message, "source": {"component": component}, "type": kind,
            "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "reportingComponent": component, "reportingInstance": "",
        });
        if let Err(failure) =
            self.create(&resource::EVENT, namespace, without_nulls(event), component)
        {
            // The namespace is going; an event about that helps nobody.
            tracing::debug!(failure.message, "an event was not recorded");
        }
    }
}

fn without_nulls(mut event: Value) -> Value {
    if let Some(about) = event["involvedObject"].as_object_mut() {
        about.retain(|_, value| !value.is_null());
    }
    event
}
