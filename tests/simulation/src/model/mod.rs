//! The model: two or three processes and the store, and up to so many faults anywhere: late, lost and doubled requests and
//! answers, watches that freeze or break, pauses, restarts; exhausted by stateright.
//!
//! What is not delayed arrives before time goes on; requests race at the server in every order. Longer times and more
//! faults at once are for the simulator.

mod choices;
mod nodes;
mod slots;
mod state;

pub use nodes::{Actor, Leader, Locker};
pub use slots::{Setting, SlotOwner};
pub use state::{Action, State};

use std::time::Duration;

use metaparticle_protocol::{Mutants, mutant::Mutant};
use stateright::{Checker, Model as Checked, Property};

/// The promise that is checked everywhere.
const PROMISE: &str = "no promise is broken";
/// What must be possible: that somebody holds who did not when the model began.
const ALIVE: &str = "somebody comes to hold";

/// One configuration.
#[derive(Clone, Debug)]
pub struct Model<A: Actor> {
    /// Rates of the processes' clocks, in thousandths; as many as there are processes.
    pub rates: Vec<u32>,
    /// So many faults, in any places.
    pub faults: u8,
    /// Up to this time.
    pub horizon: Duration,
    /// The rule that is switched off.
    pub mutants: Mutants,
    /// Of these kinds.
    pub which: fn(Action) -> bool,
    /// What else is given.
    pub setting: A::Setting,
}

/// What came of checking one.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Different states that were reached.
    pub states: usize,
    /// All of them were visited.
    pub is_exhausted: bool,
    /// Somewhere somebody holds who did not at the start.
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
            is_alive: checker.discovery(ALIVE).is_some(),
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
            Property::sometimes(ALIVE, |_, state: &State<A>| state.is_alive()),
        ]
    }
}

/// A configuration: its name and what is checked.
pub type Configuration = (&'static str, fn(Mutants) -> Verdict);

/// What is exhausted. The lease is two seconds.
pub const CONFIGURATIONS: [Configuration; 13] = [
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
    MOVES,
    ENDED,
    FROZEN,
    REMOVED,
    (
        "a slot whose owner leaves at any time, clocks of 0.9 and 1.1, leadership passes, no fault, 1 s",
        |mutants| owners(&[900, 1100], NONE, 1000, LEFT, mutants),
    ),
    (
        "a slot whose owner is stopped for any time, clocks of 0.9 and 1.1, 2.5 s",
        |mutants| {
            let stopped: Faults = (1, |fault| matches!(fault, Action::Pause(1)));
            owners(&[900, 1100], stopped, 2500, STAYS, mutants)
        },
    ),
    (
        "a slot that moves to who joins, 1 fault, before any time passes",
        |mutants| owners(&[1000, 1000], (1, |_| true), 0, MOVED, mutants),
    ),
];

/// No fault.
const NONE: Faults = (0, |_| false);

/// The slot moves to process 0 once it joins; process 0 leads.
const MOVED: Setting = Setting {
    leader: 0,
    terms: 1,
    moves: true,
    is_joined: false,
    leaves: false,
};

/// The slot stays with process 1 while that lives.
const STAYS: Setting = Setting {
    moves: false,
    is_joined: true,
    ..MOVED
};

/// The slot stays until its owner leaves.
const LEFT: Setting = Setting {
    terms: 2,
    leaves: true,
    ..STAYS
};

/// Led by the owner, and by two others after it.
const PASSED: Setting = Setting {
    leader: 1,
    terms: 3,
    ..MOVED
};

const MOVES: Configuration = (
    "a slot that moves to who joins at any time, leadership passes twice, no fault, 0.1 s",
    |mutants| owners(&[1000, 1000], NONE, 100, PASSED, mutants),
);

const ENDED: Configuration = (
    "a slot that moves to who joins at any time and is started again, as is reported, 0.1 s",
    |mutants| {
        let ends: Faults = (1, |fault| matches!(fault, Action::Restart(0)));
        let setting = Setting { leader: 1, ..MOVED };
        owners(&[1000, 1000], ends, 100, setting, mutants)
    },
);

const FROZEN: Configuration = (
    "a slot whose owner leaves at any time, clocks of 1.1 and 0.9, its leader sees sessions late, 2.2 s",
    |mutants| {
        let late: Faults = (1, |fault| {
            matches!(fault, Action::Freeze(0, SlotOwner::SESSIONS))
        });
        let setting = Setting { terms: 1, ..LEFT };
        owners(&[1100, 900], late, 2200, setting, mutants)
    },
);

const REMOVED: Configuration = (
    "a slot whose map is deleted by hand, also unseen by its owner, 2.2 s",
    |mutants| {
        let unseen: Faults = (2, |fault| {
            matches!(fault, Action::Remove | Action::Freeze(1, SlotOwner::MAP))
        });
        owners(&[1000, 1000], unseen, 2200, MOVED, mutants)
    },
);

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
pub const FOUND: [(Mutant, Configuration); 14] = [
    (Mutant::NoCompareAndSwap, CANDIDATES),
    (Mutant::LateAcknowledgementRevives, CANDIDATES),
    (Mutant::RetryWithConflictsVersion, CANDIDATES),
    (Mutant::RenewalWithoutNewTerm, CANDIDATES),
    (Mutant::NameWithoutIncarnation, CANDIDATES),
    (Mutant::NameWithoutIncarnation, LOCKERS_UNTIL),
    (Mutant::HoldBeforeOwnAdded, LOCKERS),
    (Mutant::ReleaseBeforeInvalidation, LOCKERS_UNTIL),
    (Mutant::ServingOnPrepare, MOVES),
    (Mutant::NameWithoutIncarnation, MOVES),
    (Mutant::UnnumberedAcknowledgement, ENDED),
    (Mutant::ExpiryByOpinion, FROZEN),
    (Mutant::DeleteWithoutVersion, FROZEN),
    (Mutant::NoMapProof, REMOVED),
];

/// Candidates of one election, with clocks of these rates.
#[must_use]
pub fn leaders(rates: &[u32], faults: u8, millis: u64, mutants: Mutants) -> Verdict {
    Model::<Leader> {
        rates: rates.to_vec(),
        faults,
        horizon: Duration::from_millis(millis),
        mutants,
        which: |_| true,
        setting: (),
    }
    .check()
}

/// So many, of these kinds.
pub type Faults = (u8, fn(Action) -> bool);

/// Two processes and one slot, with clocks of these rates.
#[must_use]
pub fn owners(
    rates: &[u32],
    (faults, which): Faults,
    millis: u64,
    setting: Setting,
    mutants: Mutants,
) -> Verdict {
    Model::<SlotOwner> {
        rates: rates.to_vec(),
        faults,
        horizon: Duration::from_millis(millis),
        mutants,
        which,
        setting,
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
        which: |_| true,
        setting: (),
    }
    .check()
}
