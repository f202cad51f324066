//! The small ones of the model's configurations are exhausted in each run; `cargo xtask sim` exhausts all.

use metaparticle_protocol::{Mutants, mutant::Mutant};
use metaparticle_simulation::model::{FOUND, leaders, lockers};

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

#[test]
fn mutants_that_break_at_once_are_found_in_a_few_steps() {
    for (mutant, (_, check)) in FOUND {
        let soon = [
            Mutant::NoCompareAndSwap,
            Mutant::NameWithoutIncarnation,
            Mutant::HoldBeforeOwnAdded,
        ];
        if soon.contains(&mutant) {
            let broken = check(Mutants::only(mutant)).broken;
            assert!(broken.is_some_and(|(steps, _)| steps < 40), "{mutant:?}");
        }
    }
}
