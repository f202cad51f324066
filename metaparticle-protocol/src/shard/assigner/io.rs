//! What an [`Assigner`](super::Assigner) is told and what it wants done.

use std::{sync::Arc, time::Duration};

use crate::{
    Budget, Call, Identity, Moment, Name, Reply, Request, Selector, Sight, Token, Uid, Watch,
    shard::{SlotCount, api, plan::Planner},
};

/// What does not change while an [`Assigner`](super::Assigner) lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The map: what sessions name as theirs.
    pub map: Name,
    /// Signs revocations.
    pub by: Identity,
    /// Of its own requests.
    pub budget: Budget,
    /// Of a map that it creates.
    pub slots: SlotCount,
    /// How long owners may drain (M6): the same as theirs.
    pub drain: Duration,
    /// Where slots are to be.
    pub planner: Planner,
}

impl Config {
    /// With the usual number of slots, ten seconds to drain, and equal shares.
    #[must_use]
    pub fn new(map: Name, by: Identity, budget: Budget) -> Self {
        Self {
            map,
            by,
            budget,
            slots: SlotCount::default(),
            drain: super::super::owner::DRAIN,
            planner: Planner::default(),
        }
    }
}

/// What can happen to an assigner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// The process is a candidate: it watches the sessions from here on (M7).
    Start,
    /// It leads, in a term of this token, until then.
    Lead {
        /// Rises from term to term.
        token: Token,
        /// Nothing is sent from here on, unless extended.
        until: Moment,
    },
    /// The term is valid until then.
    Extend {
        /// Never earlier than before.
        until: Moment,
    },
    /// The term is over: nothing is sent any more.
    Rest,
    /// This process has lost its own session: so may others have (T2).
    Lost,
    /// This process has a session.
    Opened,
    /// Proof that the process of this session has ended (P1).
    Proven(Uid),
    /// The answer to an [`Action::Send`].
    Reply(Call, Reply),
    /// The answer to an [`Action::Ask`].
    Answer(Call, api::Reply),
    /// What the watch of the sessions shows.
    Saw(Watch, Sight),
    /// What the watch of the map shows.
    SawMap(Watch, api::Sight),
}

/// What an assigner wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the API server about a session.
    Send {
        /// Names the answer.
        call: Call,
        /// What to ask.
        request: Request,
        /// For so long; then the answer is [`Reply::Unknown`].
        within: Duration,
    },
    /// Ask the API server about the map.
    Ask {
        /// Names the answer.
        call: Call,
        /// What to ask.
        request: api::Request,
        /// For so long; then the answer is [`api::Reply::Unknown`].
        within: Duration,
    },
    /// Begin a watch of Leases.
    Watch {
        /// Names what it shows.
        watch: Watch,
        /// Of this.
        by: Selector,
    },
    /// Begin a watch of the map.
    WatchMap {
        /// Names what it shows.
        watch: Watch,
    },
    /// End a watch.
    Unwatch {
        /// This one.
        watch: Watch,
    },
    /// A later term has written: this one is to end.
    Superseded,
    /// The store went back (W3): the term is to end, and so is the session.
    RolledBack,
    /// Something is refused, for a reason that people can mend. It is tried again.
    Refused(Arc<str>),
}
