//! What a member hears and says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    Call, Moment, Name, Reply, Request, Selector, Sight, Token, Uid, Watch,
    lock::{Failure, Guard, Kind, Loss},
    session::Ended,
};

/// What can happen to a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Somebody wants to hold a lock.
    Lock {
        /// Names the acquisition: rising, never used again.
        guard: Guard,
        /// The name of its ticket: drawn anew for each.
        name: Name,
        /// The lock: a DNS label.
        lock: Name,
        /// How.
        kind: Kind,
        /// Give up if it cannot be held at once.
        once: bool,
    },
    /// The wish is withdrawn, or the guard released: its permits are dropped and nobody relies on it. Also after
    /// [`Action::Invalidate`]; not after [`Action::Taken`] or [`Action::Failed`].
    Leave {
        /// Which.
        guard: Guard,
    },
    /// The answer to a request.
    Reply(Call, Reply),
    /// What a watch shows.
    Sight(Watch, Sight),
    /// A watch is refused, for a reason that people can mend. It is tried again.
    Refused(Watch, Arc<str>),
    /// The container that this process runs in, by proof (P1): its sessions tell others.
    Contained(Arc<str>),
    /// Proof that the process of a session that is followed has ended (P1).
    Proven {
        /// The uid of the session.
        uid: Uid,
    },
    /// A session is needed for other things than locks, and stays until [`Input::Close`]: one is opened if there is none.
    Open,
    /// What the process tells others in its session's Lease; see [`session::Input::Tell`](crate::session::Input::Tell).
    Tell {
        /// Annotations, by their key without domain.
        told: BTreeMap<&'static str, Arc<str>>,
        /// By a renewal now; else by the next one.
        now: bool,
    },
    /// Another machine of this process saw the store go back (W3).
    RolledBack,
    /// Take a session from its holder (S4).
    Revoke {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// Release everything, delete the session; [`Action::Closed`] is the end.
    Close,
}

/// What a member wants done, in this order, and what became of the acquisitions.
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
    /// Begin a watch.
    Watch {
        /// Names what it shows.
        watch: Watch,
        /// Of this.
        by: Selector,
    },
    /// End a watch.
    Unwatch {
        /// This one.
        watch: Watch,
    },
    /// Held, until the deadline.
    Hold {
        /// Which.
        guard: Guard,
        /// Of a mutex and a writer.
        token: Option<Token>,
        /// From here on it is not valid, unless it was extended before.
        deadline: Moment,
    },
    /// All that is held may be relied on until then.
    Extend {
        /// The new deadline.
        deadline: Moment,
    },
    /// Not held any more, from this moment.
    Invalidate {
        /// Which.
        guard: Guard,
        /// Why.
        why: Loss,
    },
    /// Not to be had at once. The acquisition has ended.
    Taken {
        /// Which.
        guard: Guard,
    },
    /// It cannot be had, or not be given back: then the ticket goes when it may, or with its session. The acquisition
    /// has ended.
    Failed {
        /// Which.
        guard: Guard,
        /// Why.
        why: Failure,
    },
    /// After [`Input::Leave`]: others may hold. The acquisition has ended.
    Released {
        /// Which.
        guard: Guard,
    },
    /// It waits for what another task of this process holds: worth a warning.
    WaitsForOwn {
        /// Who waits.
        guard: Guard,
        /// Who holds.
        holder: Guard,
    },
    /// This process has a session.
    Opened {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// The session ended; what was held under it was invalidated before.
    Lost(Ended),
    /// A session of somebody else is dead.
    Dead {
        /// Its uid.
        uid: Uid,
    },
    /// A request failed for a reason that people can mend. It is tried again.
    Refused(Arc<str>),
    /// Nothing is left to do: the answer to [`Input::Close`].
    Closed,
}
