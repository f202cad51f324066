//! Nothing is left behind, however it ends; two at once are kept apart.

use std::{collections::BTreeSet, path::Path, time::Duration};

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::up::{Up, ask};

/// Processes below `root`, by the parent that each names.
fn descendants(root: i32) -> BTreeSet<i32> {
    let mut all = BTreeSet::new();
    let parents: Vec<(i32, i32)> = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = stat.rsplit(')').next()?.split_whitespace();
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            (state != "Z").then_some((pid, parent))
        })
        .collect();
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for (pid, _) in parents.iter().filter(|(_, it)| *it == parent) {
            if all.insert(*pid) {
                next.push(*pid);
            }
        }
    }
    all
}

/// Which of the processes are still there.
fn alive(pids: &BTreeSet<i32>) -> BTreeSet<i32> {
    let is_alive = |pid: &&i32| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
        stat.is_ok_and(|stat| {
            !stat
                .rsplit(')')
                .next()
                .unwrap_or_default()
                .trim_start()
                .starts_with('Z')
        })
    };
    pids.iter().filter(is_alive).copied().collect()
}

async fn gone_within(pids: &BTreeSet<i32>, limit: Duration) {
    let end = Instant::now() + limit;
    while !alive(pids).is_empty() {
        assert!(Instant::now() < end, "left behind: {:?}", alive(pids));
        sleep(Duration::from_millis(20)).await;
    }
}

/// A service whose replicas have children, and everything that runs below it.
async fn family() -> (Up, String, BTreeSet<i32>) {
    let mut up = Up::web(&["family"]);
    let address = up.address().await;
    let pids = descendants(up.pid().as_raw_nonzero().get());
    // Four programs with a child each; whatever guards them comes on top.
    assert!(alive(&pids).len() >= 8, "{pids:?}");
    (up, address, pids)
}

#[tokio::test]
async fn ctrl_c_ends_everything_within_a_second() {
    let (mut up, address, pids) = family().await;
    let begin = Instant::now();
    up.signal(Signal::INT);
    let status = timeout(Duration::from_secs(5), up.child.wait())
        .await
        .expect("in time")
        .expect("ended");
    assert_eq!(status.code(), Some(130));
    assert!(
        begin.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begin.elapsed()
    );
    gone_within(&pids, Duration::from_millis(500)).await;
    assert!(ask(&address).await.is_err());
}

#[tokio::test]
async fn a_parent_that_is_killed_takes_all_processes_with_it() {
    let (mut up, _, pids) = family().await;
    up.signal(Signal::KILL);
    up.child.wait().await.expect("ended");
    gone_within(&pids, Duration::from_secs(2)).await;
}

#[tokio::test]
async fn the_same_program_twice_is_refused_and_two_copies_run_side_by_side() {
    let mut first = Up::web(&[]);
    let one = first.address().await;
    let refused = first.beside(&["metaparticle", "up"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("already") && said.contains(&first.child.id().expect("it runs").to_string()),
        "{said}"
    );

    let mut second = Up::web(&[]);
    let other = second.address().await;
    assert_ne!(one, other);
    assert!(second.seen.iter().any(|event| {
        event["message"]
            .as_str()
            .is_some_and(|it| it.contains("taken"))
    }));
    assert_ne!(
        ask(&one).await.expect("answers")[0],
        ask(&other).await.expect("answers")[0]
    );
}

#[tokio::test]
async fn other_commands_find_the_cluster_while_it_runs_and_say_so_when_not() {
    let mut up = Up::web(&[]);
    up.address().await;
    let status = up.beside(&["metaparticle", "status"]).await;
    assert_eq!(
        status.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    up.signal(Signal::INT);
    up.end().await;
    let status = up.beside(&["metaparticle", "status"]).await;
    assert_eq!(status.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&status.stderr).contains("cargo run"));
}
