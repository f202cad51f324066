//! The main job: four replicas on the URL that is printed, healed when one is killed.

use std::{collections::BTreeSet, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::up::{Up, ask};

/// Answers until `count` different pods have answered.
async fn pods(address: &str, count: usize) -> BTreeSet<[String; 3]> {
    let mut seen = BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(30);
    while seen.len() < count && Instant::now() < end {
        if let Ok(answer) = ask(address).await {
            seen.insert(answer);
        }
        sleep(Duration::from_millis(10)).await;
    }
    seen
}

fn distinct(pods: &BTreeSet<[String; 3]>, field: usize) -> usize {
    pods.iter()
        .map(|pod| pod[field].as_str())
        .collect::<BTreeSet<_>>()
        .len()
}

#[tokio::test]
async fn four_pods_with_their_own_processes_and_addresses_answer_on_the_printed_url() {
    let mut up = Up::web(&[]);
    let address = up.address().await;
    let pods = pods(&address, 4).await;
    assert_eq!((distinct(&pods, 0), distinct(&pods, 1)), (4, 4), "{pods:?}");
    assert!(
        pods.iter().all(|pod| pod[0].starts_with("suite-web-")),
        "{pods:?}"
    );
    let shared = up.seen.iter().any(|event| event["event"] == "warning");
    assert!(
        !shared || std::env::var_os("METAPARTICLE_REQUIRE_ADDRESSES").is_none(),
        "{:?}",
        up.seen
    );
    if !shared {
        assert_eq!(distinct(&pods, 2), 4, "{pods:?}");
        assert!(pods.iter().all(|pod| pod[2].ends_with(":8080")), "{pods:?}");
    }
    let banner = up
        .seen
        .iter()
        .find(|event| event["event"] == "target")
        .expect("a banner");
    assert_eq!(banner["context"], "metaparticle-local", "{banner}");
}

#[tokio::test]
async fn a_killed_replica_is_replaced() {
    let mut up = Up::web(&[]);
    let address = up.address().await;
    let before = pods(&address, 4).await;
    let victim: i32 = before.iter().next().expect("a pod")[1]
        .parse()
        .expect("a process");
    kill_process(Pid::from_raw(victim).expect("a pid"), Signal::KILL).expect("killed");
    let old: BTreeSet<String> = before.iter().map(|pod| pod[1].clone()).collect();
    let end = Instant::now() + Duration::from_secs(30);
    let new = loop {
        assert!(Instant::now() < end, "no new process answers");
        match ask(&address).await {
            Ok(answer) if !old.contains(&answer[1]) => break answer,
            _ => sleep(Duration::from_millis(20)).await,
        }
    };
    assert_ne!(new[1], victim.to_string());
}

#[tokio::test]
async fn the_number_of_replicas_is_overridden_by_the_environment() {
    let mut up = Up::web_in(&[("METAPARTICLE_REPLICAS", "2")]);
    let done = up.until("done").await;
    assert!(
        done["message"].to_string().contains("2 pods are ready"),
        "{done}"
    );

    let mut up = Up::web_in(&[("METAPARTICLE_REPLICAS", "none")]);
    let failed = up.until("failed").await;
    assert!(
        failed["message"]
            .to_string()
            .contains("METAPARTICLE_REPLICAS"),
        "{failed}"
    );
    assert_eq!(up.end().await.code(), Some(2));
}

#[tokio::test]
async fn logs_of_all_replicas_carry_their_names() {
    let mut up = Up::web(&[]);
    let mut said = BTreeSet::new();
    while said.len() < 4 {
        let event = up.until("log").await;
        if event["line"] == "listening" {
            said.insert(event["pod"].as_str().expect("a pod").to_owned());
        }
    }
    assert!(
        said.iter().all(|pod| pod.starts_with("suite-web-")),
        "{said:?}"
    );
}
