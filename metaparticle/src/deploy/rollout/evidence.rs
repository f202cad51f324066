//! What a diagnosis needs beyond status and events: the program's last lines, and whether it listens on loopback only.
//!
//! Best effort and bounded in time: a diagnosis without evidence is better than none.

use std::time::Duration;

use futures::AsyncReadExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use tokio::time::timeout;

use super::cause::{Cause, Diagnosis};

/// How many of the program's last lines are shown.
pub(super) const LINES: usize = 20;
/// How much of them, in bytes.
const BYTES: i64 = 64 * 1024;
/// How long evidence may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Adds to a diagnosis what its pod can still tell.
///
/// # Cancel safety
/// Dropping the future ends its requests; nothing is changed in the cluster by either.
pub(super) async fn gather(client: &Client, namespace: &str, diagnosis: &mut Diagnosis) {
    let Some(pod) = diagnosis.pod.clone() else {
        return;
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let container = diagnosis.container.clone();
    let runs = matches!(diagnosis.cause, Cause::NotReady { .. });
    if let Some(lines) = diagnosis.cause.lines_mut()
        && let Ok(last) = timeout(PATIENCE, last_lines(&pods, &pod, container, runs)).await
        && !last.is_empty()
    {
        *lines = last;
    }
    if let Cause::NotReady {
        probe,
        failure: Some(failure),
        loopback_only,
        ..
    } = &mut diagnosis.cause
        && failure.contains("connection refused")
        && let Some(port) = probe.as_ref().and_then(|probe| probe.port)
    {
        *loopback_only = timeout(PATIENCE, listens_on_loopback(&pods, &pod, port))
            .await
            .unwrap_or(false);
    }
}

/// The last lines of the instance that runs, or that ended last.
///
/// While a container waits or has ended, the kubelet gives the lines of its last instance; only one that runs again has
/// to be asked for its previous one.
async fn last_lines(
    pods: &Api<Pod>,
    pod: &str,
    container: Option<String>,
    runs: bool,
) -> Vec<String> {
    let again = !runs
        && pods.get(pod).await.is_ok_and(|pod| {
            let statuses = pod.status.and_then(|status| status.container_statuses);
            statuses.into_iter().flatten().any(|status| {
                container.as_ref() == Some(&status.name)
                    && status.state.is_some_and(|state| state.running.is_some())
            })
        });
    let params = LogParams {
        container,
        previous: again,
        tail_lines: i64::try_from(LINES).ok(),
        limit_bytes: Some(BYTES),
        ..LogParams::default()
    };
    let mut bytes = Vec::new();
    if let Ok(stream) = pods.log_stream(pod, &params).await {
        // What came before a broken connection is shown all the same.
        let _ = std::pin::pin!(stream).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Whether a port that refuses the kubelet is open inside the pod: a port-forward connects there on loopback.
async fn listens_on_loopback(pods: &Api<Pod>, pod: &str, port: u16) -> bool {
    let Ok(mut forward) = pods.portforward(pod, &[port]).await else {
        return false;
    };
    let (stream, error) = (forward.take_stream(port), forward.take_error(port));
    let refused = match error {
        // An open port is silent until it is spoken to; a closed one is told at once.
        Some(error) => timeout(PATIENCE / 3, error).await.is_ok(),
        None => true,
    };
    drop(stream);
    forward.abort();
    !refused
}
