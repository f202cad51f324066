//! The model: two or three processes and the store, and up to so many faults anywhere: late, lost and doubled requests and
//! answers, watches that freeze or break, pauses, restarts; exhausted by stateright.
//!
//! What is not delayed arrives before time goes on; requests race at the server in every order. Longer times and more
//! faults at once are for the simulator.

mod nodes;
mod state;

pub use nodes::{Actor, Leader, Locker};
pub use state::{Action, State};

use std::{marker::PhantomData, time::Duration};

use metaparticle_protocol::{Mutants, mutant::Mutant};
use stateright::{Checker, Model as Checked, Property};

/// The promise that is checked everywhere.
const PROMISE: &str = "no promise is broken";

/// One configuration.
#[derive(Clone, Debug)]
pub struct Model<A> {
    /// Rates of the processes' clocks, in thousandths; as many as there are processes.
    pub rates: Vec<u32>,
    /// So many faults, in any places.
    pub faults: u8,
    /// Up to this time.
    pub horizon: Duration,
    /// The rule that is switched off.
    pub mutants: Mutants,
    /// Which machine.
    pub actor: PhantomData<A>,
}

/// What came of checking one.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Different states that were reached.
    pub states: usize,
    /// All of them were visited.
    pub is_exhausted: bool,
    /// Somewhere somebody holds.
    pub is_alive: bool,
    /// Steps to the broken promise, if one was found.
    pub broken: Option<(usize, String)>,
}

/// More states than this are too many for one configuration.
const MOST: usize = 2_000_000;

impl<A: Actor> Model<A> {
    /// Visits all states, or stops at the first broken promise.
    #[must_use]
    pub fn check(self) -> Verdict {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let checker = self
            .checker()
            .threads(threads)
            .target_state_count(MOST)
            .finish_when(stateright::HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        let broken = checker.discovery(PROMISE).map(|path| {
            let last = path.last_state().violation.clone();
            let told = last.map_or_else(String::new, |violation| violation.to_string());
            (path.into_actions().len(), told)
        });
        Verdict {
            states: checker.unique_state_count(),
            is_exhausted: checker.state_count() < MOST,
            is_alive: checker.discovery("somebody holds").is_some(),
            broken,
        }
    }
}

impl<A: Actor> Checked for Model<A> {
    type State = State<A>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<A>> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State<A>, actions: &mut Vec<Action>) {
        if state.violation.is_none() {
            state.actions(self, actions);
        }
    }

    fn next_state(&self, last: &State<A>, action: Action) -> Option<State<A>> {
        let mut state = last.clone();
        state.act(self, action);
        state.settle();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(PROMISE, |_, state: &State<A>| state.violation.is_none()),
            Property::sometimes("somebody holds", |_, state: &State<A>| state.is_held()),
        ]
    }
}

/// A configuration: its name and what is checked.
pub type Configuration = (&'static str, fn(Mutants) -> Verdict);

/// What is exhausted. The lease is two seconds.
pub const CONFIGURATIONS: [Configuration; 6] = [
    CANDIDATES,
    (
        "2 candidates, clocks of 1.1 and 0.9, 1 fault, 2 s",
        |mutants| leaders(&[1100, 900], 1, 2000, mutants),
    ),
    (
        "2 candidates, equal clocks, no fault, stopped at any time, 4 s",
        |mutants| leaders(&[1000, 1000], 0, 4000, mutants),
    ),
    LOCKERS,
    LOCKERS_UNTIL,
    (
        "3 processes and a mutex, no fault, before any time passes",
        |mutants| lockers(&[1000, 1000, 1000], 0, 0, mutants),
    ),
];

const CANDIDATES: Configuration = (
    "2 candidates, clocks of 0.9 and 1.1, 1 fault, 2 s",
    |mutants| leaders(&[900, 1100], 1, 2000, mutants),
);

const LOCKERS: Configuration = (
    "2 processes and a mutex, 1 fault, before any time passes",
    |mutants| lockers(&[1000, 1000], 1, 0, mutants),
);

const LOCKERS_UNTIL: Configuration = (
    "2 processes and a mutex, no fault, unlocked at any time, 3 s",
    |mutants| lockers(&[1000, 1000], 0, 3000, mutants),
);

/// Mutants that the model finds as well, and where.
pub const FOUND: [(Mutant, Configuration); 8] = [
    (Mutant::NoCompareAndSwap, CANDIDATES),
    (Mutant::LateAcknowledgementRevives, CANDIDATES),
    (Mutant::RetryWithConflictsVersion, CANDIDATES),
    (Mutant::RenewalWithoutNewTerm, CANDIDATES),
    (Mutant::NameWithoutIncarnation, CANDIDATES),
    (Mutant::NameWithoutIncarnation, LOCKERS_UNTIL),
    (Mutant::HoldBeforeOwnAdded, LOCKERS),
    (Mutant::ReleaseBeforeInvalidation, LOCKERS_UNTIL),
];

/// Candidates of one election, with clocks of these rates.
#[must_use]
pub fn leaders(rates: &[u32], faults: u8, millis: u64, mutants: Mutants) -> Verdict {
    Model::<Leader> {
        rates: rates.to_vec(),
        faults,
        horizon: Duration::from_millis(millis),
        mutants,
        actor: PhantomData,
    }
    .check()
}

/// Processes that want one mutex, with clocks of these rates.
#[must_use]
pub fn lockers(rates: &[u32], faults: u8, millis: u64, mutants: Mutants) -> Verdict {
    Model::<Locker> {
        rates: rates.to_vec(),
        faults,
        horizon: Duration::from_millis(millis),
        mutants,
        actor: PhantomData,
    }
    .check()
}
