//! Many runs: which, how many side by side, and what all of them together show.

use std::{fs, io, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use tokio::sync::Barrier;

use crate::{
    api::Api,
    faults::Fault,
    plan::{Contest, Plan},
    program::{CRATES, Program, Programs},
    random::Random,
    register,
    report::{Finding, Report},
    run::{self, Round, World},
    server::{self, Server},
};

/// Whose behaviour is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Ours alone, an election.
    Ours,
    /// Ours alone, locks.
    Locks,
    /// Ours alone, shards.
    Shards,
    /// Ours and client-go on one Lease.
    Mixed,
    /// Another's.
    Other(Program),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "ours" => Self::Ours,
            "locks" => Self::Locks,
            "shards" => Self::Shards,
            "mixed" => Self::Mixed,
            "client-go" => Self::Other(Program::ClientGo { release: false }),
            "client-go-release" => Self::Other(Program::ClientGo { release: true }),
            _ => {
                let found = CRATES.iter().find(|it| **it == text);
                Self::Other(Program::Crate(
                    found.ok_or_else(|| format!("no candidate {text}"))?,
                ))
            }
        })
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The program of the API server and of etcd.
    pub kubernetes: PathBuf,
    /// The candidates.
    pub programs: Programs,
    /// How many runs.
    pub runs: u64,
    /// One in so many with 15 s.
    pub full_lease_every: Option<u64>,
    /// How many side by side.
    pub lanes: usize,
    /// Where the choices begin.
    pub seed: u64,
    /// Whose; empty is what CI runs.
    pub subjects: Vec<Subject>,
    /// Only this fault, by its name.
    pub fault: Option<String>,
    /// Where histories with findings go.
    pub histories: PathBuf,
}

/// How many runs of client-go alone are added, whose known failure has to be found.
const PROOFS: u64 = 3;

impl Campaign {
    /// Runs all.
    ///
    /// # Errors
    /// If there is no API server, or a process cannot be started.
    pub async fn run(&self) -> Result<Report, server::Error> {
        let plans = self.plans();
        let mut server = Server::start(&self.kubernetes).await?;
        register::install_policy(&Api::new(server.upstream.clone())).await?;
        let world = World {
            upstream: server.upstream.clone(),
            programs: self.programs.clone(),
            stamp: format!("{:x}", self.seed),
        };
        let (shared, single): (Vec<_>, Vec<_>) = plans
            .into_iter()
            .partition(|it| Fault::OF_SERVERS.contains(&it.fault));
        let mut report = Report::default();
        let mut running = stream::iter(single)
            .map(|plan| self.one(&world, plan, None))
            .buffer_unordered(self.lanes);
        while let Some(finding) = running.next().await {
            report.add(finding?);
        }
        drop(running);
        for fault in Fault::OF_SERVERS {
            let all: Vec<_> = shared
                .iter()
                .filter(|it| it.fault == fault)
                .cloned()
                .collect();
            for plans in all.chunks(self.lanes) {
                for finding in self.round(&world, &mut server, plans).await? {
                    report.add(finding);
                }
            }
        }
        Ok(report)
    }

    /// What is run, in its order: each subject's faults in turn.
    fn plans(&self) -> Vec<Plan> {
        let by_default = [
            Subject::Ours,
            Subject::Locks,
            Subject::Mixed,
            Subject::Shards,
        ];
        let subjects: &[Subject] = if self.subjects.is_empty() {
            &by_default
        } else {
            &self.subjects
        };
        let faults = Fault::OF_PROCESSES
            .into_iter()
            .chain(Fault::OF_SERVERS)
            .chain(Fault::FORCED);
        let wanted = |it: &Fault| {
            self.fault
                .as_ref()
                .is_none_or(|name| *name == it.to_string())
        };
        let faults: Vec<_> = faults.filter(wanted).collect();
        let pairs = |fault: Fault| subjects.iter().map(move |subject| (*subject, fault));
        let all: Vec<_> = faults.into_iter().flat_map(pairs).collect();
        let number = |index: u64| self.seed.wrapping_mul(1_000_000) + index;
        let mut plans: Vec<_> = (0..self.runs)
            .zip(all.iter().cycle())
            .map(|(index, (subject, fault))| self.plan(number(index), index, *subject, *fault))
            .collect();
        if self.subjects.is_empty() && self.fault.is_none() {
            // The judge shows that it finds what is known to be there.
            let client_go = Subject::Other(Program::ClientGo { release: true });
            let known = (self.runs..self.runs + PROOFS)
                .map(|index| self.plan(number(index), 0, client_go, Fault::Pause));
            plans.extend(known);
        }
        plans
    }

    fn plan(&self, number: u64, index: u64, subject: Subject, fault: Fault) -> Plan {
        let mut random = Random::new(number);
        let is_full = self
            .full_lease_every
            .is_some_and(|every| index % every == every - 1);
        let seconds = if is_full { 15 } else { random.between(2, 4) };
        let go = Program::ClientGo {
            release: random.chance(50),
        };
        let candidates = match subject {
            Subject::Ours | Subject::Locks | Subject::Shards => vec![Program::Ours; 3],
            Subject::Mixed if random.chance(50) => vec![go, Program::Ours, Program::Ours],
            Subject::Mixed => vec![Program::Ours, go, go],
            Subject::Other(program) => vec![program; 3],
        };
        Plan {
            number,
            fault,
            candidates,
            lease: Duration::from_secs(seconds),
            contest: match subject {
                Subject::Locks => Contest::Locks,
                Subject::Shards => Contest::Shards,
                Subject::Ours | Subject::Mixed | Subject::Other(_) => Contest::Election,
            },
        }
    }

    async fn one(&self, world: &World, plan: Plan, round: Option<&Round>) -> io::Result<Finding> {
        let outcome = run::run(world, &plan, round).await?;
        let finding = Finding::of(&plan, &outcome);
        if !finding.is_clean() {
            fs::create_dir_all(&self.histories)?;
            let name = format!(
                "{}-{}.log",
                plan.number,
                plan.title().replace([' ', ','], "-")
            );
            fs::write(self.histories.join(name), outcome.text(&finding))?;
        }
        Ok(finding)
    }

    /// Runs that see the same fault of the servers at the same time.
    async fn round(
        &self,
        world: &World,
        server: &mut Server,
        plans: &[Plan],
    ) -> Result<Vec<Finding>, server::Error> {
        let round = Arc::new(Round {
            meet: Barrier::new(plans.len() + 1),
        });
        let Some(first) = plans.first() else {
            return Ok(Vec::new());
        };
        let mut random = Random::new(first.number);
        let runs = async {
            let runs = plans
                .iter()
                .map(|plan| self.one(world, plan.clone(), Some(&round)));
            futures::future::try_join_all(runs).await
        };
        let faults = async {
            for _ in 0..2 {
                round.meet.wait().await;
                on_servers(server, first, &mut random).await?;
                round.meet.wait().await;
            }
            Ok::<_, server::Error>(())
        };
        let (findings, faults) = tokio::join!(runs, faults);
        faults?;
        Ok(findings?)
    }
}

async fn on_servers(
    server: &mut Server,
    plan: &Plan,
    random: &mut Random,
) -> Result<(), server::Error> {
    let share = |random: &mut Random, from, to| {
        plan.lease * u32::try_from(random.between(from, to)).unwrap_or(100) / 100
    };
    match plan.fault {
        Fault::ApiRestart => server.restart_api_server(random.chance(50)).await?,
        Fault::ApiPause => server.pause_api_server(share(random, 20, 200)).await,
        Fault::EtcdPause => server.pause_etcd(share(random, 20, 200)).await,
        Fault::EtcdRestart => server.restart_etcd(share(random, 0, 100)).await?,
        _ => {}
    }
    server.ready().await
}
