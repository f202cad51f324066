//! What is played on all processors, and what is printed of it.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use metaparticle_protocol::{Mutants, mutant::Mutant};

use crate::{
    monitor::Violation,
    mutants::{self, Found},
    run::{Scenario, plan, play},
};

/// So many failures are told at most.
const TOLD: usize = 5;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs that were played.
    pub runs: u64,
    /// Events in them.
    pub events: u64,
    /// Guards that began.
    pub grants: u64,
    /// Overlaps in which client-go held on.
    pub foreign_overlaps: u64,
    /// What was broken: scenario, seed, promise.
    pub failures: Vec<(Scenario, u64, Violation)>,
}

/// Plays seeds `1..=seeds` of each scenario.
///
/// # Panics
/// If a run panics.
#[must_use]
pub fn seeds(scenarios: &[Scenario], seeds: u64) -> Summary {
    let next = AtomicU64::new(1);
    let summary = Mutex::new(Summary::default());
    everywhere(|| {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            for scenario in scenarios {
                let outcome = play(*scenario, plan(*scenario, seed, Mutants::NONE), false);
                let mut summary = summary.lock().expect("no run panicked");
                summary.runs += 1;
                summary.events += outcome.steps;
                summary.grants += outcome.grants;
                summary.foreign_overlaps += outcome.foreign_overlaps;
                if let Some(violation) = outcome.violation {
                    summary.failures.push((*scenario, seed, violation));
                }
            }
        }
    });
    let mut summary = summary.into_inner().expect("no run panicked");
    summary
        .failures
        .sort_by_key(|(scenario, seed, _)| (*scenario, *seed));
    summary.failures.truncate(TOLD);
    summary
}

/// A mutant, where its rule is broken, and how it was found.
pub type Hunt = (Mutant, &'static [Scenario], Option<Found>);

/// Looks for these of [`mutants::ALL`], so many seeds in each scenario at most.
///
/// # Panics
/// If a run panics.
#[must_use]
pub fn hunt<'a>(
    hunted: impl Iterator<Item = &'a (Mutant, &'static [Scenario])>,
    seeds: u64,
) -> Vec<Hunt> {
    let hunted: Vec<_> = hunted.collect();
    let next = AtomicUsize::new(0);
    let hunts = Mutex::new(Vec::new());
    everywhere(|| {
        while let Some((mutant, scenarios)) = hunted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = mutants::find(*mutant, scenarios, seeds);
            let mut hunts = hunts.lock().expect("no run panicked");
            hunts.push((*mutant, *scenarios, found));
        }
    });
    let mut hunts = hunts.into_inner().expect("no run panicked");
    hunts.sort_by_key(|(mutant, scenarios, _)| (*mutant, *scenarios));
    hunts
}

/// On each processor.
fn everywhere(work: impl Fn() + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(&work);
        }
    });
}
