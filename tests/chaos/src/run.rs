//! One run: candidates start, the fault strikes twice, all are ended; what they said is the history.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::Barrier,
    time::{Instant, sleep},
};

use crate::{
    api::Api,
    candidate::Candidate,
    clock::now,
    faults::{self, Fault},
    history::{Event, History, Who},
    line::Said,
    ours::shard,
    plan::Contest,
    plan::Plan,
    program::{Program, Programs, Task},
    proxy::{Proxy, Seen},
    random::Random,
    register,
    upstream::Upstream,
};

/// The name of the election of every run, and what the names of locks begin with.
const NAME: &str = "contested";

/// What all runs share.
#[derive(Clone, Debug)]
pub struct World {
    /// The API server.
    pub upstream: Upstream,
    /// The programs.
    pub programs: Programs,
    /// Made new for each execution, so that namespaces differ.
    pub stamp: String,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// All that was said.
    pub events: Vec<Event>,
    /// Which program each was, and what it asked of the API server.
    pub processes: Vec<(Who, Program, Vec<Seen>)>,
    /// Whether there was a leader after each fault.
    pub recovered: bool,
    /// Whether a jump of clocks was seen by its victim; true if there was none.
    pub jumped: bool,
    /// Whether all ended when they were asked to.
    pub ended: bool,
}

/// Where runs of a round meet: all are ready, the fault has passed.
#[derive(Debug)]
pub struct Round {
    /// Everybody waits here before the fault, and after it.
    pub meet: Barrier,
}

struct Running<'a> {
    world: &'a World,
    plan: &'a Plan,
    namespace: String,
    history: Arc<History>,
    candidates: Vec<(Program, Candidate)>,
    gone: Vec<(Who, Program, Vec<Seen>)>,
    next: usize,
    random: Random,
    recovered: bool,
    jumped: bool,
    ended: bool,
}

/// Runs it. With a `round`, the fault is done by somebody else to the servers.
///
/// # Errors
/// If the API server does not answer or a process cannot be started.
pub async fn run(world: &World, plan: &Plan, round: Option<&Round>) -> io::Result<Outcome> {
    let namespace = format!("run-{}-{}", world.stamp, plan.number);
    let api = Api::new(world.upstream.clone());
    api.create_namespace(&namespace).await?;
    let history = Arc::new(History::default());
    let upstream = world.upstream.clone();
    let bears = match plan.contest {
        Contest::Shards => format!("shard.metaparticle.dev/{NAME}-shards"),
        Contest::Election | Contest::Locks => format!("election.metaparticle.dev/{NAME}"),
    };
    let watched = register::watch(upstream, &namespace, bears, history.clone()).await?;
    let mut run = Running {
        world,
        plan,
        namespace,
        history,
        candidates: Vec::new(),
        gone: Vec::new(),
        next: 0,
        random: Random::new(plan.number),
        recovered: true,
        jumped: plan.fault.jump().is_none(),
        ended: true,
    };
    for program in &plan.candidates {
        run.start(*program).await?;
    }
    run.wait_for_leader(&api).await;
    for _ in 0..2 {
        match round {
            Some(round) => {
                round.meet.wait().await;
                round.meet.wait().await;
            }
            None => run.strike(&api).await?,
        }
        run.wait_for_leader(&api).await;
        let settle = run.random.between(30, 80);
        sleep(plan.lease * u32::try_from(settle).unwrap_or(50) / 100).await;
    }
    let outcome = run.finish().await;
    drop(watched);
    outcome
}

impl Running<'_> {
    async fn start(&mut self, program: Program) -> io::Result<()> {
        let who = Who(self.next);
        self.next += 1;
        let proxy = Proxy::start(self.world.upstream.clone(), self.random.bits()).await?;
        let (server, identity) = (proxy.url(), format!("candidate-{}", who.0));
        let task = Task {
            server: &server,
            namespace: &self.namespace,
            name: NAME,
            identity: &identity,
            lease: self.plan.lease,
        };
        let command = self
            .world
            .programs
            .candidate(program, self.plan.contest, &task);
        let candidate = Candidate::start(command, proxy, who, self.history.clone())?;
        self.candidates.push((program, candidate));
        Ok(())
    }

    /// Who leads, or holds a lock, now.
    fn holder(&self) -> Option<Who> {
        let now = now();
        let holder = match self.plan.contest {
            Contest::Election => self.history.leader(now, 300_000_000),
            Contest::Locks => self.history.last_locked(now - 500_000_000),
            Contest::Shards => self.history.holder_of_all(now - 500_000_000, shard::SLOTS),
        };
        holder.filter(|who| self.candidates.iter().any(|(_, it)| it.who == *who))
    }

    /// Waits until somebody says that it leads; a crash of the leader may have to be waited out, and a release of
    /// client-go on top. As long as the API server itself answers slowly, because the machine has other things to do, the
    /// time does not count.
    async fn wait_for_leader(&mut self, api: &Api) {
        let mut left = self.plan.lease * 4 + Duration::from_secs(15);
        let mut patience = Duration::from_secs(150);
        while self.holder().is_none() {
            let start = Instant::now();
            let answered = api.get("/api/v1/namespaces/default").await.is_ok();
            let is_slow = start.elapsed() > self.plan.lease / 20;
            sleep(Duration::from_millis(50)).await;
            let spent = start.elapsed();
            if answered && !is_slow {
                left = left.saturating_sub(spent);
            }
            patience = patience.saturating_sub(spent);
            if left.is_zero() || patience.is_zero() {
                self.recovered = false;
                return;
            }
        }
    }

    async fn strike(&mut self, api: &Api) -> io::Result<()> {
        let fault = self.plan.fault;
        if fault.is_forced() {
            faults::by_hand(fault, api, &self.namespace, NAME, self.plan.contest).await?;
            sleep(self.plan.lease).await;
            return Ok(());
        }
        // Mostly the leader; a follower's faults must not disturb either.
        let leader = self.holder();
        let leader = self
            .candidates
            .iter()
            .position(|(_, it)| Some(it.who) == leader);
        let any = usize::try_from(self.random.bits() % 3).unwrap_or(0);
        let spare_leader = self.random.chance(20);
        let index = leader.filter(|_| !spare_leader).unwrap_or(any);
        let struck_at = now();
        let (program, victim) = &mut self.candidates[index];
        let (program, who) = (*program, victim.who);
        let struck = faults::on_process(fault, victim, self.plan.lease, &mut self.random).await;
        if !fault.ends() && !victim.is_running() {
            // By itself, as some peers do.
            self.ended = false;
            return Ok(());
        }
        struck?;
        if fault.ends() {
            let (_, mut victim) = self.candidates.remove(index);
            let limit = self.plan.lease * 2 + Duration::from_secs(12);
            let ended = victim.ended(limit).await;
            self.ended &= ended || fault == Fault::Kill;
            self.gone.push((who, program, victim.proxy.seen()));
            self.start(program).await?;
        }
        if let Some(jump) = fault.jump() {
            self.jumped |= saw_jump(
                &self.history.events(),
                who,
                struck_at,
                jump.wall,
                jump.monotonic,
            );
        }
        Ok(())
    }

    async fn finish(mut self) -> io::Result<Outcome> {
        for (_, candidate) in &self.candidates {
            candidate.terminate();
        }
        let limit = self.plan.lease * 2 + Duration::from_secs(12);
        for (program, mut candidate) in self.candidates {
            self.ended &= candidate.ended(limit).await;
            self.gone
                .push((candidate.who, program, candidate.proxy.seen()));
        }
        Ok(Outcome {
            events: self.history.events(),
            processes: self.gone,
            recovered: self.recovered,
            jumped: self.jumped,
            ended: self.ended,
        })
    }
}

/// Whether the process's own clocks moved by so many seconds more than the machine's since `since`.
fn saw_jump(events: &[Event], who: Who, since: i64, wall: i64, monotonic: i64) -> bool {
    let clocks: Vec<_> = events
        .iter()
        .filter(|it| it.who == who)
        .filter_map(|it| match it.line.said {
            Said::Clock(clock) => Some((it.line.at, clock)),
            _ => None,
        })
        .collect();
    let Some((at, before)) = clocks.iter().rev().find(|(at, _)| *at < since) else {
        return false;
    };
    let is_near =
        |seconds: i64, moved: i64| (moved - seconds * 1_000_000_000).abs() < 5_000_000_000;
    clocks
        .iter()
        .filter(|(later, _)| *later > since)
        .any(|(later, clock)| {
            let passed = later - at;
            is_near(wall, clock[0] - before[0] - passed)
                && is_near(monotonic, clock[1] - before[1] - passed)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;

    #[test]
    fn jump_is_seen_in_the_clocks_that_the_victim_says() {
        let second = 1_000_000_000_i64;
        let said = |at: i64, wall: i64, monotonic: i64| Event {
            who: Who(0),
            line: Line {
                at: at * second,
                said: Said::Clock([wall * second, monotonic * second, 0]),
            },
        };
        let events = [said(10, 500, 3), said(12, 562, 5)];
        assert!(saw_jump(&events, Who(0), 11 * second, 60, 0));
        assert!(!saw_jump(&events, Who(0), 11 * second, -60, 0));
        assert!(!saw_jump(&events, Who(0), 11 * second, 0, 60));
        assert!(!saw_jump(&events, Who(1), 11 * second, 60, 0));
        assert!(!saw_jump(&events[..1], Who(0), 11 * second, 60, 0));
    }
}
