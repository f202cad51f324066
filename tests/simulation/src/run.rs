//! Scenarios by seed: what is played, how a run is judged, how a failing one is shrunk and told.

use std::{fmt, time::Duration};

use metaparticle_protocol::{Mutants, Name};

use crate::{
    candidate::{Candidate, ELECTION},
    member::Holder,
    monitor::Violation,
    node::Node,
    random::Random,
    shards::{Sharer, slots_settled},
    world::{Fault, Plan, World, draw, draw_of_map},
};

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// An election among our candidates.
    Election,
    /// An election with client-go among the candidates.
    Mixed,
    /// An election, and hands that edit and delete what it rests on: a class of its own, overlaps last a bounded time.
    ElectionByHand,
    /// Locks of three kinds, several tasks a process.
    Locks,
    /// The same, and hands that edit and delete.
    LocksByHand,
    /// Slots of a map of shards: an assigner, owners, hand-offs.
    Shards,
    /// The same; and the map is deleted or edited, the store restored, sessions deleted.
    ShardsByHand,
    /// An election of client-go alone: proves that the harness sees its overlaps.
    ForeignAlone,
}

impl Scenario {
    /// All in which our promises are judged.
    pub const JUDGED: [Self; 7] = [
        Self::Election,
        Self::Mixed,
        Self::ElectionByHand,
        Self::Locks,
        Self::LocksByHand,
        Self::Shards,
        Self::ShardsByHand,
    ];

    /// The one of that name, as it is printed.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::ForeignAlone].into_iter().chain(Self::JUDGED);
        let named = |scenario: &Self| format!("{scenario:?}").eq_ignore_ascii_case(name);
        all.into_iter().find(named)
    }

    const fn number(self) -> u64 {
        match self {
            Self::Election => 1,
            Self::Mixed => 2,
            Self::ElectionByHand => 3,
            Self::ForeignAlone => 4,
            Self::Locks => 5,
            Self::LocksByHand => 6,
            Self::Shards => 7,
            Self::ShardsByHand => 8,
        }
    }
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// Events until then, or until the end.
    pub steps: u64,
    /// How often a guard began.
    pub grants: u64,
    /// Overlaps in which client-go held on.
    pub foreign_overlaps: u64,
    /// The longest time for which a slot of a map was nobody's.
    pub longest_gap: Duration,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

/// What that seed plays.
///
/// # Panics
/// Never: what is drawn is small.
#[must_use]
pub fn plan(scenario: Scenario, seed: u64, mutants: Mutants) -> Plan {
    let mut random = Random::new(seed).fork(scenario.number());
    let lease = Duration::from_secs(*random.one_of(&[2, 2, 3, 5, 15]));
    let processes = usize::try_from(random.between(2, 4)).expect("small");
    let count = random.below(16);
    let span = lease * 10;
    let forced = matches!(
        scenario,
        Scenario::ElectionByHand | Scenario::LocksByHand | Scenario::ShardsByHand
    );
    let unreliable = *random.one_of(&[0, 5, 20, 80]);
    let mut script = draw(&mut random, count, span, processes, lease, forced);
    if matches!(scenario, Scenario::Shards | Scenario::ShardsByHand) {
        script.extend(draw_of_map(&mut random, span, processes, lease, forced));
        script.sort_by_key(|fault| fault.at);
    }
    let calm = span + lease;
    // Waiting for the longest of all records on a slow clock, for an offer, for a drain, each with its retries.
    let end = calm + lease * 8 + Duration::from_secs(20);
    Plan {
        seed,
        processes,
        lease,
        script,
        unreliable,
        calm,
        end,
        mutants,
    }
}

/// Plays it.
#[must_use]
pub fn play(scenario: Scenario, plan: Plan, traced: bool) -> Outcome {
    match scenario {
        Scenario::Election | Scenario::ElectionByHand => {
            judge(World::new(plan, Candidate::ours), traced, somebody_leads)
        }
        Scenario::Locks | Scenario::LocksByHand => {
            judge(World::new(plan, Holder::new), traced, queues_moved)
        }
        Scenario::Shards | Scenario::ShardsByHand => {
            judge(World::new(plan, Sharer::new), traced, slots_settled)
        }
        Scenario::Mixed => judge(World::new(plan, Candidate::mixed), traced, somebody_leads),
        Scenario::ForeignAlone => {
            judge(World::new(plan, Candidate::foreign), traced, somebody_leads)
        }
    }
}

fn judge<N: Node + fmt::Debug>(
    world: World<N>,
    traced: bool,
    last: fn(&World<N>) -> Result<(), Violation>,
) -> Outcome {
    let mut world = if traced { world.traced() } else { world };
    let violation = world.run().and_then(|()| last(&world)).err();
    Outcome {
        violation,
        steps: world.steps(),
        grants: world.monitor().grants,
        foreign_overlaps: world.monitor().foreign_overlaps,
        longest_gap: world.monitor().longest_gap,
        trace: world.into_trace(),
    }
}

/// Long after the last fault, one of those who contend leads.
fn somebody_leads(world: &World<Candidate>) -> Result<(), Violation> {
    let election = Name::from(ELECTION);
    let leads = world.monitor().holders(world.clocks(), &election).next();
    match leads {
        Some(_) => Ok(()),
        None => Err(Violation::Stuck("nobody leads".to_owned())),
    }
}

/// Long after the last fault, whoever asked was served, and nothing is left of it.
fn queues_moved(world: &World<Holder>) -> Result<(), Violation> {
    if let Some((process, what, since)) = world.expectations().next() {
        let text = format!("process {process} waits for {what:#x} since {since:?}");
        return Err(Violation::Stuck(text));
    }
    // What crashed processes left is reaped by the hour; what living ones left is a leak.
    let living: Vec<_> = world.sessions().collect();
    let left = world.store().objects().find(|object| {
        let owner = object.owner.as_ref();
        owner.is_some_and(|(_, uid)| living.contains(uid))
    });
    match left {
        Some(object) => Err(Violation::Leak(object.lease.name.clone())),
        None => Ok(()),
    }
}

/// The shortest script found that still breaks the same promise.
#[must_use]
pub fn shrink(scenario: Scenario, plan: &Plan, violation: &Violation) -> Plan {
    let fails = |plan: &Plan| {
        let outcome = play(scenario, plan.clone(), false);
        outcome.violation.is_some_and(|found| {
            std::mem::discriminant(&found) == std::mem::discriminant(violation)
        })
    };
    let mut best = plan.clone();
    let reliable = Plan {
        unreliable: 0,
        ..best.clone()
    };
    if fails(&reliable) {
        best = reliable;
    }
    loop {
        let shorter = (0..best.script.len()).rev().find_map(|index| {
            let mut less = best.clone();
            less.script.remove(index);
            fails(&less).then_some(less)
        });
        match shorter {
            Some(less) => best = less,
            None => return best,
        }
    }
}

/// A script as it is told.
#[must_use]
pub fn told(script: &[Fault]) -> String {
    let lines = script.iter().map(|fault| {
        format!(
            "  {:>9.3} s for {:.3} s: {:?}\n",
            fault.at.as_secs_f64(),
            fault.length.as_secs_f64(),
            fault.kind
        )
    });
    lines.collect()
}
