//! A program that knows nothing of shards: each user has one pod, and when pods come and go, no request fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::ConfigMap};
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle_protocol::shard::Map;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::up::Up;

const NAME: &str = "suite-sharded";
const USERS: usize = 120;
/// Longest wait for a change. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(90);

type Owners = BTreeMap<usize, String>;

/// Status and server of an answer.
async fn ask(address: &str, path: &str) -> io::Result<(u16, String)> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: users\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(Duration::from_secs(20), asked).await??;
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    let server = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-served-by: "));
    let status = status.ok_or_else(|| io::Error::other(format!("no answer: {answer:?}")))?;
    Ok((status, server.unwrap_or_default().to_owned()))
}

/// Who serves each user now.
async fn owners(address: &str) -> Owners {
    let mut owners = Owners::new();
    for user in 0..USERS {
        let (status, server) = ask(address, &format!("/users/{user}/cart"))
            .await
            .expect("an answer");
        assert_eq!(status, 200, "user {user}");
        owners.insert(user, server);
    }
    owners
}

/// Waits until slots are divided among these pods in equal shares, and none moves any more; then asks who serves each user.
async fn divided(address: &str, client: &Client, pods: &[usize]) -> Owners {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let wanted: Vec<_> = pods.iter().map(|pod| format!("{NAME}-{pod}")).collect();
    let end = Instant::now() + LIMIT;
    loop {
        let map = maps.get_opt(&format!("{NAME}-shards")).await;
        let shares = map.expect("an answer").map(|map| shares(&map));
        if let Some(Some(shares)) = &shares
            && shares.keys().eq(&wanted)
            && shares.values().max() <= shares.values().min().map(|least| least + 1).as_ref()
        {
            break;
        }
        assert!(Instant::now() < end, "{shares:?} and not {wanted:?}");
        sleep(Duration::from_millis(100)).await;
    }
    let owners = owners(address).await;
    let servers: BTreeSet<_> = owners.values().collect();
    assert!(servers.into_iter().eq(&wanted), "{owners:?}");
    owners
}

/// How many slots each pod has; `None` while some are nobody's, or move.
fn shares(map: &ConfigMap) -> Option<BTreeMap<String, usize>> {
    let packed = &map.binary_data.as_ref()?.get("map")?.0;
    let map = Map::unpack(packed).expect("a map");
    let mut shares = BTreeMap::new();
    for (_, entry) in map.entries() {
        let owner = entry.owner.filter(|_| entry.to.is_none())?;
        *shares.entry(owner.pod.to_string()).or_default() += 1;
    }
    Some(shares)
}

/// Requests without a pause, until it is told to end.
struct Load {
    going: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Load {
    fn begin(address: &str) -> Self {
        let mut load = Self {
            going: Arc::new(AtomicBool::new(true)),
            answered: Arc::default(),
            failed: Arc::default(),
            tasks: JoinSet::new(),
        };
        for first in 0..4 {
            let (going, answered) = (load.going.clone(), load.answered.clone());
            let (failed, address) = (load.failed.clone(), address.to_owned());
            load.tasks.spawn(async move {
                let users = (0..USERS).cycle().skip(first * USERS / 4);
                for user in users.take_while(|_| going.load(Ordering::Relaxed)) {
                    match ask(&address, &format!("/users/{user}")).await {
                        Ok((200, _)) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        other => failed
                            .lock()
                            .expect("nobody panics with it")
                            .push(format!("user {user}: {other:?}")),
                    }
                    sleep(Duration::from_millis(5)).await;
                }
            });
        }
        load
    }

    async fn end(mut self) -> (usize, Vec<String>) {
        self.going.store(false, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        let failed = self.failed.lock().expect("nobody panics with it").clone();
        (self.answered.load(Ordering::Relaxed), failed)
    }
}

async fn client(up: &Up) -> Client {
    let path = up
        .folder
        .path()
        .join("metaparticle/local")
        .join(NAME)
        .join("kubeconfig");
    let file = Kubeconfig::read_from(path).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a config")).expect("a client")
}

async fn scale(client: &Client, replicas: usize) {
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "default");
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    sets.patch(NAME, &PatchParams::default(), &patch)
        .await
        .expect("scaled");
}

#[tokio::test]
async fn from_three_to_five_to_three_moves_what_must_move_and_fails_nothing() {
    let mut up = Up::sharded();
    let address = up.address().await;
    let client = client(&up).await;
    let three = divided(&address, &client, &[0, 1, 2]).await;
    assert_eq!(ask(&address, "/health").await.expect("an answer").0, 200);

    let load = Load::begin(&address);
    scale(&client, 5).await;
    let five = divided(&address, &client, &[0, 1, 2, 3, 4]).await;
    for (user, server) in &five {
        let is_new = server.ends_with("-3") || server.ends_with("-4");
        assert!(
            is_new || *server == three[user],
            "user {user}: {} to {server}",
            three[user]
        );
    }
    scale(&client, 3).await;
    let again = divided(&address, &client, &[0, 1, 2]).await;
    for (user, server) in &again {
        let is_gone = five[user].ends_with("-3") || five[user].ends_with("-4");
        assert!(
            is_gone || *server == five[user],
            "user {user}: {} to {server}",
            five[user]
        );
    }
    // Until the two pods have ended, which serve as gates for a while.
    sleep(Duration::from_secs(8)).await;
    let (answered, failed) = load.end().await;
    assert!(
        failed.is_empty(),
        "{} of {answered}: {failed:#?}",
        failed.len()
    );
    assert!(answered > 500, "{answered}");
}
