//! Each rule that is switched off must be found, and is told with the length of its trace.

use metaparticle_protocol::{Mutants, mutant::Mutant};

use crate::{
    monitor::Violation,
    run::{Scenario, plan, play, shrink},
};

use Scenario::{
    Election, ElectionByHand, Locks, LocksByHand, Mixed, Shards as OfShards, ShardsByHand,
};

const ELECTIONS: &[Scenario] = &[Election, Mixed];
const ELECTIONS_BY_HAND: &[Scenario] = &[ElectionByHand];
const LOCKS: &[Scenario] = &[Locks];
const LOCKS_BY_HAND: &[Scenario] = &[Locks, LocksByHand];
const SHARDS: &[Scenario] = &[OfShards];
const SHARDS_BY_HAND: &[Scenario] = &[ShardsByHand];
const BOTH: &[Scenario] = &[Election, Locks];

/// Every mutant of `metaparticle_protocol`, and where its rule is broken. A restored store is what "by hand" finds.
pub const ALL: [(Mutant, &[Scenario]); 34] = [
    (Mutant::ValidityFromReceive, ELECTIONS),
    (Mutant::LateAcknowledgementRevives, ELECTIONS),
    (Mutant::LateAcknowledgementRevives, LOCKS),
    (Mutant::NoCompareAndSwap, ELECTIONS),
    (Mutant::PutWithoutUid, LOCKS_BY_HAND),
    (Mutant::RetryWithConflictsVersion, ELECTIONS),
    (Mutant::WallClock, ELECTIONS),
    (Mutant::ReleaseBeforeInvalidation, ELECTIONS),
    (Mutant::ReleaseBeforeInvalidation, LOCKS),
    (Mutant::RenewalWithoutNewTerm, ELECTIONS),
    (Mutant::LostWatchBlindness, ELECTIONS_BY_HAND),
    (Mutant::NameGrants, ELECTIONS),
    (Mutant::EmptyHolderAlwaysFree, ELECTIONS_BY_HAND),
    (Mutant::NaiveRollback, ELECTIONS),
    (Mutant::NaiveRollback, LOCKS),
    (Mutant::NoEventOrder, ELECTIONS),
    (Mutant::ExpiryByOpinion, LOCKS),
    (Mutant::DeleteWithoutVersion, LOCKS),
    (Mutant::OrderByCurrentVersion, LOCKS),
    (Mutant::HoldBeforeOwnAdded, LOCKS),
    (Mutant::RelistCountsAsAdded, LOCKS),
    (Mutant::ExactListNotReduced, LOCKS),
    (Mutant::WatchStoppedEarly, LOCKS),
    (Mutant::RevocationWithoutWait, LOCKS),
    (Mutant::NameWithoutIncarnation, ELECTIONS),
    (Mutant::NameWithoutIncarnation, LOCKS),
    (Mutant::DeleteForeignVersion, BOTH),
    (Mutant::UnnumberedAcknowledgement, SHARDS),
    (Mutant::CounterAsGeneration, SHARDS_BY_HAND),
    (Mutant::NoMapProof, SHARDS_BY_HAND),
    (Mutant::ServingOnPrepare, SHARDS),
    (Mutant::NameWithoutIncarnation, SHARDS),
    (Mutant::ExpiryByOpinion, SHARDS),
    (Mutant::RevocationWithoutWait, SHARDS),
];

/// A mutant that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// In which scenario.
    pub scenario: Scenario,
    /// By which seed.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
    /// Events until it was broken, in the shrunk run.
    pub length: u64,
    /// Faults in the shrunk run.
    pub faults: usize,
}

/// Looks for a mutant, so many seeds in each scenario at most.
#[must_use]
pub fn find(mutant: Mutant, scenarios: &[Scenario], seeds: u64) -> Option<Found> {
    let mutants = Mutants::only(mutant);
    for seed in 1..=seeds {
        for scenario in scenarios {
            let whole = plan(*scenario, seed, mutants);
            let Some(violation) = play(*scenario, whole.clone(), false).violation else {
                continue;
            };
            let less = shrink(*scenario, &whole, &violation);
            let outcome = play(*scenario, less.clone(), false);
            return Some(Found {
                scenario: *scenario,
                seed,
                violation: outcome.violation.unwrap_or(violation),
                length: outcome.steps,
                faults: less.script.len(),
            });
        }
    }
    None
}
