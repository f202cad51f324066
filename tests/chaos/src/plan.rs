//! What is run: which candidates, which fault, which seed.

use std::time::Duration;

use crate::{faults::Fault, program::Program};

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its number, and the seed of its choices.
    pub number: u64,
    /// What is done.
    pub fault: Fault,
    /// Who contends.
    pub candidates: Vec<Program>,
    /// Whole seconds.
    pub lease: Duration,
    /// What they contend for.
    pub contest: Contest,
}

/// What the candidates contend for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contest {
    /// One election.
    Election,
    /// Mutexes, read-write locks and semaphores.
    Locks,
    /// The slots of a map of shards.
    Shards,
}

impl Plan {
    /// A name for people and files.
    #[must_use]
    pub fn title(&self) -> String {
        let mut programs: Vec<_> = self.candidates.iter().map(ToString::to_string).collect();
        programs.dedup();
        let what = match self.contest {
            Contest::Election => "election",
            Contest::Locks => "locks",
            Contest::Shards => "shards",
        };
        format!("{what}, {}, {}", programs.join(" + "), self.fault)
    }
}
