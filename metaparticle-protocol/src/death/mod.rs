//! [`Undertaker`]: the death of other processes' sessions, which is one write and not an opinion (rules S2, S4, P1), and
//! the reaping of leftovers (S3, `census`).

mod census;
mod target;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    Budget, Call, Identity, Machine, Moment, Mutants, Name, Reply, Request, Selector, Sight, Uid,
    Watch, mutant::Mutant,
};
use census::Census;
use target::{Next, Step, Target};

/// How many sessions are watched at a time (L7). Those beyond are read every third of their duration.
pub const WATCHES: usize = 8;

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Somebody waits for this session: bury it once it is dead.
    Follow {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// Nobody waits for it any more.
    Forget {
        /// The uid of a session that is followed.
        uid: Uid,
    },
    /// Whether it still exists; asked once.
    Check {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// Proof that its holder's process has ended (P1): replaces the waiting, never the write.
    Proven {
        /// The uid of a session that is followed.
        uid: Uid,
    },
    /// Take it from its holder (S4): a write, a wait of its whole duration, a deletion.
    Revoke {
        /// Its name.
        name: Name,
        /// Its uid.
        uid: Uid,
    },
    /// Begin to look for leftovers: now, and every hour (S3).
    Reap,
    /// The answer to a request.
    Reply(Call, Reply),
    /// What a watch shows.
    Sight(Watch, Sight),
}

/// What an undertaker wants done, and what it found.
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
    /// This session is dead, acknowledged by the API server: its tickets are free.
    Dead {
        /// Its uid.
        uid: Uid,
    },
    /// All sessions that exist, as a consistent list had them.
    Census(BTreeSet<Uid>),
    /// The last try failed, for a reason that people can mend. It goes on trying.
    Refused(Arc<str>),
}

/// Watches over the sessions that stand before this process's own tickets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Undertaker {
    by: Identity,
    budget: Budget,
    mutants: Mutants,
    targets: BTreeMap<Uid, Target>,
    watches: BTreeMap<Name, Watch>,
    flights: BTreeMap<Call, Flight>,
    census: Census,
    calls: u64,
    watched: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Flight {
    Target(Uid, Step),
    Census,
    /// The deletion of a leftover: whatever becomes of it, the next census sees.
    Leftover,
}

impl Undertaker {
    /// One that signs revocations with `by`. `spread` is drawn by each process: so much later than an hour after the last
    /// it looks for leftovers, so that a thousand processes that began together do not look together.
    #[must_use]
    pub fn new(by: Identity, budget: Budget, spread: Duration, mutants: Mutants) -> Self {
        Self {
            by,
            budget,
            mutants,
            targets: BTreeMap::new(),
            watches: BTreeMap::new(),
            flights: BTreeMap::new(),
            census: Census::new(spread),
            calls: 0,
            watched: 0,
        }
    }

    /// The sessions that are followed and name the container of their holder, whose end is worth proving (P1).
    pub fn suspects(&self) -> impl Iterator<Item = (&Uid, &Arc<str>)> {
        self.targets
            .values()
            .filter(|target| target.followed && !target.proven)
            .filter_map(|target| Some((&target.uid, target.container()?)))
    }

    fn target(&mut self, name: Name, uid: Uid) -> &mut Target {
        self.targets
            .entry(uid.clone())
            .or_insert_with(|| Target::new(name, uid))
    }

    fn forget(&mut self, uid: &Uid, actions: &mut Vec<Action>) {
        let Some(target) = self.targets.remove(uid) else {
            return;
        };
        if self.targets.values().all(|other| other.name != target.name)
            && let Some(watch) = self.watches.remove(&target.name)
        {
            actions.push(Action::Unwatch { watch });
        }
    }

    fn dead(&mut self, uid: Uid, actions: &mut Vec<Action>) {
        self.forget(&uid, actions);
        actions.push(Action::Dead { uid });
    }

    /// Watches as many as it may; the others are read.
    fn watch(&mut self, now: Moment, actions: &mut Vec<Action>) {
        for target in self.targets.values_mut().filter(|target| target.followed) {
            if self.watches.contains_key(&target.name) {
                if !target.watched {
                    // Its watch began without it.
                    target.watched = true;
                    target.next = Some(Next::at(now, Step::Read));
                }
            } else if self.watches.len() < WATCHES {
                let watch = Watch(self.watched);
                self.watched += 1;
                self.watches.insert(target.name.clone(), watch);
                target.watched = true;
                // Nothing is seen until the first list.
                target.blind = true;
                actions.push(Action::Watch {
                    watch,
                    by: Selector::Name(target.name.clone()),
                });
            } else if target.next.is_none() && target.flight.is_none() && target.seen.is_none() {
                target.next = Some(Next::at(now, Step::Read));
            }
        }
    }

    fn act(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.watch(now, actions);
        let mut dead = Vec::new();
        let mut send = Vec::new();
        for target in self.targets.values_mut() {
            match target.due(now, &self.budget, self.mutants) {
                None => {}
                Some(Step::Bury) if self.mutants.has(Mutant::ExpiryByOpinion) => {
                    dead.push(target.uid.clone());
                }
                Some(step) => {
                    if let Some(request) = target.request(step, &self.by, self.mutants) {
                        let call = Call(self.calls);
                        self.calls += 1;
                        target.flight = Some(call);
                        target.next = None;
                        send.push((call, Flight::Target(target.uid.clone(), step), request));
                    }
                }
            }
        }
        for (call, request) in self.census.due(now, &mut self.calls) {
            let flight = match request {
                Request::List { .. } => Flight::Census,
                _ => Flight::Leftover,
            };
            send.push((call, flight, request));
        }
        for (call, flight, request) in send {
            self.flights.insert(call, flight);
            actions.push(Action::Send {
                call,
                request,
                within: self.budget.attempt,
            });
        }
        for uid in dead {
            self.dead(uid, actions);
        }
    }

    fn reply(&mut self, now: Moment, call: Call, reply: Reply, actions: &mut Vec<Action>) {
        match self.flights.remove(&call) {
            Some(Flight::Target(uid, step)) => {
                let Some(target) = self.targets.get_mut(&uid) else {
                    return;
                };
                if target.flight != Some(call) {
                    return;
                }
                target.flight = None;
                if let Reply::Refused(why) = &reply {
                    actions.push(Action::Refused(why.clone()));
                }
                if target.answered(now, step, reply, &self.budget) {
                    self.dead(uid, actions);
                } else if !target.followed && target.finished() {
                    self.targets.remove(&uid);
                }
            }
            Some(Flight::Census) => {
                if let Some(found) = self.census.listed(now, reply, &self.budget) {
                    actions.push(Action::Census(found));
                }
            }
            Some(Flight::Leftover) | None => {}
        }
    }

    fn sight(&mut self, now: Moment, watch: Watch, sight: &Sight, actions: &mut Vec<Action>) {
        let Some(name) = self
            .watches
            .iter()
            .find_map(|(name, known)| (*known == watch).then(|| name.clone()))
        else {
            return;
        };
        let dead: Vec<_> = self
            .targets
            .values_mut()
            .filter(|target| target.name == name && target.watched)
            .filter_map(|target| {
                target
                    .saw(now, sight, self.mutants)
                    .then(|| target.uid.clone())
            })
            .collect();
        for uid in dead {
            self.dead(uid, actions);
        }
    }
}

impl Machine for Undertaker {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Follow { name, uid } => self.target(name, uid).followed = true,
            Input::Forget { uid } => {
                if self
                    .targets
                    .get(&uid)
                    .is_some_and(|target| !target.is_revoked())
                {
                    self.forget(&uid, &mut actions);
                }
            }
            Input::Check { name, uid } => {
                let target = self.target(name, uid);
                if !target.followed && target.flight.is_none() {
                    target.next = Some(Next::at(now, Step::Read));
                }
            }
            Input::Proven { uid } => {
                if let Some(target) = self.targets.get_mut(&uid) {
                    target.proven = true;
                }
            }
            Input::Revoke { name, uid } => {
                let target = self.target(name, uid);
                target.followed = true;
                target.revoke(now);
            }
            Input::Reap => self.census.begin(now),
            Input::Reply(call, reply) => self.reply(now, call, reply, &mut actions),
            Input::Sight(watch, sight) => self.sight(now, watch, &sight, &mut actions),
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
        self.targets
            .values()
            .filter_map(|target| target.wake(&self.budget))
            .chain(self.census.wake())
            .min()
    }
}
