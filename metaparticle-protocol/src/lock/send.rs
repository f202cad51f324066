//! What is asked of the API server, when, and what its answers mean: one POST and one DELETE a cycle, and a gate that
//! keeps a thousand tickets from asking an API server that does not answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Action, Failure, Guard, Locks,
    entry::{Entry, Stage},
    ticket::{ROLE, Ticket},
};
use crate::{Call, Lease, Moment, Name, Reply, Request, Uid, Version, lease::key, mutant::Mutant};

/// How many requests of tickets are under way at a time.
const WINDOW: usize = 16;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    Post {
        guard: Guard,
        name: Name,
        mark: Version,
    },
    Exact {
        guard: Guard,
        uid: Uid,
    },
    Delete {
        uid: Uid,
    },
}

/// Shut for a while after a failure; then one request at a time until one is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Gate {
    failures: u32,
    shut: Option<Moment>,
}

impl Gate {
    pub(super) fn wake(&self) -> Option<Moment> {
        self.shut
    }

    fn answered(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Moment, retry: Duration, after: Option<Duration>) {
        if self.shut.is_some_and(|until| now < until) {
            return;
        }
        let pause = (retry * (1 << self.failures.min(3))).min(LONGEST_PAUSE);
        self.failures = (self.failures + 1).min(4);
        self.shut = Some(now + pause.max(after.unwrap_or_default()));
    }
}

impl Locks {
    /// Sends what waits for room.
    pub(super) fn pump(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.gate.shut.is_some_and(|until| now < until) || !self.wants_to_send() {
            return;
        }
        self.gate.shut = None;
        let window = if self.gate.failures > 0 { 1 } else { WINDOW };
        // What frees others goes first.
        while self.sent.len() < window {
            let leaving = self
                .leaving
                .iter_mut()
                .find(|(_, leaving)| !leaving.flying && !leaving.acknowledged);
            let Some((uid, leaving)) = leaving else { break };
            leaving.flying = true;
            let uid = uid.clone();
            let request = Request::Delete {
                name: leaving.name.clone(),
                uid: uid.clone(),
                version: None,
            };
            self.send(Sent::Delete { uid }, request, actions);
        }
        while self.sent.len() < window {
            let Some(guard) = self.next(now) else { break };
            self.send_for(guard, actions);
        }
    }

    pub(super) fn wants_to_send(&self) -> bool {
        self.leaving
            .values()
            .any(|leaving| !leaving.flying && !leaving.acknowledged)
            || self.entries.values().any(Entry::wants_to_send)
    }

    /// The first that may be sent: within a process, those of one lock are posted one after the other, in the order in
    /// which they were wished.
    fn next(&self, now: Moment) -> Option<Guard> {
        let session = self.session.is_some() && self.until.is_some_and(|until| now < until);
        let may_post = session && self.view.live && !self.closed;
        let mut taken: BTreeSet<&Name> = self
            .entries
            .values()
            .filter(|entry| matches!(entry.stage, Stage::Posting { flying: true, .. }))
            .map(|entry| &entry.lock)
            .collect();
        self.entries.iter().find_map(|(guard, entry)| {
            let ready = match entry.stage {
                _ if !entry.wants_to_send() => false,
                Stage::Missed { .. } => true,
                _ => taken.insert(&entry.lock) && may_post && !entry.doubts,
            };
            ready.then_some(*guard)
        })
    }

    fn send_for(&mut self, guard: Guard, actions: &mut Vec<Action>) {
        let Some(session) = &self.session else {
            return;
        };
        let mark = self.rollback.mark();
        let lease = self.budget.lease;
        let Some(entry) = self.entries.get_mut(&guard) else {
            return;
        };
        let (sent, request) = match &mut entry.stage {
            Stage::Missed {
                uid,
                created,
                flying,
                ..
            } => {
                *flying = true;
                let uid = uid.clone();
                let labels = BTreeMap::from([
                    (key::ROLE, ROLE.into()),
                    (key::LOCK, entry.lock.as_str().into()),
                ]);
                let exactly = Some(*created);
                let request = Request::List { labels, exactly };
                (Sent::Exact { guard, uid }, request)
            }
            stage => {
                let unsure = matches!(stage, Stage::Posting { unsure: true, .. });
                *stage = Stage::Posting {
                    fresh: true,
                    unsure,
                    flying: true,
                };
                let name = entry.name();
                let draft = Ticket::draft(&entry.lock, entry.kind, session, lease);
                let request = Request::Create {
                    name: name.clone(),
                    draft,
                };
                (Sent::Post { guard, name, mark }, request)
            }
        };
        self.send(sent, request, actions);
    }

    fn send(&mut self, sent: Sent, request: Request, actions: &mut Vec<Action>) {
        let call = Call(self.calls);
        self.calls += 1;
        self.sent.insert(call, sent);
        actions.push(Action::Send {
            call,
            request,
            within: self.budget.attempt,
        });
    }

    pub(super) fn reply(
        &mut self,
        now: Moment,
        call: Call,
        reply: Reply,
        actions: &mut Vec<Action>,
    ) {
        let Some(sent) = self.sent.remove(&call) else {
            return;
        };
        match &reply {
            Reply::Unknown => self.gate.failed(now, self.budget.retry, None),
            Reply::Busy { after } => self.gate.failed(now, self.budget.retry, *after),
            _ => self.gate.answered(),
        }
        match sent {
            Sent::Delete { uid } => self.deleted(now, &uid, &reply, actions),
            Sent::Exact { guard, uid } => self.exact(guard, &uid, reply, actions),
            Sent::Post { guard, name, mark } => match reply {
                Reply::Is(lease) => self.posted(guard, &name, mark, &lease, actions),
                other => self.not_posted(guard, &name, other, actions),
            },
        }
    }

    fn deleted(&mut self, now: Moment, uid: &Uid, reply: &Reply, actions: &mut Vec<Action>) {
        let seen = self.view.tickets.contains_key(uid);
        let Some(leaving) = self.leaving.get_mut(uid) else {
            return;
        };
        leaving.flying = false;
        match reply {
            // Of another uid, or none: this one is gone.
            Reply::Deleted | Reply::Absent | Reply::Conflict => {
                leaving.acknowledged = true;
                leaving.report(actions);
                if !seen && self.view.live && self.view.version >= leaving.existed {
                    self.leaving.remove(uid);
                }
            }
            // Whoever waits for it hears why; it is tried on, for a permission may come.
            Reply::Refused(why) => {
                if let Some(guard) = leaving.guard.take() {
                    let why = Failure::Refused(Arc::clone(why));
                    actions.push(Action::Failed { guard, why });
                }
                let pause = Some(self.budget.attempt);
                self.gate.failed(now, self.budget.retry, pause);
            }
            _ => {}
        }
    }

    fn exact(&mut self, guard: Guard, uid: &Uid, reply: Reply, actions: &mut Vec<Action>) {
        let Some(entry) = self.entries.get_mut(&guard) else {
            return;
        };
        let Stage::Missed {
            uid: own,
            exact,
            flying,
            ..
        } = &mut entry.stage
        else {
            return;
        };
        if own != uid {
            return;
        }
        *flying = false;
        match reply {
            Reply::List(leases, _) => {
                let others = leases.into_iter().map(|lease| lease.uid);
                *exact = Some(others.filter(|other| other != uid).collect());
                self.settle(actions);
            }
            Reply::Gone => {
                let mut next = entry.clone();
                next.again();
                self.withdraw(guard, false);
                self.entries.insert(guard, next);
            }
            Reply::Refused(why) => {
                self.withdraw(guard, false);
                let why = Failure::Refused(why);
                actions.push(Action::Failed { guard, why });
            }
            _ => {}
        }
    }

    fn posted(
        &mut self,
        guard: Guard,
        name: &Name,
        mark: Version,
        lease: &Lease,
        actions: &mut Vec<Action>,
    ) {
        let mark = if self.mutants.has(Mutant::NaiveRollback) {
            self.rollback.mark()
        } else {
            mark
        };
        if self.rollback.reply(mark, lease.version) {
            self.rolled_back(actions);
        }
        let entry = self.entries.get_mut(&guard);
        let Some(entry) = entry.filter(|entry| entry.name() == *name) else {
            self.expel(&lease.uid, name.clone(), lease.version, None);
            return;
        };
        let created = (lease.uid.clone(), lease.version);
        match &entry.stage {
            Stage::Posting { fresh: true, .. } => {
                entry.stage = Stage::Made {
                    created: Some(created),
                };
                if self.mutants.has(Mutant::HoldBeforeOwnAdded) {
                    let lock = entry.lock.clone();
                    let ahead = self.standing(&lock, &lease.uid);
                    self.place(guard, &lease.uid, lease.version, ahead, actions);
                }
            }
            Stage::Posting { fresh: false, .. } => {
                entry.stage = Stage::Missed {
                    uid: created.0,
                    created: created.1,
                    exact: None,
                    flying: false,
                };
                self.settle(actions);
            }
            Stage::Withdrawn => {
                self.entries.remove(&guard);
                self.expel(&lease.uid, name.clone(), lease.version, Some(guard));
            }
            _ if entry.uid() == Some(&lease.uid) => {}
            _ => self.expel(&lease.uid, name.clone(), lease.version, None),
        }
    }

    fn not_posted(&mut self, guard: Guard, name: &Name, reply: Reply, actions: &mut Vec<Action>) {
        let entry = self.entries.get_mut(&guard);
        let Some(entry) = entry.filter(|entry| entry.name() == *name) else {
            return;
        };
        match (&mut entry.stage, reply) {
            (Stage::Withdrawn, _) => {
                // If it was done all the same, the watch shows it, and it is swept.
                self.entries.remove(&guard);
                self.strays = true;
                actions.push(Action::Released { guard });
            }
            (Stage::Posting { .. }, Reply::Refused(why)) => {
                self.fail(guard, why, actions);
            }
            (Stage::Posting { .. }, Reply::Absent) => {
                self.fail(guard, "there is no such namespace".into(), actions);
            }
            (Stage::Posting { .. }, Reply::Busy { .. }) => {
                let unsure = matches!(entry.stage, Stage::Posting { unsure: true, .. });
                if unsure {
                    self.unsure(guard);
                } else {
                    entry.stage = Stage::Waiting;
                }
            }
            // An earlier POST of ours did it: in this watch its ADDED is still to come.
            (
                Stage::Posting {
                    fresh: true,
                    unsure: true,
                    ..
                },
                Reply::Exists,
            ) => entry.stage = Stage::Made { created: None },
            (Stage::Posting { .. }, Reply::Exists) => {
                entry.again();
                self.strays = true;
            }
            (Stage::Posting { .. }, _) => self.unsure(guard),
            _ => {}
        }
    }

    /// Whether it was posted is not known. In the same watch the same name may be posted again: whichever comes, its
    /// ADDED is seen. Else a new name, and what may be there of the old is swept (L2).
    fn unsure(&mut self, guard: Guard) {
        let Some(entry) = self.entries.get_mut(&guard) else {
            return;
        };
        if let Stage::Posting {
            fresh: true,
            unsure,
            flying,
        } = &mut entry.stage
        {
            *unsure = true;
            *flying = false;
        } else {
            entry.again();
            self.strays = true;
        }
    }

    pub(super) fn fail(&mut self, guard: Guard, why: Arc<str>, actions: &mut Vec<Action>) {
        self.withdraw(guard, false);
        let why = Failure::Refused(why);
        actions.push(Action::Failed { guard, why });
    }
}

impl Entry {
    const fn wants_to_send(&self) -> bool {
        matches!(
            self.stage,
            Stage::Waiting
                | Stage::Posting { flying: false, .. }
                | Stage::Missed {
                    exact: None,
                    flying: false,
                    ..
                }
        )
    }
}
