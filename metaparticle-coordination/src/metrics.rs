//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// A verb of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// GET of one.
    Get,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// DELETE.
    Delete,
    /// GET of several.
    List,
    /// A watch that was asked for.
    Watch,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Get,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::List,
        Self::Watch,
    ];

    /// As a Role names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Watch => "watch",
        }
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Done, or read; also that there is none.
    Done,
    /// 409 or 410: the state is another one.
    Conflict,
    /// 429.
    Busy,
    /// 4xx that stays.
    Refused,
    /// No answer in time, no connection, 5xx.
    Unknown,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Done,
        Self::Conflict,
        Self::Busy,
        Self::Refused,
        Self::Unknown,
    ];

    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Requests by verb and outcome.
#[derive(Debug, Default)]
pub(crate) struct Requests([[AtomicU64; Outcome::ALL.len()]; Verb::ALL.len()]);

impl Requests {
    pub(crate) fn count(&self, verb: Verb, outcome: Outcome) {
        self.0[verb as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, verb: Verb, outcome: Outcome) -> u64 {
        self.0[verb as usize][outcome as usize].load(Ordering::Relaxed)
    }
}
