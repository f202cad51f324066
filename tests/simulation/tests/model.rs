//! The small ones of the model's configurations are exhausted in each run; `cargo xtask sim` exhausts all.

use metaparticle_protocol::{Mutants, mutant::Mutant};
use metaparticle_simulation::model::{Action, FOUND, Setting, leaders, lockers, owners};

#[test]
fn two_candidates_keep_all_promises_without_faults() {
    let verdict = leaders(&[1000, 1000], 0, 2500, Mutants::NONE);
    assert_eq!(verdict.broken, None);
    assert!(verdict.is_exhausted && verdict.is_alive, "{verdict:?}");
    assert!(verdict.states > 1000, "{verdict:?}");
}

#[test]
fn two_processes_keep_all_promises_of_a_mutex() {
    let verdict = lockers(&[1000, 1000], 0, 1000, Mutants::NONE);
    assert_eq!(verdict.broken, None);
    assert!(verdict.is_exhausted && verdict.is_alive, "{verdict:?}");
    assert!(verdict.states > 1000, "{verdict:?}");
}

const SLOT: Setting = Setting {
    leader: 1,
    terms: 2,
    moves: true,
    is_joined: false,
    leaves: false,
};

#[test]
fn slot_moves_to_who_joins_while_leadership_passes() {
    let verdict = owners(&[1000, 1000], (0, |_| false), 100, SLOT, Mutants::NONE);
    assert_eq!(verdict.broken, None);
    assert!(verdict.is_exhausted && verdict.is_alive, "{verdict:?}");
    assert!(verdict.states > 1000, "{verdict:?}");
}

#[test]
fn slot_of_a_stopped_owner_is_anothers_after_its_session() {
    let setting = Setting {
        leader: 0,
        terms: 1,
        moves: false,
        is_joined: true,
        leaves: false,
    };
    let stopped = |fault| matches!(fault, Action::Pause(1));
    let until = |millis| owners(&[1000, 1000], (1, stopped), millis, setting, Mutants::NONE);
    let verdict = until(2200);
    assert_eq!(verdict.broken, None);
    assert!(verdict.is_exhausted && verdict.is_alive, "{verdict:?}");
    assert!(verdict.states > 1000, "{verdict:?}");
    // Not before: what is held is relied on.
    assert!(!until(1000).is_alive);
}

#[test]
fn mutants_that_break_at_once_are_found_in_a_few_steps() {
    for (mutant, (_, check)) in FOUND {
        let soon = [
            Mutant::NoCompareAndSwap,
            Mutant::NameWithoutIncarnation,
            Mutant::HoldBeforeOwnAdded,
            Mutant::ServingOnPrepare,
        ];
        if soon.contains(&mutant) {
            let broken = check(Mutants::only(mutant)).broken;
            assert!(broken.is_some_and(|(steps, _)| steps < 40), "{mutant:?}");
        }
    }
}
