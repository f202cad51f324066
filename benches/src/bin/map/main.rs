//! What a map of shards costs the API server: bytes and requests a second of 3, 100 and 1,000 members in one process, on
//! the embedded cluster, while nothing changes, and the bytes of one change. Each figure is one JSON object a line.
//!
//! Bytes are those of bodies, both ways, without compression; watches count as they arrive.

mod count;

use std::time::Duration;

use futures::{StreamExt as _, stream};
use metaparticle_coordination::{Coordinator, shards::Shards};
use metaparticle_local::Cluster;
use tokio::time::{Instant, sleep};

use self::count::Counts;

/// As in a sharded program.
const SESSION: Duration = Duration::from_secs(30);
/// Three renewals.
const STEADY: Duration = Duration::from_secs(30);
/// How long the members may take to own everything evenly.
const PATIENCE: Duration = Duration::from_secs(300);

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the result of the program")]
async fn main() -> Result<(), Error> {
    for members in [3, 100, 1000] {
        println!("{}", measure(members).await?);
    }
    Ok(())
}

async fn measure(members: usize) -> Result<serde_json::Value, Error> {
    let cluster = Cluster::builder().without_controllers().start().await?;
    let counts = Counts::default();
    let begin = Instant::now();
    let start = |index: usize| {
        let client = counts.around(cluster.client_named(&format!("member-{index}")));
        async move {
            let coordinator = Coordinator::builder(client)
                .namespace("default")
                .pod_name(format!("users-{index}"))
                .session(SESSION);
            let coordinator = coordinator.start().await?;
            let shards = coordinator
                .shards("users")
                .address("10.0.0.1:8700")
                .start()?;
            shards.ready();
            Ok::<_, Error>((coordinator, shards))
        }
    };
    let starting = stream::iter(0..members).map(start).buffer_unordered(50);
    let all: Vec<_> = starting.collect().await;
    let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
    let shards: Vec<&Shards> = all.iter().map(|(_, shards)| shards).collect();
    become_even(&shards).await?;
    let even = begin.elapsed();
    // What is under way comes to its end.
    sleep(Duration::from_secs(5)).await;

    let (bytes, requests) = (counts.bytes(), counts.requests());
    sleep(STEADY).await;
    let seconds = STEADY.as_secs();
    let steady = (counts.bytes() - bytes) / seconds;
    let asked = counts.requests() - requests;

    // One leaves in order: its slots move in waves, and everybody sees each write.
    let bytes = counts.bytes();
    let begin = Instant::now();
    shards[members - 1].leave().await;
    let left = begin.elapsed();
    sleep(Duration::from_secs(1)).await;
    let change = counts.bytes() - bytes;
    let line = serde_json::json!({
        "what": "a map of 4,096 slots",
        "members": members,
        "even_after_ms": u64::try_from(even.as_millis())?,
        "steady_bytes_per_s": steady,
        "steady_requests_per_s_and_member_in_thousandths": asked * 1000 / seconds / u64::try_from(members)?,
        "one_leaves_ms": u64::try_from(left.as_millis())?,
        "one_leaves_bytes": change,
    });
    for (coordinator, _) in all {
        drop(coordinator);
    }
    Ok(line)
}

async fn become_even(all: &[&Shards]) -> Result<(), Error> {
    let begin = Instant::now();
    let least = 4096 / all.len();
    loop {
        let counts: Vec<_> = all.iter().map(|shards| shards.owned().len()).collect();
        let is_even = counts
            .iter()
            .all(|count| (least..=least + 1).contains(count));
        if is_even && counts.iter().sum::<usize>() == 4096 {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("{} members are not even after {PATIENCE:?}", all.len()).into());
        }
        sleep(Duration::from_millis(200)).await;
    }
}
