//! [`Book`]: what the task of a session and the guards of its process share: who waits, who holds, who is told.

use std::{
    collections::HashMap,
    panic::Location,
    sync::{Mutex, MutexGuard, PoisonError},
};

use metaparticle_protocol::{
    Moment, Name, Token,
    lock::{Guard, Kind},
};
use tokio::sync::{Notify, oneshot};

use super::View;
use crate::{
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
    next: u64,
    ended: bool,
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
        if pages.guards.is_empty() {
            self.empty.notify_waiters();
        }
        page
    }

    /// All that is held is good until then.
    pub(super) fn extend(&self, deadline: Moment) {
        for page in self.open().guards.values() {
            if let Some(keeper) = page.keeper.as_ref().filter(|_| !page.lost) {
                // Too late: the machine says so as well.
                keeper.extend(deadline);
            }
        }
    }

    /// Waits until nothing is wished for or held.
    pub(super) async fn emptied(&self) {
        loop {
            let mut empty = std::pin::pin!(self.empty.notified());
            empty.as_mut().enable();
            if self.open().guards.is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Those who wait for a release that the session's end has made: nothing is left to wait for.
    pub(super) fn session_ended(&self) {
        let mut pages = self.open();
        pages.view = None;
        for page in pages.guards.values_mut().filter(|page| page.ending) {
            page.released = None;
        }
    }

    /// The task has ended: guards end, and whoever waits hears of it.
    pub(super) fn end(&self) {
        let mut pages = self.open();
        pages.ended = true;
        pages.view = None;
        for (_, page) in pages.guards.drain() {
            if let Some(keeper) = &page.keeper {
                keeper.close(Lost::Shutdown);
            }
        }
        self.empty.notify_waiters();
    }
}
