//! The example of shards, run as a user would: visits are counted while users move from three pods to five and back.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const USERS: &str = env!("CARGO_BIN_EXE_users");
const VISITORS: usize = 24;
/// Longest wait for a change. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(90);

/// The example, deployed by itself.
struct Users {
    address: String,
    client: Client,
    _child: Child,
    _folder: TempDir,
}

impl Users {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As cargo marks its target directory.
        std::fs::write(folder.path().join("CACHEDIR.TAG"), "").unwrap();
        let copy = folder.path().join("program");
        std::fs::copy(USERS, &copy).unwrap();
        let mut child = Command::new(copy)
            .args(["metaparticle", "up", "--output", "json"])
            .env_remove("METAPARTICLE_CONTEXT")
            .env("KUBECONFIG", "/nowhere")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = timeout(LIMIT, events.next_line()).await.unwrap().unwrap();
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert_ne!(event["event"], "failed", "{event}");
            if event["event"] == "forwarded" {
                let url = event["url"].as_str().unwrap();
                break url.trim_start_matches("http://").to_owned();
            }
        };
        // Read on, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = events.next_line().await {} });
        Self {
            address,
            client: client(folder.path()).await,
            _child: child,
            _folder: folder,
        }
    }

    async fn scale(&self, shards: usize) {
        let sets: Api<StatefulSet> = Api::default_namespaced(self.client.clone());
        let patch = Patch::Merge(json!({ "spec": { "replicas": shards } }));
        sets.patch("users", &PatchParams::default(), &patch)
            .await
            .unwrap();
    }

    /// Waits until so many pods serve.
    async fn serve(&self, pods: usize) {
        let end = Instant::now() + LIMIT;
        loop {
            let mut servers = BTreeMap::new();
            for visitor in 0..VISITORS {
                let (_, server, _) = ask(&self.address, "GET", visitor).await;
                *servers.entry(server).or_insert(0) += 1;
            }
            if servers.len() == pods {
                return;
            }
            assert!(Instant::now() < end, "{servers:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn client(folder: &Path) -> Client {
    let path = folder.join("metaparticle/local/users/kubeconfig");
    let file = Kubeconfig::read_from(path).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}

/// Status, server and number.
async fn ask(address: &str, method: &str, visitor: usize) -> (u16, String, String) {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "{method} /users/v{visitor} HTTP/1.1\r\nhost: users\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = timeout(LIMIT, asked).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let server = head
        .lines()
        .find_map(|line| line.strip_prefix("x-served-by: "));
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        server.unwrap_or_default().to_owned(),
        body.trim().to_owned(),
    )
}

/// Visits without a pause, until it is told to end; how many were acknowledged.
async fn visit(address: String, visitor: usize, going: Arc<AtomicBool>) -> (usize, u64) {
    let mut acknowledged = 0;
    while going.load(Ordering::Relaxed) {
        let answer = ask(&address, "POST", visitor).await;
        assert_eq!(answer.0, 200, "visitor {visitor}: {answer:?}");
        acknowledged += 1;
        assert_eq!(answer.2, acknowledged.to_string(), "visitor {visitor}");
        sleep(Duration::from_millis(20)).await;
    }
    (visitor, acknowledged)
}

#[tokio::test]
async fn no_visit_is_lost_or_counted_twice_as_users_move_from_three_pods_to_five_and_back() {
    let users = Users::start().await;
    users.serve(3).await;
    let going = Arc::new(AtomicBool::new(true));
    let mut visits = JoinSet::new();
    for visitor in 0..VISITORS {
        visits.spawn(visit(users.address.clone(), visitor, going.clone()));
    }
    users.scale(5).await;
    users.serve(5).await;
    users.scale(3).await;
    users.serve(3).await;
    sleep(Duration::from_secs(2)).await;
    going.store(false, Ordering::Relaxed);
    while let Some(visited) = visits.join_next().await {
        let (visitor, acknowledged) = visited.unwrap();
        assert!(acknowledged > 10, "visitor {visitor}: {acknowledged}");
        let (status, _, count) = ask(&users.address, "GET", visitor).await;
        assert_eq!(
            (status, count),
            (200, acknowledged.to_string()),
            "visitor {visitor}"
        );
    }
}
