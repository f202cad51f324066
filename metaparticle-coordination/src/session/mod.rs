//! The session of a process: one Lease and one task that carry all its locks (rules S1 to S4).
//!
//! There is nothing to call here: the first lock opens the session, [`Coordinator::shutdown`] closes it, and what its
//! loss means is said by each guard. [`Coordinator::session`] shows it.
//!
//! # Guarantees
//! - It is one Lease, renewed every third of its duration, however many locks it carries.
//! - Whoever waits for a lock of a process that died gets it one duration after the last renewal that was seen, never
//!   earlier: the session's death is one DELETE that names the version which was seen unchanged. Where the kubelet
//!   reports that the holder's container has ended, the DELETE follows at once.
//! - What is held under it ends, for its holder, at 80 % of the duration after the last renewal that was *sent* and
//!   acknowledged: before anybody else can hold it, for clocks that run between 0.9 and 1.1 of real time.
//! - Its name is never used again; after a loss the next lock opens another.
//!
//! # Assumptions
//! The clocks of the process never stop while it runs: a virtual machine that is paused or restored from a snapshot
//! *together with its clocks* breaks the second guarantee of the guards (not that of fenced writes).
//!
//! [`Coordinator::shutdown`]: crate::Coordinator::shutdown
//! [`Coordinator::session`]: crate::Coordinator::session

mod book;
mod tenant;

use std::{
    collections::BTreeMap,
    fmt,
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use metaparticle_protocol::{
    Budget, Member, Mutants, Name, Uid,
    lock::{Guard, Kind},
    member::Input,
    shard::{assigner, owner},
};
use tokio::{runtime::Handle, sync::oneshot};

pub(crate) use self::book::Outcome;
use self::{book::Book, tenant::Tenant};
use crate::{
    coordinator::Coordinator,
    drive::{Inbox, drive, inbox},
    error::Error,
    lost::Lost,
    part, random,
};

/// The duration of a session, if nothing else is said: 15 s, as client-go's elections have it.
pub const LEASE: Duration = Duration::from_secs(15);

/// Of the pod's name, so that it and what is drawn fit into a label.
const POD: usize = 40;
/// Leftovers are looked for every hour and up to so much later.
const SPREAD: f64 = 600.0;

/// The session that a process has at present.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// The name of its Lease.
    pub name: Name,
    /// The uid of its Lease.
    pub uid: Uid,
    /// What its duration costs and bears.
    pub budget: Budget,
}

/// Where a coordinator keeps its session.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Option<Arc<Session>>>);

/// The way from guards to the task.
pub(crate) struct Session {
    book: Arc<Book>,
    inbox: Inbox<Input>,
    handle: Handle,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("guards", &self.book.open().guards.len())
            .finish_non_exhaustive()
    }
}

impl Coordinator {
    /// The session that carries this process's locks, if it has one now.
    #[must_use]
    pub fn session(&self) -> Option<View> {
        let slot = self.session_slot().0.lock();
        let session = slot.unwrap_or_else(PoisonError::into_inner).clone()?;
        session.book.open().view.clone()
    }

    /// The task that carries the locks; started by the first who asks.
    pub(crate) fn carrier(&self) -> Result<Arc<Session>, Error> {
        let mut slot = self
            .session_slot()
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = slot.as_ref().filter(|session| !session.inbox.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let session = Session::start(self)?;
        *slot = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl Session {
    fn start(coordinator: &Coordinator) -> Result<Arc<Self>, Error> {
        let (sender, inputs) = inbox();
        let session = Arc::new(Self {
            book: Arc::default(),
            inbox: sender.clone(),
            handle: coordinator.handle().clone(),
        });
        let budget = coordinator.session_budget();
        let pod = pod(&coordinator.whoami().pod);
        let drawn = random::word();
        let spread = Duration::from_secs_f64(random::share(0.0, SPREAD));
        let member = Member::new(&pod, &drawn, spread, budget, Mutants::NONE);
        let lease = Name::from(format!("{pod}-{drawn}"));
        let tenant = Tenant::new(
            coordinator.store().clone(),
            coordinator.clock(),
            Arc::clone(&session.book),
            budget,
            coordinator.whoami().clone(),
            [
                coordinator.part(part::Kind::Session, lease.clone(), Some(lease)),
                coordinator.part(part::Kind::Lock, Name::from("locks"), None),
            ],
        );
        let clock = coordinator.clock();
        let (stopping, patience) = (coordinator.stopping(), coordinator.drain());
        let ending = Arc::clone(&session);
        coordinator.spawn(async move {
            let stop = async {
                stopping.await;
                ending.end_all();
                tokio::select! {
                    biased;
                    () = ending.book.emptied() => {
                        let _ = ending.inbox.send(Input::Close);
                        // The task ends when the session is deleted.
                        std::future::pending::<()>().await;
                    }
                    // Work under permits goes on: what it relies on is not given back, it expires (E4).
                    () = clock.sleep_until(clock.now() + patience) => {
                        tracing::warn!(rule = "E4", "work under permits outlasts the end: its locks expire");
                    }
                }
            };
            tokio::select! {
                () = drive(member, tenant, (sender, inputs), clock) => {}
                () = stop => {}
            }
        })?;
        Ok(session)
    }

    /// Queues for a lock. Whoever asks says [`withdraw`](Self::withdraw) if it does not wait, and
    /// [`release`](Self::release) once it has held.
    pub(crate) fn ask(
        &self,
        lock: &Name,
        kind: Kind,
        once: bool,
        place: &'static Location<'static>,
    ) -> Result<(Guard, oneshot::Receiver<Outcome>), Error> {
        let begun = self.book.begin(lock.clone(), kind, place);
        let (guard, told) = begun.ok_or(Error::Shutdown)?;
        let input = Input::Lock {
            guard,
            name: Name::from(format!("{lock}-{}", random::word())),
            lock: lock.clone(),
            kind,
            once,
        };
        if self.inbox.send(input).is_err() {
            self.book.remove(guard);
            return Err(Error::Shutdown);
        }
        Ok((guard, told))
    }

    /// Ends an acquisition, at whatever point it is: at once for whoever relies on it, and for others when its permits
    /// are dropped and its ticket is deleted. Then `Some` is told; `None`: it has ended before. Needs no runtime.
    pub(crate) fn release(
        self: &Arc<Self>,
        guard: Guard,
    ) -> Option<oneshot::Receiver<Result<(), Error>>> {
        let (told, released) = oneshot::channel();
        let mut pages = self.book.open();
        let page = pages.guards.get_mut(&guard).filter(|page| !page.ending)?;
        page.ending = true;
        page.asked = None;
        page.released = Some(told);
        let drained = page.keeper.as_ref().and_then(|keeper| {
            keeper.close(Lost::Released);
            (keeper.permits() > 0).then(|| keeper.drained())
        });
        drop(pages);
        match drained {
            None => self.leave(guard),
            Some(drained) => {
                let session = Arc::clone(self);
                self.handle.spawn(async move {
                    drained.await;
                    session.leave(guard);
                });
            }
        }
        Some(released)
    }

    /// These rest on the session from now on, and are told of it: until [`disown`](Self::disown) it is not closed.
    pub(crate) fn own(&self, owner: Inbox<owner::Input>, assigner: Inbox<assigner::Input>) {
        self.book.own(owner, assigner);
    }

    /// Nothing rests on the session beside locks.
    pub(crate) fn disown(&self) {
        self.book.disown();
    }

    /// A session is needed: one is opened, if there is none.
    pub(crate) fn demand(&self) {
        let _ = self.inbox.send(Input::Open);
    }

    /// What the process tells others in its session's Lease.
    pub(crate) fn tell(&self, told: BTreeMap<&'static str, Arc<str>>, now: bool) {
        let _ = self.inbox.send(Input::Tell { told, now });
    }

    /// The store went back (W3).
    pub(crate) fn rolled_back(&self) {
        let _ = self.inbox.send(Input::RolledBack);
    }

    /// As if the kernel had said which container this is.
    #[cfg(test)]
    pub(crate) fn contained(&self, container: &str) {
        let _ = self.inbox.send(Input::Contained(container.into()));
    }

    fn leave(&self, guard: Guard) {
        // Nobody there: the task has ended, and what it held expires.
        let _ = self.inbox.send(Input::Leave { guard });
    }

    /// The coordinator stops: who waits fails, who holds lets go.
    fn end_all(self: &Arc<Self>) {
        let mut guards = Vec::new();
        for (guard, page) in &mut self.book.open().guards {
            guards.push(*guard);
            if let Some(asked) = page.asked.take() {
                let _ = asked.send(Outcome::Failed(Error::Shutdown));
            }
            if let Some(keeper) = &page.keeper {
                keeper.close(Lost::Shutdown);
            }
        }
        for guard in guards {
            self.release(guard);
        }
    }
}

/// What of a pod's name, or a host's, can stand in the name of a Lease and in a label.
fn pod(name: &str) -> String {
    let plain = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9') => letter,
        _ => '-',
    };
    let name: String = name.chars().map(plain).take(POD).collect();
    match name.trim_matches('-') {
        "" => "process".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sessions_are_labels_whatever_the_host_is_called() {
        for (host, expected) in [
            ("web-0", "web-0"),
            ("Host.local_1", "host-local-1"),
            ("-é-", "process"),
            ("", "process"),
        ] {
            assert_eq!(pod(host), expected);
        }
        let long = pod(&"a".repeat(253));
        assert!(format!("{long}-{}-4294967295", random::word()).len() <= 63);
    }
}
