//! [`Session`]: the one Lease of a process that carries all its locks (rules S1, S3, S4 as seen by its holder, T1, W1 to
//! W5). One machine is one incarnation: lost is final, and the next session has another name.

#[cfg(test)]
mod tests;
mod words;

use std::{collections::BTreeMap, sync::Arc};

pub use words::{Action, Ended, Input};

use crate::{
    Budget, Call, Identity, Lease, Machine, Moment, Mutants, Name, Reply, Request, Rollback, Uid,
    Validity, Version,
    lease::{Draft, Stamp, When, key},
    mutant::Mutant,
};

/// Value of the label [`key::ROLE`] of a session.
pub const ROLE: &str = "session";
/// Before the name of the revoker, in `holderIdentity` of a revoked session (S4).
pub const REVOKED: &str = "revoked/";

/// One incarnation of a process's session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    name: Name,
    container: Option<Arc<str>>,
    /// What the process tells others besides.
    told: BTreeMap<&'static str, Arc<str>>,
    /// It was told something since the last write was sent: the next one follows at once.
    news: bool,
    budget: Budget,
    mutants: Mutants,
    phase: Phase,
    own: Option<Own>,
    validity: Option<Validity>,
    flight: Option<Flight>,
    next: Option<(Moment, Step)>,
    calls: u64,
    rollback: Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    New,
    Opening,
    Live,
    Lost,
    /// Until then the deletion is tried.
    Closing(Moment),
    Closed,
}

/// The Lease as it was last seen to be ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Own {
    uid: Uid,
    version: Version,
    acquired: Option<Stamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Create,
    Read,
    Renew,
    Delete,
}

/// The request under way: at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flight {
    call: Call,
    step: Step,
    sent: Moment,
    mark: Version,
}

impl Session {
    /// One that is to have this name: the pod's, and a part drawn anew for each incarnation (S1). The name is also the
    /// identity of its holder.
    #[must_use]
    pub fn new(name: Name, budget: Budget, mutants: Mutants) -> Self {
        Self {
            name,
            container: None,
            told: BTreeMap::new(),
            news: false,
            budget,
            mutants,
            phase: Phase::New,
            own: None,
            validity: None,
            flight: None,
            next: None,
            calls: 0,
            rollback: Rollback::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its uid, once it exists.
    #[must_use]
    pub fn uid(&self) -> Option<&Uid> {
        self.own.as_ref().map(|own| &own.uid)
    }

    /// Whether what is held under it can be relied on at `now`.
    #[must_use]
    pub fn holds(&self, now: Moment) -> bool {
        self.phase == Phase::Live && self.validity.is_some_and(|validity| validity.holds(now))
    }

    /// Until when it can be relied on, if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.validity.map(Validity::deadline)
    }

    fn identity(&self) -> Identity {
        self.name.as_str().into()
    }

    fn act(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let expired = self
            .validity
            .is_some_and(|validity| !validity.holds(now) && self.phase == Phase::Live);
        if expired && !self.awaits_revival() {
            self.lose(Ended::Expired, actions);
        }
        if let Phase::Closing(until) = self.phase
            && (now >= until || (self.flight.is_none() && self.next.is_none()))
        {
            self.phase = Phase::Closed;
            self.flight = None;
            self.next = None;
            actions.push(Action::Closed);
        }
        if self.flight.is_none()
            && let Some((at, step)) = self.next
            && now >= at
        {
            self.next = None;
            self.send(now, step, actions);
        }
    }

    fn awaits_revival(&self) -> bool {
        self.mutants.has(Mutant::LateAcknowledgementRevives) && self.flight.is_some()
    }

    fn send(&mut self, now: Moment, step: Step, actions: &mut Vec<Action>) {
        let Some(request) = self.request(step) else {
            return;
        };
        let call = Call(self.calls);
        self.calls += 1;
        if step != Step::Read {
            self.news = false;
        }
        self.flight = Some(Flight {
            call,
            step,
            sent: now,
            mark: self.rollback.mark(),
        });
        actions.push(Action::Send {
            call,
            request,
            within: self.budget.attempt,
        });
    }

    fn request(&self, step: Step) -> Option<Request> {
        let name = self.name.clone();
        Some(match (step, &self.own) {
            (Step::Create, _) => Request::Create {
                name,
                draft: self.draft(When::Now),
            },
            (Step::Read, _) => Request::Get { name },
            (Step::Renew, Some(own)) => Request::Update {
                name,
                uid: if self.mutants.has(Mutant::PutWithoutUid) {
                    "".into()
                } else {
                    own.uid.clone()
                },
                version: if self.mutants.has(Mutant::NoCompareAndSwap) {
                    Version(0)
                } else {
                    own.version
                },
                draft: self.draft(When::Kept(own.acquired)),
            },
            (Step::Delete, Some(own)) => Request::Delete {
                name,
                uid: own.uid.clone(),
                version: Some(own.version),
            },
            (Step::Renew | Step::Delete, None) => return None,
        })
    }

    fn draft(&self, acquired: When) -> Draft {
        Draft {
            holder: Some(self.identity()),
            duration: self.budget.lease,
            acquired,
            renewed: When::Now,
            transitions: 0,
            annotations: self
                .container
                .iter()
                .map(|container| (key::CONTAINER, container))
                .chain(self.told.iter().map(|(key, value)| (*key, value)))
                .map(|(key, value)| (key, Arc::clone(value)))
                .collect(),
            labels: BTreeMap::from([(key::ROLE, ROLE.into())]),
            owner: None,
        }
    }

    fn reply(&mut self, now: Moment, call: Call, reply: Reply, actions: &mut Vec<Action>) {
        let Some(flight) = self.flight.take_if(|flight| flight.call == call) else {
            return;
        };
        if matches!(self.phase, Phase::Lost | Phase::Closed) {
            self.keep(&reply);
            return;
        }
        if let Reply::Is(lease) = &reply
            && self.rollback.reply(flight.mark, lease.version)
        {
            self.lose(Ended::RolledBack, actions);
            return;
        }
        if matches!(self.phase, Phase::Closing(_)) {
            self.closing(now, flight.step, reply);
            return;
        }
        match reply {
            Reply::Is(lease) if flight.step == Step::Read => self.read(now, lease, actions),
            Reply::Is(lease) => self.acknowledged(now, flight, lease, actions),
            Reply::Exists | Reply::Conflict => self.next = Some((now, Step::Read)),
            Reply::Absent if flight.step == Step::Create => {
                self.lose(Ended::Refused("there is no such namespace".into()), actions);
            }
            Reply::Absent => self.lose(Ended::Deleted, actions),
            Reply::Refused(why) if flight.step == Step::Create => {
                self.lose(Ended::Refused(why), actions);
            }
            Reply::Refused(why) => {
                actions.push(Action::Refused(why));
                self.next = Some((now + self.budget.attempt, flight.step));
            }
            Reply::Busy { after } => {
                let pause = after.unwrap_or_default().max(self.budget.retry);
                self.next = Some((now + pause, flight.step));
            }
            Reply::Unknown | Reply::Deleted | Reply::List(..) | Reply::Gone => {
                self.next = Some((now + self.budget.retry, flight.step));
            }
        }
    }

    /// After 409 (W5), and after a creation whose answer was lost (S1).
    fn read(&mut self, now: Moment, lease: Lease, actions: &mut Vec<Action>) {
        let ours = lease.spec.holder.as_ref() == Some(&self.identity());
        match &self.own {
            _ if lease.deleting => self.lose(Ended::Deleted, actions),
            Some(own) if own.uid != lease.uid => self.lose(Ended::Deleted, actions),
            Some(_) if !ours => self.lose(Ended::Revoked(lease.spec.holder), actions),
            None if !ours => self.lose(Ended::Taken, actions),
            _ => {
                self.own = Some(Own::of(&lease));
                self.next = Some((now, Step::Renew));
            }
        }
    }

    fn acknowledged(
        &mut self,
        now: Moment,
        flight: Flight,
        lease: Lease,
        actions: &mut Vec<Action>,
    ) {
        if lease.deleting {
            self.lose(Ended::Deleted, actions);
            return;
        }
        let sent = if self.mutants.has(Mutant::ValidityFromReceive) {
            now
        } else {
            flight.sent
        };
        let validity = match self.validity {
            Some(validity) if !self.mutants.has(Mutant::LateAcknowledgementRevives) => {
                validity.extended(now, sent, self.budget.lease)
            }
            _ => Some(Validity::new(sent, self.budget.lease)),
        };
        let first = self.validity.is_none();
        self.own = Some(Own::of(&lease));
        let next = if self.news {
            now
        } else {
            flight.sent + self.budget.renew_every
        };
        self.next = Some((next, Step::Renew));
        match validity {
            // The answer took longer than it is good for: nothing was granted yet, so nothing is lost.
            Some(validity) if first && !validity.holds(now) => {
                self.next = Some((now, Step::Renew));
            }
            Some(validity) => {
                self.phase = Phase::Live;
                self.validity = Some(validity);
                if first {
                    actions.push(Action::Opened {
                        name: self.name.clone(),
                        uid: lease.uid,
                    });
                }
                actions.push(Action::Valid {
                    until: validity.deadline(),
                });
            }
            None => self.lose(Ended::Expired, actions),
        }
    }

    fn closing(&mut self, now: Moment, step: Step, reply: Reply) {
        self.keep(&reply);
        let again = now + self.budget.retry;
        self.next = match reply {
            Reply::Is(lease) if lease.spec.holder.as_ref() == Some(&self.identity()) => {
                Some((now, Step::Delete))
            }
            Reply::Conflict | Reply::Exists => Some((now, Step::Read)),
            Reply::Unknown | Reply::Gone => {
                Some((again, if self.own.is_none() { Step::Read } else { step }))
            }
            Reply::Busy { after } => Some((
                again.max(now + after.unwrap_or_default()),
                if step == Step::Create {
                    Step::Read
                } else {
                    step
                },
            )),
            // Gone already, somebody else's, or not ours to delete.
            _ => None,
        };
    }

    /// Remembers the state in which the Lease is ours, for the deletion.
    fn keep(&mut self, reply: &Reply) {
        if let Reply::Is(lease) = reply
            && lease.spec.holder.as_ref() == Some(&self.identity())
            && self.own.as_ref().is_none_or(|own| own.uid == lease.uid)
        {
            self.own = Some(Own::of(lease));
        }
    }

    /// Not at the next third, but now; after an attempt that failed, when it is due.
    fn renew(&mut self, now: Moment) {
        if self.phase == Phase::Live
            && let Some((at, Step::Renew)) = &mut self.next
        {
            *at = now.min(*at);
        }
    }

    fn close(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let begun = self.flight.is_some() || self.own.is_some();
        match self.phase {
            Phase::Closing(_) | Phase::Closed => {}
            Phase::New | Phase::Opening | Phase::Live | Phase::Lost if begun => {
                self.phase = Phase::Closing(now + self.budget.lease);
                self.validity = None;
                self.next = self.own.is_some().then_some((now, Step::Delete));
            }
            Phase::New | Phase::Opening | Phase::Live | Phase::Lost => {
                self.phase = Phase::Closed;
                self.next = None;
                actions.push(Action::Closed);
            }
        }
    }

    fn lose(&mut self, why: Ended, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::New | Phase::Opening | Phase::Live => {
                self.phase = Phase::Lost;
                self.validity = None;
                self.next = None;
                if why != Ended::Expired {
                    // Not ours, or of a store that is no more: leave it alone.
                    self.own = None;
                }
                actions.push(Action::Lost(why));
            }
            Phase::Closing(_) => self.next = None,
            Phase::Lost | Phase::Closed => {}
        }
    }
}

impl Own {
    fn of(lease: &Lease) -> Self {
        Self {
            uid: lease.uid.clone(),
            version: lease.version,
            acquired: lease.spec.acquired,
        }
    }
}

impl Machine for Session {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        // What has passed comes first: an acknowledgement after the deadline finds a session that is lost.
        self.act(now, &mut actions);
        match input {
            Input::Open if self.phase == Phase::New => {
                self.phase = Phase::Opening;
                self.next = Some((now, Step::Create));
            }
            Input::Renew => self.renew(now),
            Input::Tell { told, now: soon } => {
                if self.told != told {
                    self.told = told;
                    self.news |= soon;
                    if soon {
                        self.renew(now);
                    }
                }
            }
            Input::Contained(container) => self.container = Some(container),
            Input::Open => {}
            Input::Reply(call, reply) => self.reply(now, call, reply, &mut actions),
            Input::RolledBack => self.lose(Ended::RolledBack, &mut actions),
            Input::Close => self.close(now, &mut actions),
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
        let expiry = self
            .validity
            .filter(|_| self.phase == Phase::Live && !self.awaits_revival())
            .map(Validity::deadline);
        let end = match self.phase {
            Phase::Closing(until) => Some(until),
            _ => None,
        };
        let next = self
            .next
            .filter(|_| self.flight.is_none())
            .map(|(at, _)| at);
        [expiry, end, next].into_iter().flatten().min()
    }
}
