//! The object that leaders write: made for each run, and watched past all faults, so that also a write that arrived
//! late, and that its writer never heard of, is judged.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use metaparticle_coordination::fence;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    api::Api,
    clock::now,
    history::{History, Who},
    line::{Line, Outcome, Said, Wrote},
    upstream::Upstream,
};

/// Its name.
pub const REGISTER: &str = "register";

/// Who says what the API server has: nobody of the candidates.
pub const SERVER: Who = Who(usize::MAX);

/// The policy by which the API server refuses stale writes, for the whole cluster; waits until it does.
///
/// # Errors
/// If the API server does not answer, or never begins to.
pub async fn install_policy(api: &Api) -> io::Result<()> {
    let (policy, binding) = fence::admission_policy();
    let root = "/apis/admissionregistration.k8s.io/v1";
    for (path, object) in [
        ("validatingadmissionpolicies", serde_json::to_value(policy)),
        (
            "validatingadmissionpolicybindings",
            serde_json::to_value(binding),
        ),
    ] {
        let object = object.map_err(io::Error::other)?;
        let answer = api.post(&format!("{root}/{path}"), &object).await?;
        if ![201, 409].contains(&answer.status) {
            return Err(io::Error::other(answer.body.to_string()));
        }
    }
    let path = format!("/api/v1/namespaces/default/configmaps/{REGISTER}");
    create(api, "default", &json!({annotation("probe"): "7"})).await?;
    for _ in 0..300 {
        let lower = json!({"metadata": {"annotations": {annotation("probe"): "6"}}});
        let answer = api.patch(&path, &lower).await?;
        if answer.status >= 400 {
            return Ok(());
        }
        let again = json!({"metadata": {"annotations": {annotation("probe"): Value::Null}}});
        api.patch(&path, &again).await?;
        let again = json!({"metadata": {"annotations": {annotation("probe"): "7"}}});
        api.patch(&path, &again).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Err(io::Error::other("the admission policy has no effect"))
}

/// Makes it and watches it until the answer is dropped: every version whose annotation `key` bears a token is written
/// down.
///
/// # Errors
/// If the API server does not answer.
pub async fn watch(
    upstream: Upstream,
    namespace: &str,
    key: String,
    history: Arc<History>,
) -> io::Result<Watch> {
    create(&Api::new(upstream.clone()), namespace, &json!({})).await?;
    let path = format!(
        "/api/v1/namespaces/{namespace}/configmaps?watch=true&fieldSelector=metadata.name%3D{REGISTER}"
    );
    Ok(Watch(tokio::spawn(async move {
        loop {
            // Ends when the API server does; then again.
            let _ = follow(&upstream, &path, &key, &history).await;
            sleep(Duration::from_millis(50)).await;
        }
    })))
}

/// Watches while it lives.
#[derive(Debug)]
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where an election's tokens stand.
fn annotation(election: &str) -> String {
    format!("election.metaparticle.dev/{election}")
}

async fn create(api: &Api, namespace: &str, annotations: &Value) -> io::Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": REGISTER, "annotations": annotations},
    });
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    api.post(&path, &object).await.map(drop)
}

async fn follow(upstream: &Upstream, path: &str, key: &str, history: &History) -> io::Result<()> {
    let mut connection = upstream.connect().await?;
    let request = Request::get(path)
        .body(Full::<Bytes>::default())
        .map_err(io::Error::other)?;
    let response = connection.send(request).await.map_err(io::Error::other)?;
    let mut body = response.into_body();
    let mut left = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(io::Error::other)?.into_data() else {
            continue;
        };
        left.extend_from_slice(&bytes);
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = left.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap_or_default();
            if let Some(wrote) = wrote(&event["object"]["metadata"], key) {
                let line = Line {
                    at: now(),
                    said: Said::Wrote(wrote),
                };
                history.add(SERVER, line);
            }
        }
    }
    Ok(())
}

fn wrote(metadata: &Value, key: &str) -> Option<Wrote> {
    Some(Wrote {
        token: metadata["annotations"][key].as_str()?.parse().ok()?,
        outcome: Outcome::Accepted(metadata["resourceVersion"].as_str()?.parse().ok()?),
    })
}
