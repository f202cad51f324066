//! The embedded cluster beside a real API server, one after the other in one run.
//!
//! `cargo run --release -p metaparticle-benches --bin local -- [PROGRAM]` measures, each figure a line:
//! - writes of small `ConfigMap`s a second, 32 at a time: embedded in process, embedded over HTTPS, and at the real one
//!   that `METAPARTICLE_TEST_KUBECONFIG` names, if it does;
//! - the time from a write until each of 1,000 watchers has heard of it, likewise;
//! - for PROGRAM (a built program of four replicas): from its start until all are ready, and the memory of the process
//!   above that of an empty tokio program.

use std::{env, error::Error, process::Stdio, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, PostParams, WatchEvent, WatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle::testing::Cluster;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WATCHERS: usize = 1000;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    if env::args().nth(1).as_deref() == Some("--idle") {
        return idle();
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

/// An empty tokio program, for comparison.
fn idle() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async { sleep(Duration::from_secs(600)).await });
    Ok(())
}

async fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    let cluster = Cluster::builder()
        .listen(kubeconfig.as_path())
        .start()
        .await?;
    api("embedded, in process", &cluster.client()).await?;
    api(
        "embedded, over HTTPS",
        &client(&kubeconfig.to_string_lossy()).await?,
    )
    .await?;
    drop(cluster);
    if let Ok(path) = env::var("METAPARTICLE_TEST_KUBECONFIG") {
        api("kube-apiserver", &client(&path).await?).await?;
    }
    if let Some(program) = env::args().nth(1) {
        startup(&program).await?;
    }
    Ok(())
}

async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn api(server: &str, client: &Client) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"generateName": "bench-"}}))?;
    let namespace = namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let name = namespace.metadata.name.ok_or("a name")?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
    writes(server, &maps).await?;
    fan_out(server, &maps).await?;
    namespaces.delete(&name, &DeleteParams::default()).await?;
    Ok(())
}

fn map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: kube::api::ObjectMeta {
            name: Some(name.to_owned()),
            ..Default::default()
        },
        data: Some([("key".to_owned(), "value".to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// Creates, 32 at a time, for about two seconds each round.
async fn writes(server: &str, maps: &Api<ConfigMap>) -> Result<()> {
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        let end = begin + Duration::from_secs(2);
        let written: Vec<()> = stream::iter(0_u32..)
            .take_while(|_| std::future::ready(Instant::now() < end))
            .map(|number| async move {
                let map = map(&format!("m-{round}-{number}"));
                maps.create(&PostParams::default(), &map).await.map(drop)
            })
            .buffer_unordered(32)
            .try_collect()
            .await?;
        let written = u32::try_from(written.len())?;
        rates.push(f64::from(written) / begin.elapsed().as_secs_f64());
        maps.delete_collection(&DeleteParams::default(), &kube::api::ListParams::default())
            .await?;
    }
    figure(server, "writes a second to one kind", &mut rates, "1/s");
    Ok(())
}

/// From a write until the last of the watchers has heard of it.
async fn fan_out(server: &str, maps: &Api<ConfigMap>) -> Result<()> {
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let open = (0..WATCHERS).map(|_| async {
        let mut events = maps
            .watch(&WatchParams::default().timeout(280), "0")
            .await?
            .boxed();
        let heard = heard.clone();
        Ok::<_, kube::Error>(tokio::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                let name = match event {
                    WatchEvent::Added(map) => map.metadata.name,
                    _ => None,
                };
                if name.is_some_and(|name| name.starts_with("heard-")) {
                    let _ = heard.send(());
                }
            }
        }))
    });
    let watchers = try_join_all(open).await?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let begin = Instant::now();
        maps.create(&PostParams::default(), &map(&format!("heard-{round}")))
            .await?;
        for _ in 0..WATCHERS {
            timeout(Duration::from_secs(60), hearing.recv())
                .await?
                .ok_or("the watchers are there")?;
        }
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    for watcher in watchers {
        watcher.abort();
    }
    figure(server, "a write heard by 1,000 watchers", &mut times, "ms");
    Ok(())
}

/// Starts the program, and looks at its memory when all replicas are ready.
async fn startup(program: &str) -> Result<()> {
    let empty = Started(
        Command::new(env::current_exe()?)
            .arg("--idle")
            .kill_on_drop(true)
            .spawn()?,
    );
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
        loop {
            let line = events
                .next_line()
                .await?
                .ok_or("it ended before its pods were ready")?;
            let event: serde_json::Value = serde_json::from_str(&line)?;
            if event["event"] == "done" {
                break;
            }
        }
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        let child = Started(child);
        sleep(Duration::from_secs(1)).await;
        memory.push(child.megabytes()? - empty.megabytes()?);
    }
    figure(
        program,
        "start until all replicas are ready",
        &mut times,
        "ms",
    );
    figure(
        program,
        "memory above an empty tokio program",
        &mut memory,
        "MB",
    );
    Ok(())
}

struct Started(tokio::process::Child);

impl Started {
    /// Resident memory, as Linux counts it.
    fn megabytes(&self) -> Result<f64> {
        let pid = self.0.id().ok_or("it runs")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .ok_or("VmRSS")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).ok_or("a number")?.parse()?;
        Ok(kilobytes / 1000.0)
    }
}

#[allow(clippy::print_stdout, reason = "the result of the program")]
fn figure(of: &str, what: &str, values: &mut [f64], unit: &str) {
    values.sort_by(f64::total_cmp);
    let round = |value: &f64| (value * 10.0).round() / 10.0;
    let line = json!({
        "of": of, "what": what, "unit": unit, "runs": values.len(),
        "median": values.get(values.len() / 2).map(round),
        "min": values.first().map(round), "max": values.last().map(round),
    });
    println!("{line}");
}
