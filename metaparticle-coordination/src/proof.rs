//! Proof that a holder's container has ended (P1): it replaces the waiting for its lease, never the write.
//!
//! The leader's record names its container, if the kernel says which one this process runs in. Candidates watch the
//! leader's pod, and believe one thing only: the kubelet's report that this very container has terminated. That a pod is
//! gone, or that nobody can say what became of it, proves nothing.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use futures::StreamExt as _;
use http::{Request, header::USER_AGENT};
use kube::{Client, api::WatchEvent};
use serde_json::Value;

use crate::{error::label, metrics::Verb, refusal::Refusal, store::AGENT};

/// The kubelet reports a container some time after it has started it.
const REPORTED: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before a watch that ended is opened again.
const PAUSE: Duration = Duration::from_secs(5);
/// The server ends a watch after this long.
const WATCH: u32 = 3600;

/// A container, as the annotation of a record names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    namespace: Arc<str>,
    pod: Arc<str>,
    uid: Arc<str>,
    id: Arc<str>,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.namespace, self.pod, self.uid, self.id
        )
    }
}

impl FromStr for Container {
    type Err = ();

    /// What others wrote becomes part of a path: only names are taken.
    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split(' ').collect();
        let [namespace, pod, uid, id] = parts[..] else {
            return Err(());
        };
        label(namespace, "a namespace").map_err(|_| ())?;
        if pod.is_empty() || !pod.split('.').all(|part| label(part, "a pod").is_ok()) {
            return Err(());
        }
        Ok(Self {
            namespace: namespace.into(),
            pod: pod.into(),
            uid: uid.into(),
            id: id.into(),
        })
    }
}

/// The container that this process runs in, by the kubelet's word for its id and the kernel's for that it is this one.
///
/// # Errors
/// Without the permission to get pods.
pub(crate) async fn own(
    client: Client,
    namespace: String,
    pod: String,
    uid: String,
    is_own: fn(&str) -> bool,
) -> Result<Option<Container>, Refusal> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
    for wait in REPORTED {
        tokio::time::sleep(wait).await;
        let asked = client.request::<Value>(get(&path));
        let seen = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => {
                forbidden(Verb::Get, &namespace, &error)?;
                continue;
            }
            Err(_) => continue,
        };
        let ids = statuses(&seen).filter_map(|status| status["containerID"].as_str());
        if seen["metadata"]["uid"] == *uid
            && let Some(id) = ids.into_iter().find(|id| is_own(id))
        {
            return Ok(Some(Container {
                namespace: namespace.into(),
                pod: pod.into(),
                uid: uid.into(),
                id: id.into(),
            }));
        }
    }
    Ok(None)
}

/// Waits for the proof that this container has ended.
///
/// # Errors
/// Without the permission to watch pods.
///
/// # Cancel safety
/// Cancel safe.
pub(crate) async fn ended(client: Client, container: Container) -> Result<(), Refusal> {
    let path = format!(
        "/api/v1/namespaces/{}/pods?fieldSelector=metadata.name%3D{}&watch=true&timeoutSeconds={WATCH}",
        container.namespace, container.pod
    );
    loop {
        // From any version: that a container has terminated stays true.
        let asked = client.request_events::<Value>(get(&path));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(events)) => {
                let mut events = events.boxed();
                while let Some(Ok(event)) = events.next().await {
                    if let WatchEvent::Added(pod) | WatchEvent::Modified(pod) = event
                        && proves(&pod, &container)
                    {
                        return Ok(());
                    }
                }
            }
            Ok(Err(error)) => forbidden(Verb::Watch, &container.namespace, &error)?,
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn get(path: &str) -> Request<Vec<u8>> {
    Request::get(path)
        .header(USER_AGENT, AGENT)
        .body(Vec::new())
        .expect("labels make a path")
}

/// What does not change by asking again.
fn forbidden(verb: Verb, namespace: &str, error: &kube::Error) -> Result<(), Refusal> {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            let body = serde_json::to_value(status).unwrap_or_default();
            Err(Refusal::new(verb, "pods", namespace, 403, &body))
        }
        _ => Ok(()),
    }
}

/// Nothing is lost but time without that permission: it is said once, and the holder's lease is waited for.
pub(crate) fn without(refusal: &Refusal) {
    tracing::warn!(rule = "P1", %refusal, "a crash is noticed only when the lease has expired");
}

/// Whether a pod's status says that this container of it has terminated. `ContainerStatusUnknown` is what a kubelet makes
/// up for what it cannot find.
fn proves(pod: &Value, container: &Container) -> bool {
    pod["metadata"]["uid"] == *container.uid
        && statuses(pod)
            .flat_map(|status| {
                [
                    &status["state"]["terminated"],
                    &status["lastState"]["terminated"],
                ]
            })
            .any(|end| {
                end["containerID"] == *container.id && end["reason"] != "ContainerStatusUnknown"
            })
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .filter_map(|kind| pod["status"][kind].as_array())
        .flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container() -> Container {
        "prod web-1 0b1c containerd://12".parse().unwrap()
    }

    fn pod(uid: &str, which: &str, id: &str, reason: &str) -> Value {
        let ended = json!({ which: { "terminated": { "containerID": id, "reason": reason } } });
        json!({ "metadata": { "uid": uid }, "status": { "containerStatuses": [{}, ended] } })
    }

    #[test]
    fn kubelets_report_about_this_very_container_is_proof() {
        for which in ["state", "lastState"] {
            assert!(proves(
                &pod("0b1c", which, "containerd://12", "Error"),
                &container()
            ));
        }
    }

    #[test]
    fn nothing_else_is() {
        for pod in [
            pod("other", "state", "containerd://12", "Error"),
            pod("0b1c", "state", "containerd://13", "Error"),
            pod("0b1c", "state", "containerd://12", "ContainerStatusUnknown"),
            pod("0b1c", "waiting", "containerd://12", "Error"),
            json!({ "metadata": { "uid": "0b1c" }, "status": { "phase": "Failed" } }),
        ] {
            assert!(!proves(&pod, &container()), "{pod}");
        }
    }

    #[test]
    fn annotation_that_names_no_pod_is_none() {
        assert_eq!(container().to_string().parse(), Ok(container()));
        for text in [
            "",
            "prod web-1 0b1c",
            "a/b web-1 u id",
            "prod ../secrets u id",
            "prod a..b u id",
            "prod  u id",
        ] {
            assert_eq!(text.parse::<Container>(), Err(()), "{text}");
        }
    }
}
