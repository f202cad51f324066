//! [`Member`]: one process's part in all locks of a namespace: its [`Session`], its [`Undertaker`] and its [`Locks`], and
//! what they have to tell each other. This is what a driver runs, and what simulators and model checkers explore.

mod life;
#[cfg(test)]
mod tests;
mod words;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use words::{Action, Input};

use crate::{
    Budget, Call, Machine, Moment, Mutants, Name, Reply, Request, Selector, Sight, Uid, Watch,
    death::{self, Undertaker},
    lock::{self, Locks},
    mutant::Mutant,
    session::{self, Session},
};

/// Sessions looked up after one census, at most: the next is an hour later.
const CHECKS: usize = 64;

/// Whose request or watch it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    Session(u32),
    Undertaker,
    Locks,
}

/// One process in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    pod: Arc<str>,
    drawn: Arc<str>,
    container: Option<Arc<str>>,
    /// What its sessions tell others.
    told: BTreeMap<&'static str, Arc<str>>,
    budget: Budget,
    mutants: Mutants,
    /// The present one and those that are still being cleaned up, by the number of the incarnation.
    sessions: BTreeMap<u32, Session>,
    /// The number of the present one, or of the last.
    present: u32,
    lost: bool,
    undertaker: Undertaker,
    locks: Locks,
    tickets: Option<Watch>,
    calls: BTreeMap<Call, (Part, Call)>,
    watches: BTreeMap<Watch, Watch>,
    called: u64,
    watched: u64,
    closing: Option<Moment>,
    closed: bool,
}

/// What one part says to another.
#[derive(Debug)]
enum Told {
    Session(u32, session::Action),
    Undertaker(death::Action),
    Locks(lock::Action),
}

impl Member {
    /// A process of the pod `pod` that drew `drawn` at its start: both become the names of its sessions (S1).
    /// `spread` is drawn as well, up to an hour, so that many processes do not look for leftovers together.
    #[must_use]
    pub fn new(pod: &str, drawn: &str, spread: Duration, budget: Budget, mutants: Mutants) -> Self {
        let by = format!("{pod}-{drawn}").into();
        Self {
            pod: pod.into(),
            drawn: drawn.into(),
            container: None,
            told: BTreeMap::new(),
            budget,
            mutants,
            sessions: BTreeMap::new(),
            present: 0,
            lost: true,
            undertaker: Undertaker::new(by, budget, spread, mutants),
            locks: Locks::new(budget, mutants),
            tickets: None,
            calls: BTreeMap::new(),
            watches: BTreeMap::new(),
            called: 0,
            watched: 0,
            closing: None,
            closed: false,
        }
    }

    /// Name and uid of its present session.
    #[must_use]
    pub fn session(&self) -> Option<(&Name, &Uid)> {
        let session = self.sessions.get(&self.present).filter(|_| !self.lost)?;
        Some((session.name(), session.uid()?))
    }

    /// The sessions that stand before this process, and the containers of their holders: that one of these has ended is
    /// worth proving (P1).
    pub fn suspects(&self) -> impl Iterator<Item = (&Uid, &Arc<str>)> {
        self.undertaker.suspects()
    }

    fn name(&self, incarnation: u32) -> Name {
        if self.mutants.has(Mutant::NameWithoutIncarnation) {
            return (&*self.pod).into();
        }
        match incarnation {
            1 => format!("{}-{}", self.pod, self.drawn).into(),
            later => format!("{}-{}-{later}", self.pod, self.drawn).into(),
        }
    }

    /// Hands what one part said to those whom it concerns, until nothing is left to say.
    fn settle(&mut self, now: Moment, first: Vec<Told>) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut heard: std::collections::VecDeque<_> = first.into();
        loop {
            while let Some(told) = heard.pop_front() {
                // What follows from a word comes before the words after it: a guard is invalid before others hear why.
                for next in self.hear(now, told, &mut actions).into_iter().rev() {
                    heard.push_front(next);
                }
            }
            heard.extend(self.clean_up(now, &mut actions));
            if heard.is_empty() {
                return actions;
            }
        }
    }

    fn hear(&mut self, now: Moment, told: Told, actions: &mut Vec<Action>) -> Vec<Told> {
        match told {
            Told::Session(number, action) => self.hear_session(now, number, action, actions),
            Told::Undertaker(action) => self.hear_undertaker(now, action, actions),
            Told::Locks(action) => self.hear_locks(now, action, actions),
        }
    }

    fn hear_session(
        &mut self,
        now: Moment,
        number: u32,
        action: session::Action,
        actions: &mut Vec<Action>,
    ) -> Vec<Told> {
        match action {
            session::Action::Send {
                call,
                request,
                within,
            } => {
                self.send(Part::Session(number), call, request, within, actions);
                Vec::new()
            }
            session::Action::Opened { name, uid } => {
                actions.push(Action::Opened {
                    name: name.clone(),
                    uid: uid.clone(),
                });
                let mut told = self.tell_locks(now, lock::Input::Opened { name, uid });
                told.extend(self.tell_undertaker(now, death::Input::Reap));
                told
            }
            session::Action::Valid { until } => {
                actions.push(Action::Extend { deadline: until });
                self.tell_locks(now, lock::Input::Valid { until })
            }
            session::Action::Refused(why) => {
                actions.push(Action::Refused(why));
                Vec::new()
            }
            session::Action::Lost(why) => {
                self.lost = true;
                let told = self.tell_locks(now, lock::Input::Lost(why.clone()));
                actions.extend(told.iter().filter_map(|told| match told {
                    Told::Locks(lock::Action::Invalidate { guard, why }) => {
                        let (guard, why) = (*guard, why.clone());
                        Some(Action::Invalidate { guard, why })
                    }
                    _ => None,
                }));
                actions.push(Action::Lost(why));
                told.into_iter()
                    .filter(|told| !matches!(told, Told::Locks(lock::Action::Invalidate { .. })))
                    .collect()
            }
            session::Action::Closed => {
                self.sessions.remove(&number);
                Vec::new()
            }
        }
    }

    fn hear_undertaker(
        &mut self,
        now: Moment,
        action: death::Action,
        actions: &mut Vec<Action>,
    ) -> Vec<Told> {
        match action {
            death::Action::Send {
                call,
                request,
                within,
            } => self.send(Part::Undertaker, call, request, within, actions),
            death::Action::Watch { watch, by } => {
                let own = self.begin_watch(by, actions);
                self.watches.insert(own, watch);
            }
            death::Action::Unwatch { watch } => {
                let own = self.watches.iter().find(|(_, theirs)| **theirs == watch);
                if let Some(own) = own.map(|(own, _)| *own) {
                    self.watches.remove(&own);
                    actions.push(Action::Unwatch { watch: own });
                }
            }
            death::Action::Dead { uid } => {
                actions.push(Action::Dead { uid: uid.clone() });
                let leftover = !self.locks.follows(&uid);
                return self.tell_locks(now, lock::Input::Dead { uid, leftover });
            }
            death::Action::Census(living) => {
                let own = self.session().map(|(_, uid)| uid);
                let unknown: std::collections::BTreeSet<_> = self
                    .locks
                    .sessions()
                    .filter(|(name, uid)| {
                        !living.contains(uid) && Some(uid) != own && !name.as_str().is_empty()
                    })
                    .take(CHECKS)
                    .cloned()
                    .collect();
                return unknown
                    .into_iter()
                    .flat_map(|(name, uid)| {
                        self.tell_undertaker(now, death::Input::Check { name, uid })
                    })
                    .collect();
            }
            death::Action::Refused(why) => actions.push(Action::Refused(why)),
        }
        Vec::new()
    }

    fn hear_locks(
        &mut self,
        now: Moment,
        action: lock::Action,
        actions: &mut Vec<Action>,
    ) -> Vec<Told> {
        let own = match action {
            lock::Action::Send {
                call,
                request,
                within,
            } => {
                self.send(Part::Locks, call, request, within, actions);
                return Vec::new();
            }
            lock::Action::Session if !self.lost => return Vec::new(),
            lock::Action::Session => return self.open(now, actions),
            lock::Action::Check => return self.tell_session(now, session::Input::Renew),
            lock::Action::RolledBack => {
                return self.tell_session(now, session::Input::RolledBack);
            }
            lock::Action::Follow { name, uid } => {
                return self.tell_undertaker(now, death::Input::Follow { name, uid });
            }
            lock::Action::Forget { uid } => {
                return self.tell_undertaker(now, death::Input::Forget { uid });
            }
            lock::Action::Hold {
                guard,
                token,
                deadline,
            } => Action::Hold {
                guard,
                token,
                deadline,
            },
            lock::Action::Invalidate { guard, why } => Action::Invalidate { guard, why },
            lock::Action::Taken { guard } => Action::Taken { guard },
            lock::Action::Failed { guard, why } => Action::Failed { guard, why },
            lock::Action::Released { guard } => Action::Released { guard },
            lock::Action::WaitsForOwn { guard, holder } => Action::WaitsForOwn { guard, holder },
        };
        actions.push(own);
        Vec::new()
    }

    fn begin_watch(&mut self, by: Selector, actions: &mut Vec<Action>) -> Watch {
        let watch = Watch(self.watched);
        self.watched += 1;
        actions.push(Action::Watch { watch, by });
        watch
    }

    fn send(
        &mut self,
        part: Part,
        theirs: Call,
        request: Request,
        within: Duration,
        actions: &mut Vec<Action>,
    ) {
        let call = Call(self.called);
        self.called += 1;
        self.calls.insert(call, (part, theirs));
        actions.push(Action::Send {
            call,
            request,
            within,
        });
    }

    fn tell_session(&mut self, now: Moment, input: session::Input) -> Vec<Told> {
        self.tell_session_of(now, self.present, input)
    }

    fn tell_session_of(&mut self, now: Moment, number: u32, input: session::Input) -> Vec<Told> {
        let Some(session) = self.sessions.get_mut(&number) else {
            return Vec::new();
        };
        let told = |action| Told::Session(number, action);
        session.step(now, input).into_iter().map(told).collect()
    }

    fn tell_undertaker(&mut self, now: Moment, input: death::Input) -> Vec<Told> {
        let actions = self.undertaker.step(now, input);
        actions.into_iter().map(Told::Undertaker).collect()
    }

    fn tell_locks(&mut self, now: Moment, input: lock::Input) -> Vec<Told> {
        let actions = self.locks.step(now, input);
        actions.into_iter().map(Told::Locks).collect()
    }

    fn reply(&mut self, now: Moment, call: Call, reply: Reply) -> Vec<Told> {
        match self.calls.remove(&call) {
            Some((Part::Session(number), theirs)) => {
                self.tell_session_of(now, number, session::Input::Reply(theirs, reply))
            }
            Some((Part::Undertaker, theirs)) => {
                self.tell_undertaker(now, death::Input::Reply(theirs, reply))
            }
            Some((Part::Locks, theirs)) => self.tell_locks(now, lock::Input::Reply(theirs, reply)),
            None => Vec::new(),
        }
    }

    fn sight(&mut self, now: Moment, watch: Watch, sight: Sight) -> Vec<Told> {
        if self.tickets == Some(watch) {
            return self.tell_locks(now, lock::Input::Sight(sight));
        }
        match self.watches.get(&watch) {
            Some(theirs) => {
                let theirs = *theirs;
                self.tell_undertaker(now, death::Input::Sight(theirs, sight))
            }
            None => Vec::new(),
        }
    }

    /// What time has brought, to all parts: the session first, for all others rely on it.
    fn pass(&mut self, now: Moment) -> Vec<Told> {
        let mut told = Vec::new();
        for (number, session) in &mut self.sessions {
            let actions = session.tick(now).into_iter();
            told.extend(actions.map(|action| Told::Session(*number, action)));
        }
        told.extend(self.undertaker.tick(now).into_iter().map(Told::Undertaker));
        told.extend(self.locks.tick(now).into_iter().map(Told::Locks));
        told
    }
}

impl Machine for Member {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = self.tick(now);
        let told = match input {
            Input::Lock {
                guard,
                name,
                lock,
                kind,
                once,
            } => self.tell_locks(
                now,
                lock::Input::Lock {
                    guard,
                    name,
                    lock,
                    kind,
                    once,
                },
            ),
            Input::Leave { guard } => self.tell_locks(now, lock::Input::Leave { guard }),
            Input::Reply(call, reply) => self.reply(now, call, reply),
            Input::Sight(watch, sight) => self.sight(now, watch, sight),
            Input::Refused(watch, why) if self.tickets == Some(watch) => {
                self.tell_locks(now, lock::Input::Refused(why))
            }
            Input::Refused(_, why) => {
                actions.push(Action::Refused(why));
                Vec::new()
            }
            Input::Contained(container) => {
                self.container = Some(Arc::clone(&container));
                self.tell_session(now, session::Input::Contained(container))
            }
            Input::Open if self.lost && self.closing.is_none() => self.open(now, &mut actions),
            Input::Open => Vec::new(),
            Input::Tell { told, now: soon } => {
                self.told.clone_from(&told);
                self.tell_session(now, session::Input::Tell { told, now: soon })
            }
            Input::RolledBack => self.tell_session(now, session::Input::RolledBack),
            Input::Proven { uid } => self.tell_undertaker(now, death::Input::Proven { uid }),
            Input::Revoke { name, uid } => {
                self.tell_undertaker(now, death::Input::Revoke { name, uid })
            }
            Input::Close => {
                self.closing.get_or_insert(now + self.budget.lease);
                self.tell_locks(now, lock::Input::Close)
            }
        };
        actions.extend(self.settle(now, told));
        actions
    }

    fn tick(&mut self, now: Moment) -> Vec<Action> {
        let told = self.pass(now);
        self.settle(now, told)
    }

    fn wake(&self) -> Option<Moment> {
        self.sessions
            .values()
            .filter_map(Machine::wake)
            .chain(self.undertaker.wake())
            .chain(self.locks.wake())
            .chain(self.closing.filter(|_| !self.closed))
            .min()
    }
}
