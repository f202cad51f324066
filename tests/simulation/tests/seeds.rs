//! A small share of what `cargo xtask sim` plays: enough to notice that something broke, in a second or two.

use std::time::Duration;

use metaparticle_protocol::{Mutants, mutant::Mutant};
use metaparticle_simulation::{
    mutants, report,
    run::{Scenario, plan, play, shrink},
    world::{Fault, Kind},
};

#[test]
fn no_promise_is_broken_by_the_first_seeds() {
    let summary = report::seeds(&Scenario::JUDGED, 150);
    assert_eq!(summary.failures, []);
    assert!(summary.grants > 1000, "{summary:?}");
}

#[test]
fn client_go_alone_overlaps() {
    let summary = report::seeds(&[Scenario::ForeignAlone], 60);
    assert!(summary.foreign_overlaps > 0, "{summary:?}");
}

#[test]
fn seed_plays_the_same_each_time() {
    for scenario in Scenario::JUDGED {
        let [one, other] =
            [(); 2].map(|()| play(scenario, plan(scenario, 7, Mutants::NONE), true).trace);
        assert!(one.len() > 100, "{scenario:?} tells {} lines", one.len());
        assert_eq!(one, other, "{scenario:?}");
    }
}

#[test]
fn all_mutants_but_the_rare_ones_are_found_soon() {
    // These take thousands of seeds: `cargo xtask sim` finds them.
    let rare = [
        Mutant::ValidityFromReceive,
        Mutant::EmptyHolderAlwaysFree,
        Mutant::ExactListNotReduced,
    ];
    let hunts = report::hunt(
        mutants::ALL
            .iter()
            .filter(|(mutant, _)| !rare.contains(mutant)),
        1000,
    );
    assert_eq!(hunts.len(), mutants::ALL.len() - rare.len());
    for (mutant, scenarios, found) in hunts {
        assert!(found.is_some(), "{mutant:?} is not found in {scenarios:?}");
    }
}

/// Nothing else goes wrong, and the process does not come back.
#[test]
fn slots_of_a_killed_owner_are_served_again_within_a_lease_and_a_second() {
    let mut longest = Duration::ZERO;
    for seed in 1..=150 {
        let mut plan = plan(Scenario::Shards, seed, Mutants::NONE);
        // From here on nobody leaves, hangs or steps down, and what was to move has moved when it is killed.
        (plan.unreliable, plan.calm) = (0, plan.lease * 4);
        let (at, length) = (plan.lease * 8, Duration::ZERO);
        let process = plan.processes - 1;
        let kind = Kind::Crash { process };
        plan.script = vec![Fault { at, length, kind }];
        // Its own clock counts the lease, at nine tenths of the speed at worst.
        let bound = plan.lease * 10 / 9 + Duration::from_secs(1);
        let outcome = play(Scenario::Shards, plan, false);
        assert_eq!(outcome.violation, None, "seed {seed}");
        assert!(
            outcome.longest_gap <= bound,
            "seed {seed}: {:?}",
            outcome.longest_gap
        );
        longest = longest.max(outcome.longest_gap);
    }
    assert!(
        longest > Duration::from_secs(1),
        "somebody was killed: {longest:?}"
    );
}

#[test]
fn shrunk_run_breaks_the_same_promise_with_fewer_faults() {
    let scenario = Scenario::Election;
    let mutants = Mutants::only(Mutant::LateAcknowledgementRevives);
    let (whole, violation) = (1..)
        .find_map(|seed| {
            let whole = plan(scenario, seed, mutants);
            let violation = play(scenario, whole.clone(), false).violation?;
            Some((whole, violation))
        })
        .expect("one of all seeds");
    let less = shrink(scenario, &whole, &violation);
    let again = play(scenario, less.clone(), false).violation;
    assert_eq!(
        again.map(|again| std::mem::discriminant(&again)),
        Some(std::mem::discriminant(&violation))
    );
    assert!(less.script.len() < whole.script.len());
}
