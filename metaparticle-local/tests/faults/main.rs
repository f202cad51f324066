//! Faults, watches and the past: what a client sees of them, byte by byte.

mod client;
mod past;
mod watches;

use std::time::Duration;

use http::Method;
use metaparticle_local::api::fault::Requests;
use serde_json::json;
use tokio::time::{Instant, timeout};

use client::{MAPS, call, create, lines, start, text};

const LONG: Duration = Duration::from_secs(1000);

#[tokio::test(start_paused = true)]
async fn latency_holds_every_request() {
    let cluster = start().await;
    let range = Duration::from_secs(2)..Duration::from_secs(3);
    cluster.faults().latency(range.clone());
    let begin = Instant::now();
    assert_eq!(call(&cluster, "a", Method::GET, MAPS, "").await.0, 200);
    assert!(range.contains(&begin.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_as_often_as_it_was_asked_for() {
    let cluster = start().await;
    let faults = cluster.faults();
    faults.conflict(Requests::all(), 0);
    faults.server_error(Requests::all().client("b"), 1, 503);
    faults.conflict(Requests::all().verb("create"), 2);
    let map = json!({"metadata": {"name": "m"}}).to_string();
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(call(&cluster, "a", Method::POST, MAPS, &map).await.0);
    }
    assert_eq!(codes, [409, 409, 201]);
    assert_eq!(call(&cluster, "b", Method::GET, MAPS, "").await.0, 503);
    assert_eq!(call(&cluster, "b", Method::GET, MAPS, "").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_says_when_to_come_again() {
    let cluster = start().await;
    let wait = Duration::from_secs(7);
    cluster.faults().too_many_requests(Requests::all(), 1, wait);
    let answer = client::send(&cluster, "a", Method::GET, MAPS, "").await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_not_done_and_what_loses_its_answer_is() {
    let cluster = start().await;
    let faults = cluster.faults();
    for (name, is_done) in [("hangs", false), ("loses", true)] {
        if is_done {
            faults.lose_answer(Requests::all().verb("create"), 1);
        } else {
            faults.hang(Requests::all().verb("create"), 1);
        }
        let map = json!({"metadata": {"name": name}}).to_string();
        let answer = timeout(LONG, call(&cluster, "a", Method::POST, MAPS, &map)).await;
        assert!(answer.is_err());
        let path = format!("{MAPS}/{name}");
        let found = call(&cluster, "a", Method::GET, &path, "").await.0;
        assert_eq!(found == 200, is_done, "{name}");
    }
    let asked = cluster.requests();
    let creates: Vec<u16> = asked
        .iter()
        .filter(|it| it.verb == "create")
        .map(|it| it.status)
        .collect();
    assert_eq!(creates, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_watch_does_not_tell_what_happens_afterwards() {
    let cluster = start().await;
    create(&cluster, "before");
    let mut watch = client::watch(&cluster, "a", "").await;
    assert!(
        text(&mut watch)
            .await
            .expect("it is there")
            .contains("before")
    );
    cluster.faults().drop_watches();
    create(&cluster, "after");
    assert_eq!(text(&mut watch).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_silent_in_a_partition_and_ends_with_it() {
    let cluster = start().await;
    let mut cut_off = client::watch(&cluster, "a", "").await;
    let mut other = client::watch(&cluster, "b", "").await;
    cluster.faults().partition("a");
    create(&cluster, "m");
    assert!(
        text(&mut other)
            .await
            .expect("it is there")
            .contains("ADDED")
    );
    assert!(timeout(LONG, text(&mut cut_off)).await.is_err());
    cluster.faults().heal("a");
    assert_eq!(text(&mut cut_off).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_shortest_partition_ends_a_watch() {
    let cluster = start().await;
    let mut watch = client::watch(&cluster, "a", "").await;
    cluster.faults().partition("a");
    cluster.faults().heal("a");
    create(&cluster, "m");
    assert_eq!(text(&mut watch).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_under_way_when_a_partition_begins_is_lost() {
    let cluster = start().await;
    let faults = cluster.faults();
    faults.latency(Duration::from_secs(10)..Duration::from_secs(11));
    let client = cluster.client_named("a");
    let map = json!({"metadata": {"name": "m"}}).to_string();
    let request = http::Request::post(MAPS)
        .body(map.into_bytes())
        .expect("it is there");
    let asked = client.request::<serde_json::Value>(request);
    tokio::pin!(asked);
    assert!(timeout(Duration::from_secs(5), &mut asked).await.is_err());
    faults.partition("a");
    assert!(timeout(LONG, &mut asked).await.is_err());
    faults.clear();
    assert!(matches!(asked.await, Err(kube::Error::Service(_))));
    let path = format!("{MAPS}/m");
    assert_eq!(call(&cluster, "b", Method::GET, &path, "").await.0, 404);
    assert_eq!(cluster.requests()[0].status, 0);
}

#[tokio::test(start_paused = true)]
async fn only_the_head_of_a_long_path_is_logged() {
    let cluster = start().await;
    let path = format!("{MAPS}?labelSelector={}", "a".repeat(60_000));
    call(&cluster, "a", Method::GET, &path, "").await;
    assert_eq!(cluster.requests()[0].path.len(), 1024);
}

#[tokio::test(start_paused = true)]
async fn lines_of_a_watch_are_whole() {
    let cluster = start().await;
    create(&cluster, "m");
    let all = lines(client::watch(&cluster, "a", "&timeoutSeconds=1").await).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["object"]["kind"], "ConfigMap");
}
