//! A node that runs nothing: it says of pods what a kubelet would say, by what they would do.

use kube::Client;
use serde_json::{Value, json};

use super::http::{call, delete_now, get};

/// The image that no node has.
pub(crate) const NO_IMAGE: &str = "metaparticle.test/nope:1";

/// Registers a node, and acts for it until it is dropped.
pub(crate) async fn run(client: Client) {
    let node = json!({"metadata": {"name": "node-1", "labels": {"kubernetes.io/os": "linux"}}});
    call(&client, "POST", "/api/v1/nodes", &node)
        .await
        .expect("the only node");
    loop {
        let pods = get(&client, "/api/v1/pods").await;
        for pod in pods["items"].as_array().into_iter().flatten() {
            act(&client, pod).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// One step of one pod: to be ready, to end, to go.
async fn act(client: &Client, pod: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}",
        text(&pod["metadata"]["namespace"]),
        text(&pod["metadata"]["name"])
    );
    if pod["spec"]["nodeName"].is_null() {
        return;
    }
    let phase = text(&pod["status"]["phase"]);
    let ended = matches!(phase.as_str(), "Succeeded" | "Failed");
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        if !ended && !pod["metadata"]["finalizers"].is_null() {
            say(client, &path, &status(pod, "Failed", false)).await;
        }
        // A pod that is let go by others has been deleted already.
        if pod["metadata"]["deletionGracePeriodSeconds"] != 0
            || pod["metadata"]["finalizers"].is_null()
        {
            delete_now(client, &path).await;
        }
        return;
    }
    let container = &pod["spec"]["containers"][0];
    let next = if ended || container["image"] == NO_IMAGE {
        return;
    } else if !container["command"].is_null() {
        status(pod, "Failed", false)
    } else if phase != "Running" {
        status(pod, "Running", true)
    } else if !container["livenessProbe"].is_null() {
        status(pod, "Succeeded", false)
    } else {
        return;
    };
    say(client, &path, &next).await;
}

async fn say(client: &Client, path: &str, status: &Value) {
    // It may be gone, or changed: then the next step says it.
    let _ = call(
        client,
        "PATCH",
        &format!("{path}/status"),
        &json!({"status": status}),
    )
    .await;
}

fn status(pod: &Value, phase: &str, ready: bool) -> Value {
    let now = pod["metadata"]["creationTimestamp"].clone();
    let truth = if ready { "True" } else { "False" };
    let mut conditions = pod["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    conditions.retain(|it| it["type"] != "Ready");
    conditions.push(json!({"type": "Ready", "status": truth, "lastTransitionTime": now}));
    let code = if phase == "Failed" { 128 } else { 0 };
    let state = if ready {
        json!({"running": {"startedAt": now}})
    } else {
        json!({"terminated": {"exitCode": code, "reason": "Completed", "finishedAt": now}})
    };
    json!({
        "phase": phase, "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "conditions": conditions,
        "containerStatuses": [{"name": "main", "image": "", "imageID": "", "ready": ready, "restartCount": 0,
            "state": state}],
    })
}
