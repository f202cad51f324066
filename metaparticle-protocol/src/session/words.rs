//! What a session hears and says.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{Call, Identity, Moment, Name, Reply, Request, Uid};

/// What can happen to a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// It is needed: create it. Again means nothing.
    Open,
    /// The answer to a request.
    Reply(Call, Reply),
    /// The container that this process runs in, by proof (P1): the next renewal tells others.
    Contained(Arc<str>),
    /// There is reason to doubt it: renew now, not at the next third.
    Renew,
    /// What the process tells others besides, such as which slots it has drained (M4): annotations of all writes from now
    /// on, in place of those told before.
    Tell {
        /// By their key without domain.
        told: BTreeMap<&'static str, Arc<str>>,
        /// By a renewal now; else by the next one.
        now: bool,
    },
    /// The store was seen to go back (W3), by another machine of this process.
    RolledBack,
    /// Nothing is held under it any more: delete it. Also after a loss, where it only cleans up.
    Close,
}

/// What a session wants done, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Ask the API server, and bring the answer back; [`Reply::Unknown`] after `within`.
    Send {
        /// Names the answer.
        call: Call,
        /// What to ask.
        request: Request,
        /// For so long.
        within: Duration,
    },
    /// It exists, and tickets may name it.
    Opened {
        /// Its name, which is also its holder's identity.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// What is held under it may be relied on until then.
    Valid {
        /// The new deadline; never earlier than the last.
        until: Moment,
    },
    /// The last try failed, for a reason that people can mend. It goes on trying.
    Refused(Arc<str>),
    /// Lost, finally. Everything held under it is lost.
    Lost(Ended),
    /// Deleted, or given up to expire. The last action after [`Input::Close`].
    Closed,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// No renewal was acknowledged in time.
    Expired,
    /// Its Lease is gone, or another one bears its name.
    Deleted,
    /// Somebody else's name stands in it (S4: the revoker's).
    Revoked(Option<Identity>),
    /// The store went back to an earlier state (W3).
    RolledBack,
    /// It could not be created, and trying again changes nothing.
    Refused(Arc<str>),
    /// The name is used by somebody else.
    Taken,
    /// Closed by its own process.
    Closed,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("no renewal was acknowledged in time"),
            Self::Deleted => f.write_str("its Lease was deleted"),
            Self::Revoked(Some(by)) => write!(f, "its Lease is held by {by}"),
            Self::Revoked(None) => f.write_str("its Lease has no holder"),
            Self::RolledBack => f.write_str("the store went back to an earlier state"),
            Self::Refused(why) => write!(f, "its Lease was refused: {why}"),
            Self::Taken => f.write_str("its name is taken"),
            Self::Closed => f.write_str("it was closed"),
        }
    }
}
