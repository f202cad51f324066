//! [`Tenant`]: does what the [`Member`] of this process wants done.

use std::{collections::HashMap, sync::Arc};

use metaparticle_protocol::{
    Budget, Member, Watch,
    lock::{Failure, Guard, Loss},
    member::{Action, Input},
    session::Ended,
};

use super::{
    View,
    book::{Book, Outcome, Page},
};
use crate::{
    clock::Clock,
    container,
    drive::{Context, Driver, Watching},
    error::Error,
    identity::{self, Whoami},
    lost::Lost,
    part::Part,
    proof,
    store::Store,
    suspects::Suspects,
    word::incarnation,
};

pub(super) struct Tenant {
    store: Store,
    clock: Clock,
    book: Arc<Book>,
    budget: Budget,
    watches: HashMap<Watch, Watching>,
    whoami: Whoami,
    /// Whether it was asked in which container this process runs.
    contained: bool,
    suspects: Suspects,
    session: Arc<Part>,
    locks: Arc<Part>,
    closed: bool,
}

impl Tenant {
    pub(super) fn new(
        store: Store,
        clock: Clock,
        book: Arc<Book>,
        budget: Budget,
        whoami: Whoami,
        [session, locks]: [Arc<Part>; 2],
    ) -> Self {
        Self {
            store,
            clock,
            book,
            budget,
            watches: HashMap::new(),
            whoami,
            contained: false,
            suspects: Suspects::default(),
            session,
            locks,
            closed: false,
        }
    }

    fn lost(&self, guard: Guard, why: &Loss) {
        let mut pages = self.book.open();
        let Some(page) = pages.guards.get_mut(&guard) else {
            return;
        };
        let Some(keeper) = &page.keeper else { return };
        match lost(why) {
            // Whoever released it has said so to the guard.
            Lost::Released => keeper.close(Lost::Released),
            why => {
                keeper.invalidate(why.clone());
                if !page.ending {
                    page.lost = true;
                    self.locks.lost(&why);
                }
            }
        }
    }

    fn told(&self, guard: Guard, outcome: impl FnOnce(&Page) -> Outcome) {
        let Some(mut page) = self.book.remove(guard) else {
            return;
        };
        let outcome = outcome(&page);
        self.gave_back(&page);
        match (page.asked.take(), page.released.take(), outcome) {
            // Nobody there: the wish was withdrawn.
            (Some(asked), _, outcome) => drop(asked.send(outcome)),
            (None, Some(released), Outcome::Failed(error)) => drop(released.send(Err(error))),
            (None, _, _) => {}
        }
    }

    fn gave_back(&self, page: &Page) {
        if page.keeper.is_some() && !page.lost {
            self.locks.released(None);
        }
    }

    /// Finds out in which container this process runs, so that its end can be known (P1).
    fn find_container(&mut self, context: &mut Context<Input>) {
        let (Some(uid), Some(namespace), false) =
            (&self.whoami.uid, identity::namespace(), self.contained)
        else {
            return;
        };
        self.contained = true;
        let (client, pod) = (self.store.client().clone(), self.whoami.pod.clone());
        let own = proof::own(client, namespace, pod, uid.clone(), container::is_own);
        context.start(async move {
            let own = own.await.inspect_err(proof::without).ok()??;
            Some(Input::Contained(own.to_string().into()))
        });
    }

    fn warn(&self, waits: Guard, holds: Guard) {
        let pages = self.book.open();
        if let (Some(waits), Some(holds)) = (pages.guards.get(&waits), pages.guards.get(&holds)) {
            tracing::warn!(
                rule = "L3",
                lock = %waits.lock,
                waits = %waits.place,
                holds = %holds.place,
                "a task waits for a lock that its own process holds: if the holder waits for that task, both wait for ever"
            );
        }
    }
}

impl Driver for Tenant {
    type Machine = Member;

    fn act(&mut self, action: Action, context: &mut Context<Input>) {
        match action {
            Action::Send {
                call,
                request,
                within,
            } => context.call(&self.store, request, within, move |reply| {
                Input::Reply(call, reply)
            }),
            Action::Watch { watch, by } => {
                let watching = context.watch(&self.store, &by, move |seen| match seen {
                    Ok(sight) => Input::Sight(watch, sight),
                    Err(refusal) => Input::Refused(watch, refusal.to_string().into()),
                });
                self.watches.insert(watch, watching);
            }
            Action::Unwatch { watch } => drop(self.watches.remove(&watch)),
            Action::Hold {
                guard,
                token,
                deadline,
            } => {
                if let Some(page) = self.book.open().guards.get_mut(&guard) {
                    let (keeper, held) = incarnation(self.clock, deadline);
                    page.keeper = Some(keeper);
                    if !page.ending {
                        self.locks.acquired(token);
                    }
                    if let Some(asked) = page.asked.take() {
                        // Nobody there: the wish is withdrawn, and says so itself.
                        let _ = asked.send(Outcome::Held(held, token));
                    }
                }
            }
            Action::Extend { deadline } => {
                self.session.trouble(None);
                self.book.extend(deadline);
            }
            Action::Invalidate { guard, why } => self.lost(guard, &why),
            Action::Taken { guard } => self.told(guard, |_| Outcome::Taken),
            Action::Failed { guard, why } => {
                self.told(guard, |page| Outcome::Failed(failed(page, why)));
            }
            Action::Released { guard } => {
                if let Some(page) = self.book.remove(guard) {
                    self.gave_back(&page);
                    if let Some(released) = page.released {
                        let _ = released.send(Ok(()));
                    }
                }
            }
            Action::WaitsForOwn { guard, holder } => self.warn(guard, holder),
            Action::Opened { name, uid } => {
                self.session.acquired(None);
                self.find_container(context);
                let budget = self.budget;
                self.book.opened(View { name, uid, budget });
            }
            Action::Lost(Ended::Closed) => {}
            Action::Lost(why) => {
                if self.book.open().view.is_some() {
                    self.session.lost(&lost(&Loss::Session(why.clone())));
                }
                self.session.trouble(Some(why.to_string().into()));
                self.book.session_ended();
            }
            Action::Dead { uid } => {
                tracing::info!(rule = "S2", session = %uid, "a session is dead: its locks are free");
            }
            Action::Refused(why) => self.session.trouble(Some(why)),
            Action::Closed => self.closed = true,
        }
    }

    fn settled(&mut self, machine: &Member, context: &mut Context<Input>) -> bool {
        // Who stands before us, while we wait for their sessions to expire (P1).
        let client = self.store.client();
        let suspects = machine.suspects();
        self.suspects
            .follow(suspects, client, context, |uid| Input::Proven { uid });
        if self.closed && machine.session().is_none() && self.book.open().view.take().is_some() {
            self.session.released(None);
        }
        !self.closed
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // Closed, aborted with the coordinator, or the runtime has ended.
        self.book.end();
    }
}

fn lost(why: &Loss) -> Lost {
    match why {
        Loss::Released => Lost::Released,
        Loss::Deleted => Lost::Deleted,
        Loss::Session(Ended::Expired) => Lost::Expired,
        Loss::Session(Ended::RolledBack) => Lost::RolledBack,
        Loss::Session(Ended::Closed) => Lost::Shutdown,
        Loss::Session(ended) => Lost::Session {
            why: ended.to_string().into(),
        },
    }
}

fn failed(page: &Page, why: Failure) -> Error {
    match why {
        Failure::Refused(why) => Error::Refused(why),
        Failure::Closed => Error::Shutdown,
        Failure::Mismatch { theirs } => {
            let (lock, ours) = (&page.lock, page.kind);
            let theirs = theirs.map_or_else(
                || "something that this version does not know".to_owned(),
                |theirs| theirs.to_string(),
            );
            let text = format!(
                "lock `{lock}` is {ours} here and {theirs} elsewhere: one name has one kind and one limit, at a time"
            );
            Error::Misuse(text.into())
        }
    }
}
