//! [`Book`]: what the task of a session and the guards of its process share: who waits, who holds, who is told.

use std::{
    collections::HashMap,
    panic::Location,
    sync::{Mutex, MutexGuard, PoisonError},
};

use metaparticle_protocol::{
    Moment, Name, Token,
    lock::{Guard, Kind},
    shard::{assigner, owner},
};
use tokio::sync::{Notify, oneshot};

use super::View;
use crate::{
    drive::Inbox,
    error::Error,
    lost::Lost,
    word::{Held, Keeper},
};

/// What came of a wish.
#[derive(Debug)]
pub(crate) enum Outcome {
    Held(Held, Option<Token>),
    /// Not to be had at once.
    Taken,
    Failed(Error),
}

/// One acquisition.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) lock: Name,
    pub(super) kind: Kind,
    /// Where it was asked for.
    pub(super) place: &'static Location<'static>,
    /// Told once.
    pub(super) asked: Option<oneshot::Sender<Outcome>>,
    /// While it is held, and after a loss until it is let go.
    pub(super) keeper: Option<Keeper>,
    /// Whether it was lost before it was let go.
    pub(super) lost: bool,
    /// Nobody relies on it any more, but for permits.
    pub(super) ending: bool,
    /// Told when others may hold, or that it cannot be given back.
    pub(super) released: Option<oneshot::Sender<Result<(), Error>>>,
}

/// All acquisitions of a process.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
    /// Woken when the last page goes.
    empty: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) guards: HashMap<Guard, Page>,
    pub(super) view: Option<View>,
    /// What rests on the session beside locks: it is told of it.
    owner: Option<(Inbox<owner::Input>, Inbox<assigner::Input>)>,
    /// The last deadline of the session.
    until: Option<Moment>,
    next: u64,
    ended: bool,
}

impl Pages {
    fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.owner.is_none()
    }

    fn tell(&self, input: owner::Input) {
        let Some((owner, assigner)) = &self.owner else {
            return;
        };
        // Nobody there: it has ended.
        let _ = match &input {
            owner::Input::Opened { .. } => assigner.send(assigner::Input::Opened),
            owner::Input::Lost => assigner.send(assigner::Input::Lost),
            _ => Ok(()),
        };
        let _ = owner.send(input);
    }
}

impl Book {
    pub(super) fn open(&self) -> MutexGuard<'_, Pages> {
        // Nothing in here panics halfway through a change.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new page; `None` once the task has ended.
    pub(super) fn begin(
        &self,
        lock: Name,
        kind: Kind,
        place: &'static Location<'static>,
    ) -> Option<(Guard, oneshot::Receiver<Outcome>)> {
        let (asked, told) = oneshot::channel();
        let mut pages = self.open();
        if pages.ended {
            return None;
        }
        pages.next += 1;
        let guard = Guard(pages.next);
        let page = Page {
            lock,
            kind,
            place,
            asked: Some(asked),
            keeper: None,
            lost: false,
            ending: false,
            released: None,
        };
        pages.guards.insert(guard, page);
        Some((guard, told))
    }

    /// Takes a page out.
    pub(super) fn remove(&self, guard: Guard) -> Option<Page> {
        let mut pages = self.open();
        let page = pages.guards.remove(&guard);
        if pages.is_empty() {
            self.empty.notify_waiters();
        }
        page
    }

    /// There is a session.
    pub(super) fn opened(&self, view: View) {
        let mut pages = self.open();
        let (name, uid) = (view.name.clone(), view.uid.clone());
        pages.tell(owner::Input::Opened { name, uid });
        (pages.view, pages.until) = (Some(view), None);
    }

    /// From now on these are told of the session, beginning with what it is.
    pub(super) fn own(&self, owner: Inbox<owner::Input>, assigner: Inbox<assigner::Input>) {
        let mut pages = self.open();
        pages.owner = Some((owner, assigner));
        if let Some(View { name, uid, .. }) = pages.view.clone() {
            pages.tell(owner::Input::Opened { name, uid });
        }
        if let Some(until) = pages.until {
            pages.tell(owner::Input::Valid { until });
        }
    }

    /// Nothing rests on the session beside locks.
    pub(super) fn disown(&self) {
        let mut pages = self.open();
        pages.owner = None;
        if pages.guards.is_empty() {
            self.empty.notify_waiters();
        }
    }

    /// All that is held is good until then.
    pub(super) fn extend(&self, deadline: Moment) {
        let mut pages = self.open();
        pages.until = Some(deadline);
        pages.tell(owner::Input::Valid { until: deadline });
        for page in pages.guards.values() {
            if let Some(keeper) = page.keeper.as_ref().filter(|_| !page.lost) {
                // Too late: the machine says so as well.
                keeper.extend(deadline);
            }
        }
    }

    /// Waits until nothing is wished for, held or owned.
    pub(super) async fn emptied(&self) {
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            empty.as_mut().enable();
            if self.open().is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Those who wait for a release that the session's end has made: nothing is left to wait for.
    pub(super) fn session_ended(&self) {
        let mut pages = self.open();
        pages.tell(owner::Input::Lost);
        (pages.view, pages.until) = (None, None);
        for page in pages.guards.values_mut().filter(|page| page.ending) {
            page.released = None;
        }
    }

    /// The task has ended: guards end, and whoever waits hears of it.
    pub(super) fn end(&self) {
        let mut pages = self.open();
        pages.ended = true;
        pages.tell(owner::Input::Lost);
        (pages.view, pages.until) = (None, None);
        for (_, page) in pages.guards.drain() {
            if let Some(keeper) = &page.keeper {
                keeper.close(Lost::Shutdown);
            }
        }
        self.empty.notify_waiters();
    }
}
