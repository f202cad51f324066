//! Figures of ours and of client-go, on one server in one run. Many elections run side by side, each in a namespace of
//! its own, because most of the time is waiting.

use std::{io, sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::time::sleep;

use crate::{
    api::Api,
    candidate::Candidate,
    clock::{duration, now},
    history::{Event, History, Who},
    line::Said,
    plan::Contest,
    program::{Program, Task},
    proxy::{Flow, Proxy, Seen},
    run::World,
};

/// The lease of all figures: client-go's default.
pub const LEASE: Duration = Duration::from_secs(15);

/// Some candidates of one election.
#[derive(Debug)]
pub struct Bench<'a> {
    world: &'a World,
    program: Program,
    namespace: String,
    lease: Duration,
    history: Arc<History>,
    candidates: Vec<Candidate>,
    next: usize,
}

impl<'a> Bench<'a> {
    /// Starts so many candidates and waits until one leads.
    ///
    /// # Errors
    /// If there is no API server, or nobody leads within a minute.
    pub async fn start(
        world: &'a World,
        program: Program,
        name: &str,
        count: usize,
        lease: Duration,
    ) -> io::Result<Self> {
        let namespace = format!("figures-{}-{name}", world.stamp);
        Api::new(world.upstream.clone())
            .create_namespace(&namespace)
            .await?;
        let mut bench = Self {
            world,
            program,
            namespace,
            lease,
            history: Arc::default(),
            candidates: Vec::new(),
            next: 0,
        };
        for _ in 0..count {
            bench.add().await?;
        }
        bench.leader().await?;
        // All have seen it.
        sleep(Duration::from_secs(5)).await;
        Ok(bench)
    }

    async fn add(&mut self) -> io::Result<()> {
        let who = Who(self.next);
        self.next += 1;
        let proxy = Proxy::start(self.world.upstream.clone(), 1).await?;
        let (server, identity) = (proxy.url(), format!("candidate-{}", who.0));
        let task = Task {
            server: &server,
            namespace: &self.namespace,
            name: "figures",
            identity: &identity,
            lease: self.lease,
        };
        let command = self
            .world
            .programs
            .candidate(self.program, Contest::Election, &task);
        self.candidates
            .push(Candidate::start(command, proxy, who, self.history.clone())?);
        Ok(())
    }

    /// Where in the candidates the leader is.
    async fn leader(&self) -> io::Result<usize> {
        for _ in 0..1200 {
            let leader = self.history.leader(now(), 300_000_000);
            if let Some(index) = self.candidates.iter().position(|it| Some(it.who) == leader) {
                return Ok(index);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(io::Error::other("nobody leads"))
    }

    /// When somebody else than `who` began to lead after `since`.
    async fn successor(&self, who: Who, since: i64) -> io::Result<i64> {
        let is_it = |it: &Event| {
            it.who != who && it.line.at > since && matches!(it.line.said, Said::Lead(_))
        };
        for _ in 0..12_000 {
            if let Some(event) = self.history.events().iter().rev().find(|it| is_it(it)) {
                return Ok(event.line.at);
            }
            sleep(Duration::from_millis(5)).await;
        }
        Err(io::Error::other("nobody succeeds"))
    }
}

/// From SIGTERM, or SIGKILL, of the leader to the next one's first moment, so often.
///
/// # Errors
/// If a process cannot be started, or nobody succeeds.
pub async fn changes(bench: &mut Bench<'_>, gently: bool, count: u32) -> io::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let index = bench.leader().await?;
        let mut leader = bench.candidates.remove(index);
        let since = now();
        if gently {
            leader.terminate();
        } else {
            leader.kill();
        }
        times.push(duration(bench.successor(leader.who, since).await? - since));
        leader.ended(Duration::from_secs(20)).await;
        bench.add().await?;
        // The new one has to be known to be chosen.
        sleep(Duration::from_millis(1500)).await;
    }
    Ok(times)
}

/// Requests for coordination a second, without those that open a watch: the leader's, and one follower's.
///
/// # Errors
/// If nobody leads.
pub async fn requests(bench: &Bench<'_>, time: Duration) -> io::Result<(f64, f64)> {
    let leader = bench.leader().await?;
    let count = |candidate: &Candidate| coordination(&candidate.proxy.seen());
    let before: Vec<_> = bench.candidates.iter().map(count).collect();
    sleep(time).await;
    let rates = bench
        .candidates
        .iter()
        .zip(before)
        .map(|(candidate, before)| {
            f64::from(u32::try_from(count(candidate) - before).unwrap_or(0)) / time.as_secs_f64()
        });
    let rates: Vec<_> = rates.collect();
    let others: f64 = rates.iter().sum::<f64>() - rates[leader];
    let followers = f64::from(u32::try_from(rates.len() - 1).unwrap_or(1));
    Ok((rates[leader], others / followers))
}

/// How many were requests for Leases, other than watches: what the candidate writes as its work does not count.
fn coordination(seen: &[Seen]) -> usize {
    let is_it = |it: &&Seen| it.verb != "WATCH" && it.path.contains("/leases");
    seen.iter().filter(is_it).count()
}

/// Stops the leader for longer than its lease; from SIGCONT to its last word that it leads (zero if there is none), and
/// to its word that it does not.
///
/// # Errors
/// If nobody leads.
pub async fn after_stop(bench: &Bench<'_>) -> io::Result<(Duration, Duration)> {
    let leader = &bench.candidates[bench.leader().await?];
    leader.pause();
    sleep(bench.lease + Duration::from_secs(6)).await;
    let since = now();
    leader.resume();
    sleep(Duration::from_secs(14)).await;
    let events = bench.history.events();
    let own = || {
        events
            .iter()
            .filter(|it| it.who == leader.who && it.line.at > since)
    };
    let lost = own()
        .find(|it| it.line.said == Said::Lost)
        .map(|it| it.line.at - since);
    let lost = lost.ok_or_else(|| io::Error::other("it never knew that it had lost"))?;
    let believed = own().take_while(|it| it.line.said != Said::Lost);
    let word = believed
        .filter(|it| matches!(it.line.said, Said::Valid(_)))
        .last();
    Ok((
        duration(word.map_or(0, |it| it.line.at - since)),
        duration(lost),
    ))
}

/// Whether the leader rides out an outage that begins so long after one of its renewals.
///
/// # Errors
/// If nobody leads.
pub async fn outage(
    bench: &Bench<'_>,
    phase: Duration,
    flow: Flow,
    time: Duration,
) -> io::Result<bool> {
    let leader = &bench.candidates[bench.leader().await?];
    let renewals = || {
        leader
            .proxy
            .seen()
            .iter()
            .filter(|it| it.verb == "PUT" && it.status == 200 && it.path.contains("/leases/"))
            .count()
    };
    let before = renewals();
    while renewals() == before {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(phase).await;
    let since = now();
    leader.proxy.flow(flow);
    sleep(time).await;
    leader.proxy.flow(Flow::Open);
    sleep(bench.lease / 2).await;
    let events = bench.history.events();
    let lost = events
        .iter()
        .any(|it| it.who == leader.who && it.line.at > since && it.line.said == Said::Lost);
    Ok(!lost && bench.history.leader(now(), 300_000_000) == Some(leader.who))
}

/// How many of the phases of a renewal, two a second, an outage is ridden out at, and of how many.
///
/// # Errors
/// If a process cannot be started.
pub async fn outages(
    world: &World,
    program: Program,
    name: &str,
    lease: Duration,
    flow: Flow,
    time: Duration,
) -> io::Result<(usize, usize)> {
    let period = match program {
        Program::Ours => lease / 3,
        _ => lease * 2 / 15,
    };
    let phases = u32::try_from(period.as_millis() / 500).unwrap_or(1).max(1);
    let each = (0..phases).map(|index| async move {
        let bench = Bench::start(world, program, &format!("{name}-{index}"), 1, lease).await?;
        outage(&bench, Duration::from_millis(500) * index, flow, time).await
    });
    let ridden = try_join_all(each).await?;
    Ok((ridden.iter().filter(|it| **it).count(), ridden.len()))
}

/// Runs a measuring mode of our own candidate until it has said `count` figures; they and its requests a second over
/// `time` thereafter.
///
/// # Errors
/// If it does not say them within three minutes.
pub async fn measure(
    world: &World,
    mode: &str,
    words: &[String],
    count: usize,
    time: Duration,
) -> io::Result<(Vec<(String, u64)>, f64)> {
    let namespace = format!("figures-{}-{mode}-{}", world.stamp, words.join("-"));
    let namespace = namespace.trim_end_matches('-');
    Api::new(world.upstream.clone())
        .create_namespace(namespace)
        .await?;
    let proxy = Proxy::start(world.upstream.clone(), 1).await?;
    let mut command = crate::server::command(&world.programs.ours);
    command
        .args([mode, &proxy.url(), namespace, "figures", "measured", "15"])
        .args(words);
    let history = Arc::new(History::default());
    let candidate = Candidate::start(command, proxy, Who(0), history.clone())?;
    for _ in 0..3600 {
        let figures: Vec<_> = history
            .events()
            .into_iter()
            .filter_map(|it| match it.line.said {
                Said::Figure(name, value) => Some((name, value)),
                _ => None,
            })
            .collect();
        if figures.len() >= count {
            let seen = || coordination(&candidate.proxy.seen());
            let before = seen();
            sleep(time).await;
            let rate = f64::from(u32::try_from(seen() - before).unwrap_or(0))
                / time.as_secs_f64().max(1.0);
            return Ok((figures, rate));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(io::Error::other(format!("{mode} says no figure")))
}

/// The value in the middle, and the one that so many of a hundred do not exceed.
#[must_use]
pub fn spread(times: &[Duration], percent: usize) -> (Duration, Duration) {
    let mut times = times.to_vec();
    times.sort();
    let at = |percent: usize| {
        times
            .get(times.len().saturating_sub(1) * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    (at(50), at(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_of_the_sorted_times() {
        let times: Vec<_> = (1..=101).rev().map(Duration::from_secs).collect();
        assert_eq!(spread(&times, 99), (times[50], times[1]));
    }
}
