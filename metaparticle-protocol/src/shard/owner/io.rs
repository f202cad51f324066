//! What an [`Owner`](super::Owner) is told and what it wants done.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{
    Budget, Call, Moment, Name, Token, Uid, Version, Watch,
    shard::{Slot, api},
};

/// How long an application may drain a slot, unless it was told otherwise (M6).
pub const DRAIN: Duration = Duration::from_secs(10);

/// What does not change while an [`Owner`](super::Owner) lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The map.
    pub map: Name,
    /// The name of this process's pod, where slots are placed.
    pub pod: Arc<str>,
    /// Where its gate listens; empty if it has none.
    pub address: Arc<str>,
    /// Of the session.
    pub budget: Budget,
    /// How long the application may drain a slot (M6): the same as the assigner's.
    pub drain: Duration,
}

impl Config {
    /// With ten seconds to drain, and without a gate.
    #[must_use]
    pub fn new(map: Name, pod: Arc<str>, budget: Budget) -> Self {
        Self {
            map,
            pod,
            address: "".into(),
            budget,
            drain: DRAIN,
        }
    }
}

/// What can happen to an owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The application is ready: it may own slots. Before that, the map is only followed.
    Join,
    /// This process has a session.
    Opened {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// The session can be relied on until then.
    Valid {
        /// The deadline.
        until: Moment,
    },
    /// The session ended, and with it all ownership.
    Lost,
    /// The application is done with a slot that it was told to [drain](Action::Drain).
    Drained {
        /// Which.
        slot: Slot,
        /// As it was told.
        generation: Version,
    },
    /// The slot's guard had run out when it was to be [extended](Action::Valid), as the process stood still in between:
    /// invalid is final (T1). It is served again under another guard.
    Lapsed {
        /// Which.
        slot: Slot,
        /// Of the guard that ran out.
        token: Token,
    },
    /// A request came with a higher token than is known: look at the map, now (M8).
    Doubt,
    /// The process is to own nothing any more. [`Action::Left`] is the end.
    Leave,
    /// The answer to a request.
    Answer(Call, api::Reply),
    /// What the watch of the map shows.
    Saw(Watch, api::Sight),
}

/// What an owner wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the API server about the map.
    Ask {
        /// Names the answer.
        call: Call,
        /// What to ask.
        request: api::Request,
        /// For so long; then the answer is [`api::Reply::Unknown`].
        within: Duration,
    },
    /// Begin a watch of the map.
    WatchMap {
        /// Names what it shows.
        watch: Watch,
    },
    /// A session is needed: open one, if there is none.
    Session,
    /// Annotations of the session's Lease, in place of those told before.
    Tell {
        /// By their key without domain.
        told: BTreeMap<&'static str, Arc<str>>,
        /// By a renewal now; else by the next one.
        now: bool,
    },
    /// The store went back (W3): the session is to end.
    RolledBack,
    /// This slot is served from now on, until `until`, which [`Action::Valid`] moves.
    Gained {
        /// Which.
        slot: Slot,
        /// Fences what is written for it.
        token: Token,
        /// Not relied on from here on, unless extended.
        until: Moment,
    },
    /// All slots that are served or drained may be relied on until then (M5).
    Valid {
        /// Never earlier than before.
        until: Moment,
    },
    /// This slot is to move: nothing new begins in it, and what is under way comes to its end. Then
    /// [`Input::Drained`]. At `until` it is lost in any case.
    Drain {
        /// Which.
        slot: Slot,
        /// To be told back.
        generation: Version,
        /// The drain's deadline.
        until: Moment,
    },
    /// This slot does not move after all: it is served as before.
    Resumed {
        /// Which.
        slot: Slot,
    },
    /// This slot is not served any more, from this moment.
    Lost {
        /// Which.
        slot: Slot,
        /// Why.
        why: Loss,
    },
    /// Nothing is owned, and nothing will be: the answer to [`Input::Leave`].
    Left,
    /// Something is refused, for a reason that people can mend. It is tried again.
    Refused(Arc<str>),
}

/// Why a slot is not served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// Drained by the application, for another.
    Drained,
    /// The drain took too long (M6).
    DrainTooLong,
    /// The map says that it is another's: it was edited, or the session had expired.
    Moved,
    /// The map is gone, is another one, or is no map.
    NoMap,
    /// The session or the map could not be confirmed in time (T1, M5).
    Unproven,
    /// The session ended.
    Session,
    /// The store went back to an earlier state (W3).
    RolledBack,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drained => "it was drained",
            Self::DrainTooLong => "it was not drained in time",
            Self::Moved => "it is another's",
            Self::NoMap => "the map is gone",
            Self::Unproven => "nothing proves in time that it is still owned",
            Self::Session => "the session ended",
            Self::RolledBack => "the store went back to an earlier state",
        })
    }
}
