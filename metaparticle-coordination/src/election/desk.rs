//! [`Desk`]: what an elector's actions do in this process.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use metaparticle_protocol::{
    Identity, Selector, Sight, Token,
    api::Watch,
    election::{Action, Elector, Ended, Input, TermId},
};
use tokio::{
    sync::{oneshot, watch},
    task::AbortHandle,
};

use super::{
    Handle,
    term::Term,
    view::{Role, View, pod},
};
use crate::{
    container,
    coordinator::Coordinator,
    drive::{Context, Driver, Inbox, Watching},
    error::Error,
    identity,
    lost::Lost,
    part::Part,
    proof,
    refusal::Refusal,
    word::{Held, Keeper, incarnation},
};

/// What handles, terms and the desk of one election share.
pub(super) struct Shared {
    pub(super) inbox: Inbox<Input>,
    waiters: Mutex<Waiters>,
    /// Who waits to hear whether a transfer was begun.
    pub(super) transfer: Mutex<Option<oneshot::Sender<bool>>>,
    pub(super) part: Arc<Part>,
    /// The watch is refused at present: nobody need wait to hear it again.
    blind: Mutex<Option<Arc<str>>>,
}

/// Those who wait for a term, first come, first served.
#[derive(Default)]
struct Waiters {
    last: u64,
    queue: VecDeque<(u64, oneshot::Sender<Result<Term, Error>>)>,
    closed: bool,
}

impl Shared {
    pub(super) fn new(inbox: Inbox<Input>, part: Arc<Part>) -> Self {
        Self {
            inbox,
            waiters: Mutex::default(),
            transfer: Mutex::default(),
            part,
            blind: Mutex::default(),
        }
    }

    /// Nobody there: the elector has ended, and what waits for it learns it.
    pub(super) fn tell(&self, input: Input) {
        let _ = self.inbox.send(input);
    }

    /// Waits for a term.
    pub(super) async fn campaign(self: &Arc<Self>) -> Result<Term, Error> {
        if let Some(why) = &*lock(&self.blind) {
            return Err(Error::Refused(Arc::clone(why)));
        }
        let (grant, granted) = oneshot::channel();
        let _place = {
            let mut waiters = lock(&self.waiters);
            if waiters.closed {
                return Err(Error::Shutdown);
            }
            waiters.last += 1;
            let number = waiters.last;
            waiters.queue.push_back((number, grant));
            Place {
                shared: Arc::clone(self),
                number,
            }
        };
        self.tell(Input::Contend);
        // A term that is granted to a place that was just given up is dropped there, and so handed over.
        granted.await.unwrap_or(Err(Error::Shutdown))
    }

    fn is_waited_for(&self) -> bool {
        !lock(&self.waiters).queue.is_empty()
    }

    /// Whoever is first and still there.
    fn grant(&self, mut term: Term) -> Result<(), Term> {
        loop {
            let Some((_, next)) = lock(&self.waiters).queue.pop_front() else {
                return Err(term);
            };
            match next.send(Ok(term)) {
                Ok(()) => return Ok(()),
                Err(Ok(refused)) => term = refused,
                Err(Err(_)) => unreachable!("a term was sent"),
            }
        }
    }

    /// Nobody gets one.
    fn fail(&self, error: &dyn Fn() -> Error) {
        let queue = std::mem::take(&mut lock(&self.waiters).queue);
        for (_, waiter) in queue {
            let _ = waiter.send(Err(error()));
        }
    }

    /// What a watch brings: of the election's own Lease, or of the candidates.
    fn seen(&self, own: bool, seen: Result<Sight, Refusal>) -> Sight {
        match seen {
            Ok(sight) => {
                // That it sees again says nothing of what it may write.
                if own && sight != Sight::Lost && lock(&self.blind).take().is_some() {
                    self.part.trouble(None);
                }
                sight
            }
            Err(refusal) => {
                let why = Arc::from(refusal.to_string());
                if own {
                    *lock(&self.blind) = Some(Arc::clone(&why));
                    self.refuse(&why);
                } else {
                    self.part.trouble(Some(why));
                }
                Sight::Lost
            }
        }
    }

    fn refuse(&self, why: &Arc<str>) {
        self.part.trouble(Some(Arc::clone(why)));
        self.fail(&|| Error::Refused(Arc::clone(why)));
        self.tell(Input::Withdraw);
    }
}

/// A place in the queue; given up when dropped.
struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiters = lock(&self.shared.waiters);
        let before = waiters.queue.len();
        waiters.queue.retain(|(number, _)| *number != self.number);
        let given_up = waiters.queue.len() < before;
        if given_up && waiters.queue.is_empty() {
            self.shared.tell(Input::Withdraw);
        }
    }
}

/// Runs one elector.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) handle: Weak<Handle>,
    /// Kept as long as there is something to do: its end would end this, too.
    pub(super) coordinator: Coordinator,
    pub(super) view: watch::Sender<View>,
    pub(super) watches: HashMap<Watch, Watching>,
    pub(super) term: Option<Running>,
    pub(super) begun: bool,
    /// The search for this process's own container, begun with the first term (P1).
    pub(super) container: Option<Task>,
    /// Whose end is watched for, while it leads.
    pub(super) suspect: Option<(Arc<str>, Task)>,
}

/// Ends when dropped.
pub(super) struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The term that has begun and is not over.
pub(super) struct Running {
    keeper: Keeper,
    ended: watch::Sender<Option<Ended>>,
}

impl Driver for Desk {
    type Machine = Elector;

    fn act(&mut self, action: Action, context: &mut Context<Input>) {
        match action {
            Action::Send {
                call,
                request,
                within,
            } => context.call(self.coordinator.store(), request, within, move |reply| {
                Input::Reply(call, reply)
            }),
            Action::Watch { watch, by } => {
                let shared = Arc::clone(&self.shared);
                let store = self.coordinator.store();
                let own = matches!(by, Selector::Name(_));
                let watching = context.watch(store, &by, move |seen| {
                    Input::Saw(watch, shared.seen(own, seen))
                });
                self.watches.insert(watch, watching);
            }
            Action::Unwatch { watch } => drop(self.watches.remove(&watch)),
            Action::Begin { term, token, until } => {
                self.shared.part.trouble(None);
                let (keeper, held) = incarnation(context.clock(), until);
                self.begin(term, token, keeper, held, context);
            }
            Action::Extend { until, .. } => {
                self.shared.part.trouble(None);
                if let Some(running) = &self.term {
                    running.keeper.extend(until);
                }
            }
            Action::Drain { .. } => {
                if let Some(running) = &self.term {
                    running.keeper.close(Lost::Released);
                }
                self.answer_transfer(true);
            }
            Action::End { why, .. } => self.end(why),
            Action::Declined { .. } => self.answer_transfer(false),
            Action::Refused(why) => self.shared.refuse(&why),
        }
    }

    fn settled(&mut self, machine: &Elector, context: &mut Context<Input>) -> bool {
        if !self.begun {
            self.begun = true;
            let stopping = self.coordinator.stopping();
            context.start(async move {
                stopping.await;
                Some(Input::Leave)
            });
        }
        let view = View::from(machine.view());
        if view.role == Role::Bystander && self.shared.is_waited_for() {
            self.shared.tell(Input::Contend);
        }
        self.suspect(&view, context);
        self.view.send_if_modified(|shown| {
            let changed = *shown != view;
            *shown = view;
            changed
        });
        !machine.has_left()
    }
}

impl Desk {
    fn begin(
        &mut self,
        id: TermId,
        token: Token,
        keeper: Keeper,
        held: Held,
        context: &mut Context<Input>,
    ) {
        let (dropped, gone) = oneshot::channel();
        let (ended, end) = watch::channel(None);
        let drained = keeper.drained();
        let inbox = context.inbox().clone();
        context.start(async move {
            // The term is dropped, at its end or by a panic in the work: nobody answers.
            let _ = gone.await;
            let _ = inbox.send(Input::Stop { to: None });
            drained.await;
            Some(Input::Idle(id))
        });
        self.term = Some(Running { keeper, ended });
        self.find_container(context);
        self.shared.part.acquired(Some(token));
        if let Some(handle) = self.handle.upgrade() {
            let term = Term::new(handle, held, token, dropped, end);
            // Nobody waits any more: dropped, it is handed over.
            drop(self.shared.grant(term));
        }
    }

    /// Finds out in which container this process runs, so that its end can be known (P1).
    fn find_container(&mut self, context: &mut Context<Input>) {
        let whoami = self.coordinator.whoami();
        let (Some(uid), Some(namespace), None) =
            (&whoami.uid, identity::namespace(), &self.container)
        else {
            return;
        };
        let client = self.coordinator.store().client().clone();
        let own = proof::own(
            client,
            namespace,
            whoami.pod.clone(),
            uid.clone(),
            container::is_own,
        );
        self.container = Some(Task(context.start(async move {
            let own = own.await.inspect_err(proof::without).ok()??;
            Some(Input::Contained(own.to_string().into()))
        })));
    }

    /// Watches for the end of who leads, while this waits for its lease to end (P1).
    fn suspect(&mut self, view: &View, context: &mut Context<Input>) {
        let leads = match (&view.holder, &view.container) {
            (Some(holder), Some(container)) if view.role == Role::Candidate => {
                Some((holder, container))
            }
            _ => None,
        };
        if self.suspect.as_ref().map(|(container, _)| container)
            == leads.map(|(_, container)| container)
        {
            return;
        }
        self.suspect = leads.and_then(|(holder, named)| {
            let container = named.parse().ok()?;
            let client = self.coordinator.store().client().clone();
            let holder = Identity::from(&**holder);
            let task = context.start(async move {
                let ended = proof::ended(client, container).await;
                ended.inspect_err(proof::without).ok()?;
                Some(Input::Terminated(holder))
            });
            Some((Arc::clone(named), Task(task)))
        });
    }

    fn end(&mut self, why: Ended) {
        self.answer_transfer(true);
        let Some(running) = self.term.take() else {
            return;
        };
        running.keeper.invalidate(lost(&why));
        match &why {
            Ended::Offered { to } => self.shared.part.released(Some(pod(to.as_str()))),
            Ended::Released => self.shared.part.released(None),
            why => self.shared.part.lost(&lost(why)),
        }
        running.ended.send_replace(Some(why));
    }

    fn answer_transfer(&self, begun: bool) {
        if let Some(waits) = lock(&self.shared.transfer).take() {
            let _ = waits.send(begun);
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        lock(&self.shared.waiters).closed = true;
        self.shared.fail(&|| Error::Shutdown);
    }
}

/// What holders are told.
pub(super) fn lost(why: &Ended) -> Lost {
    match why {
        Ended::Deposed { by: Some(by) } => Lost::Taken {
            by: by.as_str().into(),
        },
        Ended::Deposed { by: None } => Lost::Changed,
        Ended::Deleted => Lost::Deleted,
        Ended::RolledBack => Lost::RolledBack,
        Ended::Offered { .. } | Ended::Released => Lost::Released,
        _ => Lost::Expired,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
