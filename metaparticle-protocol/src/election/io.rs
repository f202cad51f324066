//! What an [`Elector`](super::Elector) is told and what it wants done.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    api::{Call, Reply, Request, Selector, Sight, Watch},
    budget::Budget,
    lease::{Identity, Name, Token, key},
    moment::Moment,
};

/// What does not change while an [`Elector`](super::Elector) lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Of the Lease.
    pub name: Name,
    /// Pod name, pod uid and a random part, joined by `_`; no other elector of any process ever has the same one (E1).
    pub identity: Identity,
    /// What the lease's duration costs and bears.
    pub budget: Budget,
    /// Its small candidate Lease; `None` publishes nothing, and is never chosen as a successor.
    pub candidate: Option<Name>,
    /// The higher, the sooner it acts when the Lease is free (E6).
    pub priority: i32,
    /// How long permits may delay a hand-over (E4).
    pub drain: Duration,
    /// Drawn once: spreads what several candidates would do at the same time.
    pub jitter: u8,
    /// The process's container, if it proved which one it runs in (P1); [`Input::Contained`] tells it later.
    pub container: Option<Arc<str>>,
}

impl Config {
    /// With [`Budget`] of the lease and nothing of what is optional.
    #[must_use]
    pub fn new(name: Name, identity: Identity, budget: Budget) -> Self {
        Self {
            name,
            identity,
            budget,
            candidate: None,
            priority: 0,
            drain: Duration::from_secs(10),
            jitter: 0,
            container: None,
        }
    }
}

/// Labels of all candidate Leases of an election.
#[must_use]
pub fn candidate_labels(election: &Name) -> BTreeMap<&'static str, Arc<str>> {
    BTreeMap::from([
        (key::ROLE, Arc::from("candidate")),
        (key::LOCK, Arc::from(election.as_str())),
    ])
}

/// One term of one elector, numbered from 1 in the order in which they began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermId(pub u64);

/// What can happen to an elector.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// One term is wanted. It begins with [`Action::Begin`], which ends the wish.
    Contend,
    /// No term is wanted any more. A term that has begun goes on.
    Withdraw,
    /// The process leaves for good: [`Withdraw`](Self::Withdraw), stop the term, take back the candidate Lease.
    Leave,
    /// The term is to end by hand-over: to the candidate with this pod name or identity, else to the best one.
    Stop {
        /// Pod name or identity. With one that is no fresh candidate, nothing happens but [`Action::Declined`].
        to: Option<Arc<str>>,
    },
    /// The work of that term has returned and all its permits are dropped. Comes once for each term.
    Idle(TermId),
    /// Proof that the container of that holder has ended (P1): replaces the waiting.
    Terminated(Identity),
    /// The container that this process runs in, proved: the record names it from now on (P1).
    Contained(Arc<str>),
    /// An answer. Each call gets one; later ones are ignored.
    Reply(Call, Reply),
    /// What a watch tells.
    Saw(Watch, Sight),
}

/// What an elector wants done. The order in which they are returned is the order in which they must be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the API server.
    Send {
        /// To answer to.
        call: Call,
        /// What.
        request: Request,
        /// If nothing came by then, the answer is [`Reply::Unknown`]; the elector assumes that by itself, too.
        within: Duration,
    },
    /// Begin a watch: of the election's own Lease, by name; who leads also watches the candidates, by their
    /// [labels](candidate_labels).
    Watch {
        /// Comes back with what is seen.
        watch: Watch,
        /// What it shows.
        by: Selector,
    },
    /// End it.
    Unwatch {
        /// Which.
        watch: Watch,
    },
    /// A term has begun: its guard is valid until `until`.
    Begin {
        /// Which.
        term: TermId,
        /// Its fencing token.
        token: Token,
        /// Invalid from here on, unless extended.
        until: Moment,
    },
    /// The term's guard, or while it drains only its permits, are valid until `until`.
    Extend {
        /// Which.
        term: TermId,
        /// Never earlier than before.
        until: Moment,
    },
    /// The guard is invalid, finally, and gives no more permits. Those it gave stay valid until the last `until`.
    Drain {
        /// Which.
        term: TermId,
    },
    /// The term is over: guard and permits are invalid, finally. Comes once for each term that began.
    End {
        /// Which.
        term: TermId,
        /// Why.
        why: Ended,
    },
    /// A stop with a successor who is no fresh candidate did nothing.
    Declined {
        /// Who was named.
        to: Arc<str>,
    },
    /// The API server refuses, and asking again will not help by itself. It is asked again all the same, from time to time.
    Refused(Arc<str>),
}

/// Why a term is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// Its last acknowledged renewal is too old (T1).
    Expired,
    /// Another holds the Lease, or nobody does, and it was not our doing.
    Deposed {
        /// Who holds it now.
        by: Option<Identity>,
    },
    /// The Lease was deleted, or is another one now.
    Deleted,
    /// The API server's store went back in time (W3).
    RolledBack,
    /// Handed over: the API server has the offer.
    Offered {
        /// To whom.
        to: Identity,
    },
    /// Given up, and the API server knows: free for everybody.
    Released,
}

/// What an elector is, as others may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Wants no term.
    Bystander,
    /// Wants one.
    Candidate,
    /// Has one.
    Leader,
    /// Had one, and hands it over.
    Leaving,
}

/// What an elector knows of its election.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct View {
    /// Who is in the Lease.
    pub holder: Option<Identity>,
    /// The holder's token, if it is one of ours (E7).
    pub token: Option<Token>,
    /// The holder's container, as it proved it (P1).
    pub container: Option<Arc<str>>,
    /// What this elector is.
    pub role: Role,
    /// Whether the Lease is seen at present.
    pub sighted: bool,
}
