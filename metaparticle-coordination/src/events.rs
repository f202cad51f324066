//! [`Events`]: Kubernetes Events about Leases, for `kubectl describe lease` and `kubectl get events`.
//!
//! Best effort, by design: bounded, at most one a second after a burst, never waited for, and without the permission
//! (`create` on `events`) there are none and nothing else changes.

use std::{fmt, sync::Arc, time::Duration};

use http::header::{CONTENT_TYPE, USER_AGENT};
use jiff::Timestamp;
use kube::client::Body;
use metaparticle_protocol::Name;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::{
    metrics::Verb,
    object, random,
    refusal::Refusal,
    store::{AGENT, Store},
};

/// Events that wait, at most; more are dropped.
const WAITING: usize = 16;
/// From one to the next, once the burst is used up.
const PACE: Duration = Duration::from_secs(1);
/// Sent without a pause, at most.
const BURST: u32 = 10;
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(5);

struct Told {
    lease: Name,
    reason: &'static str,
    note: String,
    warning: bool,
}

/// Where events are put in. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Events(Sender<Told>);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

/// A queue, and the task that empties it, which ends when all [`Events`] are dropped or a permission is missing.
pub(crate) fn events(store: Store, pod: String) -> (Events, impl Future<Output = ()> + Send) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let sending = send(store, pod.into(), receiver);
    let said = async {
        if let Err(refusal) = sending.await {
            tracing::warn!(%refusal, "no Events");
        }
    };
    (Events(sender), said)
}

impl Events {
    /// Puts one in; drops it if too many wait, or nobody sends.
    pub(crate) fn tell(&self, lease: Name, reason: &'static str, note: String, warning: bool) {
        let _ = self.0.try_send(Told {
            lease,
            reason,
            note,
            warning,
        });
    }
}

async fn send(store: Store, pod: Arc<str>, mut told: Receiver<Told>) -> Result<(), Refusal> {
    let path = format!("/api/v1/namespaces/{}/events", store.namespace());
    let mut burst = BURST;
    while let Some(event) = told.recv().await {
        let request = http::Request::post(&path)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .body(Body::from(
                object(&event, store.namespace(), &pod, Timestamp::now())
                    .to_string()
                    .into_bytes(),
            ))
            .expect("the path of a namespace makes a request");
        let answer = tokio::time::timeout(PATIENCE, store.client().send(request)).await;
        if let Ok(Ok(answer)) = answer
            && answer.status() == http::StatusCode::FORBIDDEN
        {
            let body = answer.into_body().collect_bytes().await.unwrap_or_default();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let namespace = store.namespace();
            return Err(Refusal::new(Verb::Create, "events", namespace, 403, &body));
        }
        match burst.checked_sub(1) {
            Some(left) => burst = left,
            None => tokio::time::sleep(PACE).await,
        }
    }
    Ok(())
}

fn object(event: &Told, namespace: &str, pod: &str, now: Timestamp) -> Value {
    let lease = &event.lease;
    let second = format!("{now:.0}");
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": format!("{lease}.{}", random::word()), "namespace": namespace },
        "involvedObject": {
            "apiVersion": object::API_VERSION,
            "kind": "Lease",
            "name": lease.as_str(),
            "namespace": namespace,
        },
        "reason": event.reason,
        "message": format!("{pod} {}", event.note),
        "type": if event.warning { "Warning" } else { "Normal" },
        "source": { "component": "metaparticle", "host": pod },
        "reportingComponent": "metaparticle",
        "reportingInstance": pod,
        "firstTimestamp": second,
        "lastTimestamp": second,
        "count": 1,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What comes of one Event of this account.
    pub(crate) async fn sent(store: Store) -> Result<(), Refusal> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let events = Events(sender);
        events.tell(
            Name::from("billing"),
            "Acquired",
            "acquired".to_owned(),
            false,
        );
        drop(events);
        send(store, "web-1".into(), receiver).await
    }
}
