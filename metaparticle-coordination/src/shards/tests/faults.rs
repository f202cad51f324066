//! Processes die, stand apart, and the map is taken away.

use super::{super::*, *};
use crate::testing::ask;

const FIRST: Duration = Duration::from_secs(20);
/// A session and an election, and a second (sharding.md).
const DEAD: Duration = Duration::from_secs(16);
const MAP: &str = "/api/v1/namespaces/default/configmaps/users-shards";

#[tokio::test(start_paused = true)]
async fn slots_of_who_is_cut_off_end_before_others_have_them() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let guard = b.shards.guard_of(b.shards.owned()[0].0).unwrap();
    cluster.faults().partition("b");
    // It looks at each step that no slot has two owners.
    become_owners(&[&a, &b], &[64, 0], DEAD + Duration::from_secs(2)).await;
    assert_eq!(guard.check(), Err(Lost::Expired));
    assert_eq!(
        b.shards.guard_of(guard.slot()).unwrap_err(),
        NotOwned::Unproven { slot: guard.slot() }
    );
    let later = a.shards.guard_of(guard.slot()).unwrap();
    assert!(later.token() > guard.token());
    // It comes back under another session.
    cluster.faults().heal("b");
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
}

#[tokio::test(start_paused = true)]
async fn outage_of_a_minute_ends_in_the_state_of_before() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let before = owners([&a, &b]);
    for name in ["a", "b"] {
        cluster.faults().partition(name);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(counts(&[&a, &b]), [0, 0]);
    for name in ["a", "b"] {
        cluster.faults().heal(name);
    }
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    assert_eq!(owners([&a, &b]), before);
}

#[tokio::test(start_paused = true)]
async fn map_that_is_deleted_ends_all_ownership_and_comes_back() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let guard = a.shards.guard_of(a.shards.owned()[0].0).unwrap();
    ask(&cluster.client(), "DELETE", MAP, None).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(guard.check(), Err(Lost::NoMap));
    assert_eq!(a.shards.owner("alice"), Place::NoMap);
    become_owners(&[&a, &b], &[32, 32], FIRST * 2).await;
    let later = a.shards.owned().into_iter().chain(b.shards.owned());
    let later: BTreeMap<_, _> = later.collect();
    assert!(later[&guard.slot()] > guard.token());
}

#[tokio::test(start_paused = true)]
async fn map_that_is_no_map_is_replaced() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let mut map = ask(&cluster.client(), "GET", MAP, None).await;
    map["binaryData"]["map"] = "AAAA".into();
    ask(&cluster.client(), "PUT", MAP, Some(&map)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(counts(&[&a]), [0]);
    become_owners(&[&a], &[64], FIRST * 2).await;
}

#[tokio::test(start_paused = true)]
async fn dead_assigner_is_replaced_and_so_is_a_dead_target() {
    let cluster = cluster().await;
    let (a, b) = (ready(&cluster, "a").await, ready(&cluster, "b").await);
    become_owners(&[&a, &b], &[32, 32], FIRST).await;
    let (c, d) = (ready(&cluster, "c").await, ready(&cluster, "d").await);
    // In the middle of the hand-over the first two are gone: one of them assigned.
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.faults().partition("a");
    cluster.faults().partition("c");
    become_owners(&[&a, &b, &c, &d], &[0, 32, 0, 32], DEAD * 3).await;
}

#[tokio::test(start_paused = true)]
async fn missing_permission_on_the_map_is_told() {
    let cluster = cluster().await;
    let maps = Hit::all().client("a").resource("configmaps");
    cluster.faults().server_error(maps, usize::MAX, 403);
    let a = ready(&cluster, "a").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let trouble = a.shards.health().trouble.unwrap();
    assert!(trouble.contains("configmaps"), "{trouble}");
    assert_eq!(counts(&[&a]), [0]);
}

#[tokio::test(start_paused = true)]
async fn many_who_doubt_cost_two_reads_a_second() {
    let cluster = cluster().await;
    let a = ready(&cluster, "a").await;
    become_owners(&[&a], &[64], FIRST).await;
    let reads = |a: &Process| -> u64 {
        let requests = a.coordinator.metrics().requests;
        let gets = requests.iter().filter(|it| it.0 == crate::Verb::Get);
        gets.map(|(_, _, count)| count).sum()
    };
    let before = reads(&a);
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let all = (0..100).map(|_| a.shards.refresh());
        futures::future::join_all(all).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reads = reads(&a) - before;
    assert!((3..=6).contains(&reads), "{reads}");
}

#[tokio::test(start_paused = true)]
async fn pods_of_higher_numbers_assign_when_nobody_else_does() {
    let cluster = cluster().await;
    let (a, b) = (
        ready(&cluster, "users-7").await,
        ready(&cluster, "users-8").await,
    );
    tokio::time::sleep(FIRST).await;
    assert_eq!(
        counts(&[&a, &b]),
        [0, 0],
        "they leave it to others at first"
    );
    become_owners(&[&a, &b], &[32, 32], FIRST * 6).await;
}
