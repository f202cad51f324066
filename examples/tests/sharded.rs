//! The example of shards, run as a user would: visits are counted while users move from three pods to five and back.

#![allow(clippy::unwrap_used, reason = "a suite panics where it fails")]

mod visits;

use std::{path::Path, process::Stdio, time::Duration};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

const USERS: &str = env!("CARGO_BIN_EXE_users");
/// Longest wait for an event. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(90);

/// The example, deployed by itself.
struct Users {
    address: String,
    sets: Api<StatefulSet>,
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
            sets: Api::default_namespaced(client(folder.path()).await),
            _child: child,
            _folder: folder,
        }
    }
}

async fn client(folder: &Path) -> Client {
    let path = folder.join("metaparticle/local/users/kubeconfig");
    let file = Kubeconfig::read_from(path).unwrap();
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}

#[tokio::test]
async fn no_visit_is_lost_or_counted_twice_as_users_move_from_three_pods_to_five_and_back() {
    let users = Users::start().await;
    let tally = visits::move_users(&users.address, &users.sets).await;
    assert_eq!((tally.refused, tally.unknown), (0, 0), "{tally:?}");
}
