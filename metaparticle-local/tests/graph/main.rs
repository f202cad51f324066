//! The same scenarios on the embedded cluster and on a real one leave the same objects, names and times aside.
//!
//! What the real one left is recorded (`UPDATE_GOLDEN=1` records anew); both are compared with that.

mod graph;
mod http;
mod loops;
mod node;
mod scenario;
mod scenarios;

use std::{fs, path::PathBuf};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use metaparticle_local::Cluster;
use serde_json::Value;

use scenario::World;

/// Where the real cluster is.
const KUBECONFIG: &str = "METAPARTICLE_TEST_KUBECONFIG";

async fn played(client: Client, name: &str) -> Value {
    let mut world = World::new(client, &name.replace('_', "-")).await;
    scenarios::play(name, &mut world).await;
    world.finish().await
}

fn recorded(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/graph/recorded/{name}.json"))
}

/// The first difference, if there is one.
fn difference(path: &str, one: &Value, other: &Value) -> Option<String> {
    let keyed = |it: &Value| -> Vec<(String, Value)> {
        match it {
            Value::Object(fields) => fields.clone().into_iter().collect(),
            Value::Array(all) => all
                .iter()
                .enumerate()
                .map(|(index, it)| (index.to_string(), it.clone()))
                .collect(),
            _ => Vec::new(),
        }
    };
    let (mine, others) = (keyed(one), keyed(other));
    let keys = |it: &[(String, Value)]| it.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
    if one == other {
        None
    } else if mine.is_empty() || others.is_empty() || keys(&mine) != keys(&others) {
        Some(format!("{path}\n  is {one:#}\n  on the real one {other:#}"))
    } else {
        let mut pairs = mine.iter().zip(&others);
        pairs.find_map(|(mine, other)| difference(&format!("{path}/{}", mine.0), &mine.1, &other.1))
    }
}

fn check(name: &str, played: &Value) -> Option<String> {
    let text = fs::read_to_string(recorded(name)).expect("a record of every scenario");
    let record = serde_json::from_str(&text).expect("records are JSON");
    difference(name, played, &record)
}

#[tokio::test(start_paused = true)]
async fn the_embedded_cluster_leaves_what_the_real_one_left() {
    let mut differences = Vec::new();
    for name in scenarios::ALL {
        let cluster = Cluster::start().await;
        let node = tokio::spawn(node::run(cluster.client()));
        differences.extend(check(name, &played(cluster.client(), name).await));
        node.abort();
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs METAPARTICLE_TEST_KUBECONFIG; `cargo xtask contract` sets it"]
async fn the_real_cluster_leaves_what_it_left_before() {
    let path = std::env::var(KUBECONFIG).unwrap_or_else(|_| panic!("{KUBECONFIG} is not set"));
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    let client = Client::try_from(config).unwrap();
    let mut differences = Vec::new();
    let mut ran = 0;
    let all = scenarios::ALL.map(|name| tokio::spawn(played(client.clone(), name)));
    for (name, played) in scenarios::ALL.into_iter().zip(all) {
        let played = played.await.unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(recorded(name).parent().unwrap()).unwrap();
            fs::write(recorded(name), format!("{played:#}\n")).unwrap();
        }
        differences.extend(check(name, &played));
        ran += 1;
    }
    println!("contract: {ran} scenarios ran on the real cluster");
    assert!(
        ran > 0 && differences.is_empty(),
        "{}",
        differences.join("\n")
    );
}
