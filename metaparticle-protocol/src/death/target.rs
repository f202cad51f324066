//! [`Target`]: what is known of one session, and what is to be done about it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    Budget, Call, Identity, Lease, Moment, Mutants, Name, Reply, Request, Sight, Spec, Uid,
    Version,
    lease::{Draft, When, key},
    mutant::Mutant,
    session::REVOKED,
};

/// One session of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Target {
    pub(super) name: Name,
    pub(super) uid: Uid,
    /// Somebody waits for it; else it is only looked at once.
    pub(super) followed: bool,
    /// A watch shows it; else it is read every third of its duration.
    pub(super) watched: bool,
    /// Nothing is seen of it at present: its time does not run (T2).
    pub(super) blind: bool,
    /// Its process was proven to have ended (P1).
    pub(super) proven: bool,
    revoke: Revoke,
    pub(super) seen: Option<Seen>,
    pub(super) flight: Option<Call>,
    pub(super) next: Option<Next>,
}

/// The state in which it was last seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) version: Version,
    pub(super) spec: Spec,
    annotations: BTreeMap<&'static str, Arc<str>>,
    /// Since when it has this spec, on our clock.
    since: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Revoke {
    No,
    Asked,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Read,
    Bury,
    Revoke,
}

/// What is done next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Next {
    at: Moment,
    step: Step,
}

impl Next {
    pub(super) const fn at(at: Moment, step: Step) -> Self {
        Self { at, step }
    }
}

impl Target {
    pub(super) const fn new(name: Name, uid: Uid) -> Self {
        Self {
            name,
            uid,
            followed: false,
            watched: false,
            blind: false,
            proven: false,
            revoke: Revoke::No,
            seen: None,
            flight: None,
            next: None,
        }
    }

    /// The container of its holder, by its own word.
    pub(super) fn container(&self) -> Option<&Arc<str>> {
        self.seen.as_ref()?.annotations.get(key::CONTAINER)
    }

    /// Whether it is to be taken from its holder (S4).
    pub(super) fn is_revoked(&self) -> bool {
        self.revoke != Revoke::No
    }

    pub(super) fn revoke(&mut self, now: Moment) {
        if self.revoke == Revoke::No {
            self.revoke = Revoke::Asked;
            if self.flight.is_none() {
                self.next = Some(Next::at(now, Step::Read));
            }
        }
    }

    /// Nothing more is to be learned of one that is only looked at.
    pub(super) fn finished(&self) -> bool {
        self.flight.is_none() && (self.next.is_none() || self.seen.is_some())
    }

    /// Its own duration, whatever ours is.
    fn duration(&self, budget: &Budget) -> Duration {
        self.seen
            .as_ref()
            .and_then(|seen| seen.spec.duration)
            .unwrap_or(budget.lease)
    }

    /// When its spec was unchanged for its whole duration.
    fn expiry(&self, budget: &Budget, mutants: Mutants) -> Option<Moment> {
        let seen = self.seen.as_ref()?;
        let blind = self.blind && !mutants.has(Mutant::LostWatchBlindness);
        (self.followed && !blind).then(|| {
            if self.revoke == Revoke::Done && mutants.has(Mutant::RevocationWithoutWait) {
                return seen.since;
            }
            seen.since + self.duration(budget)
        })
    }

    /// What is to be done now, if anything.
    pub(super) fn due(&mut self, now: Moment, budget: &Budget, mutants: Mutants) -> Option<Step> {
        if self.flight.is_some() {
            return None;
        }
        if let Some(next) = self.next {
            return (now >= next.at).then_some(next.step);
        }
        if self.proven && self.seen.is_some() {
            return Some(Step::Bury);
        }
        let expiry = self.expiry(budget, mutants).filter(|at| now >= *at)?;
        // We slept over it, and have yet to see what happened meanwhile: the count starts again (T2).
        let overslept = now.since(expiry) > self.duration(budget) / 3;
        if overslept && !mutants.has(Mutant::LostWatchBlindness) {
            if let Some(seen) = &mut self.seen {
                seen.since = now;
            }
            return None;
        }
        Some(Step::Bury)
    }

    pub(super) fn wake(&self, budget: &Budget) -> Option<Moment> {
        if self.flight.is_some() {
            return None;
        }
        if let Some(next) = self.next {
            return Some(next.at);
        }
        if self.proven && self.seen.is_some() {
            return Some(Moment::default());
        }
        self.expiry(budget, Mutants::NONE)
    }

    pub(super) fn request(&self, step: Step, by: &Identity, mutants: Mutants) -> Option<Request> {
        let name = self.name.clone();
        Some(match step {
            Step::Read => Request::Get { name },
            Step::Bury => Request::Delete {
                name,
                uid: self.uid.clone(),
                version: self
                    .seen
                    .as_ref()
                    .map(|seen| seen.version)
                    .filter(|_| !mutants.has(Mutant::DeleteWithoutVersion)),
            },
            Step::Revoke => {
                let seen = self.seen.as_ref()?;
                Request::Update {
                    name,
                    uid: self.uid.clone(),
                    version: seen.version,
                    draft: Draft {
                        holder: Some(format!("{REVOKED}{by}").into()),
                        duration: seen.spec.duration?,
                        acquired: When::Kept(seen.spec.acquired),
                        renewed: When::Kept(seen.spec.renewed),
                        transitions: seen.spec.transitions,
                        annotations: seen.annotations.clone(),
                        labels: BTreeMap::new(),
                        owner: None,
                    },
                }
            }
        })
    }

    /// An answer came. `true`: it is dead.
    pub(super) fn answered(
        &mut self,
        now: Moment,
        step: Step,
        reply: Reply,
        budget: &Budget,
    ) -> bool {
        let again = now + budget.retry;
        match (step, reply) {
            (_, Reply::Absent) | (Step::Bury, Reply::Deleted) => return true,
            (_, Reply::Is(lease)) if lease.uid != self.uid => return true,
            (Step::Read, Reply::Is(lease)) => {
                self.observe(now, &lease, self.blind && !self.watched);
                if !self.watched {
                    self.blind = false;
                }
                self.plan(now, budget);
            }
            (Step::Revoke, Reply::Is(lease)) => {
                // The whole duration, from the acknowledgement (S4).
                self.observe(now, &lease, true);
                self.revoke = Revoke::Done;
                self.plan(now, budget);
            }
            (Step::Bury | Step::Revoke, Reply::Conflict) => {
                self.next = Some(Next::at(now, Step::Read));
            }
            (step, Reply::Refused(_)) => {
                self.outage(step);
                self.next = Some(Next::at(now + self.duration(budget) / 3, Step::Read));
            }
            (step, Reply::Busy { after }) => {
                self.outage(step);
                self.next = Some(Next::at(
                    again.max(now + after.unwrap_or_default()),
                    Step::Read,
                ));
            }
            // Whether it was done, a read tells.
            (step, _) => {
                self.outage(step);
                self.next = Some(Next::at(again, Step::Read));
            }
        }
        false
    }

    /// A read that fails is a gap in what we see of one that is not watched.
    fn outage(&mut self, step: Step) {
        if step == Step::Read && !self.watched {
            self.blind = true;
        }
    }

    fn plan(&mut self, now: Moment, budget: &Budget) {
        let third = now + self.duration(budget) / 3;
        self.next = match self.revoke {
            Revoke::Asked
                if self
                    .seen
                    .as_ref()
                    .is_some_and(|seen| seen.spec.duration.is_some()) =>
            {
                Some(Next::at(now, Step::Revoke))
            }
            _ if self.watched || !self.followed => None,
            // The next read, unless it is dead before.
            _ => match self.expiry(budget, Mutants::NONE) {
                Some(expiry) if expiry <= third => None,
                _ => Some(Next::at(third, Step::Read)),
            },
        };
    }

    /// A sight of a watch by its name. `true`: it is dead.
    pub(super) fn saw(&mut self, now: Moment, sight: &Sight, mutants: Mutants) -> bool {
        match sight {
            Sight::Listed(leases, _) => {
                let Some(lease) = leases.iter().find(|lease| lease.uid == self.uid) else {
                    return true;
                };
                self.observe(now, lease, !mutants.has(Mutant::LostWatchBlindness));
                self.blind = false;
                if self.revoke == Revoke::Asked && self.flight.is_none() {
                    self.next = Some(Next::at(now, Step::Revoke));
                }
            }
            Sight::Added(lease) | Sight::Modified(lease) if lease.name == self.name => {
                if lease.uid != self.uid {
                    return true;
                }
                let old = self
                    .seen
                    .as_ref()
                    .is_some_and(|seen| lease.version < seen.version);
                if !old {
                    self.observe(now, lease, false);
                }
            }
            Sight::Deleted(lease) => return lease.uid == self.uid,
            Sight::Added(_) | Sight::Modified(_) => {}
            Sight::Lost => self.blind = true,
        }
        false
    }

    /// Its time starts again if its spec changed, or `anew` (T2).
    fn observe(&mut self, now: Moment, lease: &Lease, anew: bool) {
        let since = self
            .seen
            .as_ref()
            .filter(|seen| seen.spec == lease.spec && !anew)
            .map_or(now, |seen| seen.since);
        self.seen = Some(Seen {
            version: lease.version,
            spec: lease.spec.clone(),
            annotations: lease.annotations.clone(),
            since,
        });
    }
}
