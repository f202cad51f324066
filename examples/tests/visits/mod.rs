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

/// Visits without a pause while users move from three pods to five and back: none that was acknowledged is lost or counted
/// twice. How many were refused.
pub(crate) async fn move_users(address: &str, sets: &Api<StatefulSet>) -> Tally {
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
    visits.end().await
}

/// What came of visits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Counted, and said so.
    pub(crate) acknowledged: u64,
    /// Refused, before the program heard of it.
    pub(crate) refused: u64,
    /// Broken off: counted or not.
    pub(crate) unknown: u64,
}

/// Visits that go on.
pub(crate) struct Visits {
    address: String,
    going: Arc<AtomicBool>,
    all: JoinSet<(usize, Tally)>,
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

    /// Each acknowledged one is counted once.
    pub(crate) async fn end(mut self) -> Tally {
        self.going.store(false, Ordering::Relaxed);
        let mut total = Tally::default();
        while let Some(visited) = self.all.join_next().await {
            let (visitor, tally) = visited.expect("what is acknowledged is counted");
            assert!(tally.acknowledged > 10, "visitor {visitor}: {tally:?}");
            let answer = ask(&self.address, "GET", visitor).await.expect("an answer");
            tally.check(visitor, &answer);
            total.acknowledged += tally.acknowledged;
            total.refused += tally.refused;
            total.unknown += tally.unknown;
        }
        println!("visits: {total:?}");
        total
    }
}

impl Tally {
    /// Nothing that was acknowledged is missing, and nothing was counted twice.
    fn check(&self, visitor: usize, answer: &Answer) {
        let counted = self.acknowledged..=self.acknowledged + self.unknown;
        let count = answer.count.parse().ok();
        assert!(
            count.is_some_and(|count| counted.contains(&count)),
            "visitor {visitor}: {answer:?} and not {counted:?}"
        );
    }
}

/// Waits until so many pods serve.
async fn served_by(address: &str, pods: usize) {
    let end = Instant::now() + LIMIT;
    loop {
        let mut servers = BTreeMap::new();
        for visitor in 0..VISITORS {
            // The way there may not be laid yet.
            let answer = ask(address, "GET", visitor).await;
            let server = answer.map(|answer| answer.server);
            let server = server.unwrap_or_else(|error| error.to_string());
            *servers.entry(server).or_insert(0) += 1;
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

/// Visits until it is told to end.
async fn visit(address: String, visitor: usize, going: Arc<AtomicBool>) -> (usize, Tally) {
    let mut tally = Tally::default();
    while going.load(Ordering::Relaxed) {
        match ask(&address, "POST", visitor).await {
            Ok(answer) if answer.status == 200 => {
                tally.acknowledged += 1;
                tally.check(visitor, &answer);
            }
            Ok(answer) if answer.status == 503 && answer.server.is_empty() => {
                println!("visitor {visitor}: {answer:?}");
                tally.refused += 1;
            }
            other => {
                println!("visitor {visitor}: {other:?}");
                tally.unknown += 1;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    (visitor, tally)
}
