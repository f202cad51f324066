//! [`Locks`]: all tickets of one process, its mutexes, read-write locks and semaphores (rules L1 to L7). One POST and one
//! DELETE a cycle; who holds follows from an order that is fixed once.

mod entry;
mod follow;
mod leave;
mod order;
mod queue;
mod send;

mod ticket;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

pub use ticket::{Kind, ROLE};

use crate::{
    Budget, Call, Machine, Moment, Mutants, Name, Reply, Request, Rollback, Sight, Token, Uid,
    Version, session::Ended,
};
use entry::{Entry, Leaving};
use send::{Gate, Sent};
use ticket::Ticket;

/// One acquisition, from the wish until it is released. Given by the caller, rising, never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guard(pub u64);

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Somebody wants to hold a lock.
    Lock {
        /// Names the acquisition.
        guard: Guard,
        /// The name of its ticket, without the number of the try: drawn anew for each (L1).
        name: Name,
        /// The lock: a DNS label.
        lock: Name,
        /// How.
        kind: Kind,
        /// Give up if it cannot be held at once.
        once: bool,
    },
    /// The wish is withdrawn, or the guard released: its permits are dropped and nobody relies on it. Also after
    /// [`Action::Invalidate`]: until then the ticket stays.
    Leave {
        /// Which.
        guard: Guard,
    },
    /// The answer to a request.
    Reply(Call, Reply),
    /// What the watch of all tickets shows.
    Sight(Sight),
    /// The watch of all tickets is refused, for a reason that people can mend.
    Refused(Arc<str>),
    /// There is a session.
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
    /// The session ended.
    Lost(Ended),
    /// The session of somebody else is dead, acknowledged by the API server (S2).
    Dead {
        /// Its uid.
        uid: Uid,
        /// Nobody waited for it: a leftover. All its tickets are deleted.
        leftover: bool,
    },
    /// Release everything: nothing is held any more, nothing is acquired from now on.
    Close,
}

/// What is wanted done, and what became of the acquisitions.
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
    /// A session is needed.
    Session,
    /// There is reason to doubt the session: renew it now.
    Check,
    /// The store went back (W3).
    RolledBack,
    /// This session stands before us: bury it when it is dead.
    Follow {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// It does not any more.
    Forget {
        /// Its uid.
        uid: Uid,
    },
    /// Held, until the deadline, which [`Input::Valid`] moves.
    Hold {
        /// Which.
        guard: Guard,
        /// Of a mutex and a writer.
        token: Option<Token>,
        /// Of the session, as it is now.
        deadline: Moment,
    },
    /// Not held any more, from this moment. The caller says [`Input::Leave`] when its permits are dropped.
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
    /// It waits for what another task of this process holds.
    WaitsForOwn {
        /// Who waits.
        guard: Guard,
        /// Who holds.
        holder: Guard,
    },
}

/// Why a guard is not valid any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Released by its owner.
    Released,
    /// Its ticket was deleted by somebody else (L5).
    Deleted,
    /// Its session ended.
    Session(Ended),
}

/// Why a lock cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Others use the name for another kind of lock, or with another limit (L3). `None`: for something unknown.
    Mismatch {
        /// What stands there.
        theirs: Option<Kind>,
    },
    /// The API server refuses, and trying again changes nothing.
    Refused(Arc<str>),
    /// This process ends.
    Closed,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("it was released"),
            Self::Deleted => f.write_str("its ticket was deleted"),
            Self::Session(ended) => write!(f, "the session ended: {ended}"),
        }
    }
}

/// The tickets of one process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Locks {
    budget: Budget,
    mutants: Mutants,
    rollback: Rollback,
    session: Option<(Name, Uid)>,
    until: Option<Moment>,
    asked: bool,
    closed: bool,
    view: View,
    entries: BTreeMap<Guard, Entry>,
    leaving: BTreeMap<Uid, Leaving>,
    dead: BTreeSet<Uid>,
    followed: BTreeMap<Uid, Name>,
    sent: BTreeMap<Call, Sent>,
    calls: u64,
    gate: Gate,
    /// Somebody's predecessors changed.
    moved: bool,
    /// There may be tickets of ours that nobody knows.
    strays: bool,
}

/// What the watch shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct View {
    live: bool,
    version: Version,
    tickets: BTreeMap<Uid, Ticket>,
}

impl Locks {
    /// No tickets yet.
    #[must_use]
    pub fn new(budget: Budget, mutants: Mutants) -> Self {
        Self {
            budget,
            mutants,
            rollback: Rollback::default(),
            session: None,
            until: None,
            asked: false,
            closed: false,
            view: View::default(),
            entries: BTreeMap::new(),
            leaving: BTreeMap::new(),
            dead: BTreeSet::new(),
            followed: BTreeMap::new(),
            sent: BTreeMap::new(),
            calls: 0,
            gate: Gate::default(),
            moved: false,
            strays: false,
        }
    }

    /// Whether nothing is wanted, held, or still to be deleted.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.leaving.values().all(|leaving| leaving.acknowledged)
    }

    /// Whether no acquisition of a session that ended is still waited for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.entries.values().all(|entry| !entry.is_spent())
    }

    /// Whether anything is wanted or held.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Whether this session stands before us.
    #[must_use]
    pub fn follows(&self, session: &Uid) -> bool {
        self.followed.contains_key(session)
    }

    /// The sessions of all tickets that are seen: name and uid.
    pub fn sessions(&self) -> impl Iterator<Item = &(Name, Uid)> {
        self.view.tickets.values().map(|ticket| &ticket.session)
    }

    fn act(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.strays {
            self.strays = false;
            self.sweep();
        }
        if self.moved {
            self.moved = false;
            self.advance(now, actions);
            self.follow(actions);
        }
        self.pump(now, actions);
    }

    fn lock(&mut self, guard: Guard, entry: Entry, actions: &mut Vec<Action>) {
        if self.closed {
            let why = Failure::Closed;
            actions.push(Action::Failed { guard, why });
            return;
        }
        self.entries.insert(guard, entry);
        self.ask(actions);
    }

    /// Asks for a session, if one is needed.
    fn ask(&mut self, actions: &mut Vec<Action>) {
        let wanted = self.entries.values().any(Entry::is_wanted);
        if self.session.is_none() && !self.asked && wanted && !self.closed {
            self.asked = true;
            actions.push(Action::Session);
        }
    }

    fn close(&mut self, actions: &mut Vec<Action>) {
        self.closed = true;
        let all: Vec<_> = self.entries.keys().copied().collect();
        for guard in all {
            if self.entries.get(&guard).is_some_and(Entry::is_wanted) {
                let why = Failure::Closed;
                self.withdraw(guard, false);
                actions.push(Action::Failed { guard, why });
            } else {
                self.leave(guard, actions);
            }
        }
    }
}

impl Machine for Locks {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Lock {
                guard,
                name,
                lock,
                kind,
                once,
            } => self.lock(guard, Entry::new(name, lock, kind, once), &mut actions),
            Input::Leave { guard } => self.leave(guard, &mut actions),
            Input::Reply(call, reply) => self.reply(now, call, reply, &mut actions),
            Input::Sight(sight) => self.sight(sight, &mut actions),
            Input::Refused(why) => self.unseen(&why, &mut actions),
            Input::Opened { name, uid } => {
                self.session = Some((name, uid));
                self.asked = false;
                self.strays = true;
            }
            Input::Valid { until } => {
                self.until = Some(until);
                self.moved = true;
                for entry in self.entries.values_mut() {
                    entry.doubts = false;
                }
            }
            Input::Lost(why) => self.session_lost(&why, &mut actions),
            Input::Dead { uid, leftover } => self.died(&uid, leftover),
            Input::Close => self.close(&mut actions),
        }
        self.act(now, &mut actions);
        actions
    }

    fn tick(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        self.act(now, &mut actions);
        actions
    }

    fn wake(&self) -> Option<Moment> {
        self.gate.wake().filter(|_| self.wants_to_send())
    }
}
