//! Four replicas: a program that starts its own cluster, and the same number of pods on the real one.

use std::{process::Stdio, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{ChildStdout, Command},
    time::{Instant, sleep},
};

use crate::{ROUNDS, Result, figure, memory::Started};

/// The image that is on the nodes of `cargo xtask cluster`: it waits.
const PAUSE: &str = "metaparticle.test/pause:1";

/// From the start of the process until the deployment is done, and its memory then.
pub(crate) async fn embedded(program: &str) -> Result<()> {
    let empty = Started::idle().await?;
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let mut child = Command::new(program)
            .args(["metaparticle", "up", "--output", "json"])
            .env_remove("METAPARTICLE_CONTEXT")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        let mut events = BufReader::new(child.stdout.take().ok_or("piped")?).lines();
        let said = done(&mut events).await?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        if !said.contains("4 pods are ready") {
            return Err(format!("{program} said {said:?}").into());
        }
        let child = Started(child);
        sleep(Duration::from_secs(2)).await;
        memory.push(child.megabytes()? - empty.megabytes()?);
        drop(child);
        sleep(Duration::from_secs(2)).await; // the guard ends its pods
    }
    figure(
        "embedded",
        "start until 4 replicas are ready",
        &mut times,
        "ms",
    );
    figure("embedded", "memory of the control plane", &mut memory, "MB");
    Ok(())
}

/// What the program says at the end of its deployment.
async fn done(events: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    loop {
        let line = events.next_line().await?;
        let line = line.ok_or("it ended before its pods were ready")?;
        let event: serde_json::Value = serde_json::from_str(&line)?;
        if event["event"] == "done" {
            return Ok(event["message"].as_str().unwrap_or_default().to_owned());
        }
    }
}

/// From the creation of a Deployment until its pods are ready, on a cluster that runs.
pub(crate) async fn real(client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"generateName": "bench-"}}))?;
    let namespace = namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let name = namespace.metadata.name.ok_or("a name")?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &name);
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let labels = json!({"app": format!("four-{round}")});
        let deployment = serde_json::from_value(json!({
            "metadata": {"name": labels["app"]},
            "spec": {"replicas": 4, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": PAUSE, "imagePullPolicy": "IfNotPresent"}]},
            }},
        }))?;
        let begin = Instant::now();
        deployments
            .create(&PostParams::default(), &deployment)
            .await?;
        let name = format!("four-{round}");
        while ready(&deployments.get(&name).await?) != 4 {
            sleep(Duration::from_millis(10)).await;
        }
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        deployments
            .delete(&name, &DeleteParams::background())
            .await?;
    }
    namespaces.delete(&name, &DeleteParams::default()).await?;
    figure(
        "kube-apiserver",
        "Deployment until 4 replicas are ready",
        &mut times,
        "ms",
    );
    Ok(())
}

fn ready(deployment: &Deployment) -> i32 {
    let status = deployment.status.as_ref();
    status.and_then(|it| it.ready_replicas).unwrap_or_default()
}
