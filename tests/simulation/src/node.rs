//! [`Node`]: a process as the harness sees it: machines with the application that uses them, driven by inputs, asking
//! for effects.

use std::time::Duration;

use metaparticle_protocol::{
    Call, Identity, Moment, Name, Reply, Request, Sight, Stamp, Token, Uid,
    api::{Selector, Watch},
};

use crate::store::Write;

/// What happens to a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A request of that machine was answered.
    Reply(u8, Call, Reply),
    /// A watch of that machine told something.
    Sight(u8, Watch, Sight),
    /// A timer of the application ran out.
    Note(u64),
    /// A fenced write to the register was answered; of that guard.
    Written(u64, Write),
    /// The kubelet reports that this process, in this life, has ended; it had this session.
    Ended(usize, u32, Option<Uid>),
    /// Nothing goes wrong any more: the application ends what it holds no more on its own.
    Calm,
}

/// What a process wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Sends a request; it is answered by `Unknown` when the time is over.
    Send {
        /// Of this machine.
        part: u8,
        /// Named so.
        call: Call,
        /// What is asked.
        request: Request,
        /// How long the driver waits, on the process's clock.
        within: Duration,
    },
    /// Begins a watch.
    Watch {
        /// Of this machine.
        part: u8,
        /// Named so.
        watch: Watch,
        /// Of what.
        by: Selector,
    },
    /// Ends a watch.
    Unwatch {
        /// Of this machine.
        part: u8,
        /// Named so.
        watch: Watch,
    },
    /// A guard begins to be valid.
    Hold(u64, Grant),
    /// A guard is valid until then.
    Extend(u64, Moment),
    /// A guard is invalid from now on.
    Invalidate(u64),
    /// A guard was lost, as its machine says for this reason: the world knows whether it is so.
    Lost(u64, Cause),
    /// The application finishes under a permit what it began, although its guard was invalidated: until then, or
    /// [`Effect::PermitsDropped`].
    PermitsOutlive(u64, Moment),
    /// The last permit of that guard is dropped.
    PermitsDropped(u64),
    /// A timer of the application.
    Later(Duration, u64),
    /// The application writes to the register, with the guard's token.
    Write(u64, Token),
    /// The application reads the register and deletes it by rule F3, with the guard's token.
    Erase(u64, Token),
    /// The application asked for something that must come: to hold, to be rid of a ticket. Liveness is measured by it.
    Expects(u64),
    /// It came, or is not wanted any more.
    Satisfied(u64),
}

/// A note of this kind, and the guard above it: its word refused to be extended, as it had run out.
pub const REFUSED: u64 = 0xfe;

/// Why a machine says that something is lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// This Lease is not held by this one any more; in an election, not with this token.
    Holder(Name, Identity, Option<Token>),
    /// The ticket whose name begins so is gone.
    Ticket(Name),
    /// The store went back.
    RolledBack,
}

/// What a guard stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Of which election or lock.
    pub resource: Name,
    /// Beside which others.
    pub mode: Mode,
    /// Its fencing token, if it has one.
    pub token: Option<Token>,
    /// What the name of the ticket begins with that it stands on, if it is a lock.
    pub ticket: Option<Name>,
    /// Valid until then, on the process's clock; `None` is client-go, that leads until it says so.
    pub deadline: Option<Moment>,
}

/// Which guards of one resource may be valid at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// None beside it: a mutex, a leader, a writer.
    Alone,
    /// Only others of its kind: a reader.
    Shared,
    /// So many at most: a semaphore.
    Few(u32),
    /// None beside it: a slot of a map. Its owner may lose it and serve it again under the same token.
    Slot,
}

impl Mode {
    /// Whether a guard in this mode and one in `other` may not be valid at once. Semaphores are counted, not compared.
    #[must_use]
    pub const fn excludes(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::Shared, Self::Shared) | (Self::Few(_), Self::Few(_))
        )
    }
}

/// A process: its machines and its application.
pub trait Node: Clone {
    /// The process has started; its wall clock shows `wall`.
    fn start(&mut self, now: Moment, wall: Stamp) -> Vec<Effect>;
    /// Something happened.
    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect>;
    /// Time has passed.
    fn tick(&mut self, now: Moment) -> Vec<Effect>;
    /// When [`tick`](Self::tick) is due.
    fn wake(&self) -> Option<Moment>;
    /// Is client-go: its own overlaps are reported, not judged.
    fn is_foreign(&self) -> bool {
        false
    }
    /// The uid of its session, if it has one.
    fn session(&self) -> Option<Uid> {
        None
    }
}
