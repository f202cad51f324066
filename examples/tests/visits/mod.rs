//! Visitors of the example `users`, on whatever cluster it is.

#![allow(clippy::print_stdout, reason = "counts are told")]

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const VISITORS: usize = 24;
/// Longest wait for a change. The machine may be busy with other tests.
const LIMIT: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    server: String,
    count: String,
}

/// Visits without a pause while users move from three pods to five and back: every visit is acknowledged, none is lost and
/// none is counted twice.
pub(crate) async fn move_users(address: &str, sets: &Api<StatefulSet>) {
    served_by(address, 3).await;
    let visits = Visits::begin(address);
    for shards in [5, 3] {
        let begin = Instant::now();
        let patch = Patch::Merge(json!({ "spec": { "replicas": shards } }));
        let scaled = sets.patch("users", &PatchParams::default(), &patch).await;
        scaled.expect("scaled");
        served_by(address, shards).await;
        println!("{shards} pods serve after {:?}", begin.elapsed());
    }
    // Until the two pods have ended, which serve as gates for a while.
    sleep(Duration::from_secs(8)).await;
    visits.end().await;
}

/// Visits that go on.
pub(crate) struct Visits {
    address: String,
    going: Arc<AtomicBool>,
    all: JoinSet<(usize, u64)>,
}

impl Visits {
    /// By all visitors, without a pause.
    pub(crate) fn begin(address: &str) -> Self {
        let (address, going) = (address.to_owned(), Arc::new(AtomicBool::new(true)));
        let mut all = JoinSet::new();
        for visitor in 0..VISITORS {
            all.spawn(visit(address.clone(), visitor, going.clone()));
        }
        Self {
            address,
            going,
            all,
        }
    }

    /// Each was acknowledged, and each acknowledged one counted once.
    pub(crate) async fn end(mut self) {
        self.going.store(false, Ordering::Relaxed);
        let mut total = 0;
        while let Some(visited) = self.all.join_next().await {
            let (visitor, acknowledged) = visited.expect("no visit failed");
            assert!(acknowledged > 10, "visitor {visitor}: {acknowledged}");
            total += acknowledged;
            let answer = ask(&self.address, "GET", visitor).await.expect("an answer");
            assert_eq!(
                answer.count,
                acknowledged.to_string(),
                "visitor {visitor}: {answer:?}"
            );
        }
        println!("{total} visits, none lost, none failed");
    }
}

/// Waits until so many pods serve.
async fn served_by(address: &str, pods: usize) {
    let end = Instant::now() + LIMIT;
    loop {
        let mut servers = BTreeMap::new();
        for visitor in 0..VISITORS {
            let answer = ask(address, "GET", visitor).await.expect("an answer");
            *servers.entry(answer.server).or_insert(0) += 1;
        }
        if servers.len() == pods {
            return;
        }
        assert!(Instant::now() < end, "{servers:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

async fn ask(address: &str, method: &str, visitor: usize) -> io::Result<Answer> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "{method} /users/v{visitor} HTTP/1.1\r\nhost: users\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let text = timeout(LIMIT, asked).await??;
    let no_answer = || io::Error::other(format!("no answer: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(no_answer)?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let server = lines.find_map(|line| line.strip_prefix("x-served-by: "));
    Ok(Answer {
        status: status.ok_or_else(no_answer)?,
        server: server.unwrap_or_default().to_owned(),
        count: body.trim().to_owned(),
    })
}

/// Visits until it is told to end; how many were acknowledged.
async fn visit(address: String, visitor: usize, going: Arc<AtomicBool>) -> (usize, u64) {
    let mut acknowledged = 0;
    while going.load(Ordering::Relaxed) {
        let answer = ask(&address, "POST", visitor).await.expect("an answer");
        assert_eq!(answer.status, 200, "visitor {visitor}: {answer:?}");
        acknowledged += 1;
        assert_eq!(answer.count, acknowledged.to_string(), "visitor {visitor}");
        sleep(Duration::from_millis(20)).await;
    }
    (visitor, acknowledged)
}
