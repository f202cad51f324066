//! Who does not lead: observes, and takes the Lease when it is free (W2, T2, E2, E3, E5, E6).

use std::time::Duration;

use super::{
    elector::{Elector, Flight, Kind, Wish},
    io::{Action, TermId},
    marks::{self, Mark, OFFER, Record},
    observed::{only, shown},
    term::Term,
};
use crate::{
    api::{Reply, Request, Sight},
    lease::{Lease, Token, Uid, Version, When, key},
    moment::Moment,
    mutant::Mutant,
    validity::Validity,
};

/// From one candidate's turn to the next one's.
const TURN: Duration = Duration::from_millis(20);
/// Over so long those spread who have no turn.
const SPREAD: Duration = Duration::from_millis(100);
/// After a refusal.
const REFUSED: Duration = Duration::from_secs(5);

impl Elector {
    pub(super) fn follower_saw(&mut self, now: Moment, sight: Sight) {
        if self.has(Mutant::NaiveRollback)
            && shown(&sight).is_some_and(|lease| lease.version < self.rollback.mark())
        {
            self.rolled_back(now);
        }
        match sight {
            Sight::Lost => {
                self.observed.sighted = false;
                self.rollback.watch_is_lost();
            }
            Sight::Listed(leases, version) => {
                if self.rollback.watch_begins(version) {
                    self.rolled_back(now);
                }
                let goes_on = self.has(Mutant::LostWatchBlindness);
                let lease = only(leases);
                if let Some(lease) = &lease {
                    self.learn_marks(lease);
                }
                self.observed.begins(now, lease, version, goes_on);
            }
            Sight::Added(lease) | Sight::Modified(lease) => {
                if self.rollback.event(lease.version) {
                    self.rolled_back(now);
                }
                if self.is_news(&lease) {
                    self.learn(now, lease);
                }
            }
            Sight::Deleted(lease) => {
                if self.rollback.event(lease.version) {
                    self.rolled_back(now);
                }
                if self.is_news(&lease) {
                    self.observed.is_absent(now, lease.version);
                }
            }
        }
    }

    /// Whether it is newer than what is known (W4).
    pub(super) fn is_news(&self, lease: &Lease) -> bool {
        lease.version > self.observed.version || self.has(Mutant::NoEventOrder)
    }

    /// Acts, if it is time to.
    pub(super) fn follow(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.wake_follower().is_none_or(|due| now < due) || self.flight.is_some() {
            return;
        }
        if self.observed.contradicted {
            let name = self.config.name.clone();
            return self.send(now, Kind::Look, Request::Get { name }, out);
        }
        let Some(lease) = self.observed.lease.clone() else {
            return self.create(now, out);
        };
        if let Some(role) = lease
            .labels
            .get(key::ROLE)
            .filter(|role| &***role != marks::ROLE)
        {
            self.rest = now + REFUSED;
            let text = format!(
                "the Lease {} belongs to a {role}, not to an election",
                lease.name
            );
            out.push(Action::Refused(text.into()));
        } else if self.contends() {
            self.acquire(now, &lease, out);
        } else {
            self.tidy(now, &lease, out);
        }
    }

    /// When [`follow`](Self::follow) is due.
    pub(super) fn wake_follower(&self) -> Option<Moment> {
        let me = &self.config.identity;
        let tidies = !self.contends() && self.owed.is_none() && self.is_own_record();
        let blind = !self.observed.sighted && !self.has(Mutant::LostWatchBlindness);
        if blind || !(tidies || self.contends()) {
            return None;
        }
        if self.observed.contradicted {
            return Some(self.rest);
        }
        let always = self.has(Mutant::EmptyHolderAlwaysFree);
        let mut free = self.observed.free(me, self.config.budget.lease, always);
        if self.has(Mutant::WallClock) {
            free = self.free_by_wall_clock().unwrap_or(free);
        }
        Some((free + self.turn()).max(self.rest))
    }

    /// For the mutant `WallClock`: when the holder's own timestamp says that it has expired.
    fn free_by_wall_clock(&self) -> Option<Moment> {
        #[cfg(feature = "mutants")]
        let wall = self.wall;
        #[cfg(not(feature = "mutants"))]
        let wall = 0;
        let spec = &self.observed.lease.as_ref()?.spec;
        let renewed = u64::try_from(spec.renewed?.0 - wall).unwrap_or(0);
        Some(Moment::new(Duration::from_micros(renewed) + spec.duration?))
    }

    /// How long it leaves others the first turn (E6).
    fn turn(&self) -> Duration {
        let me = &self.config.identity;
        if self.is_own_record() {
            return Duration::ZERO;
        }
        // After our own empty record: whoever created it may as well go on.
        if self.created.is_some()
            && self.created.as_ref() == self.observed.lease.as_ref().map(|lease| &lease.uid)
        {
            return Duration::ZERO;
        }
        let before = self.order.iter().position(|who| who == me);
        let turns = u32::try_from(before.unwrap_or(self.order.len())).unwrap_or(u32::MAX);
        let spread = match before {
            Some(_) => Duration::ZERO,
            None => self.spread(0, SPREAD),
        };
        TURN.saturating_mul(turns) + spread
    }

    fn create(&mut self, now: Moment, out: &mut Vec<Action>) {
        let record = Record {
            mark: Mark::Created,
            holder: None,
            duration: self.config.budget.lease,
            acquired: When::Kept(None),
            transitions: 0,
            token: self.highest,
            successors: &[],
            container: None,
        };
        let request = Request::Create {
            name: self.config.name.clone(),
            draft: record.draft(),
        };
        self.send(now, Kind::Create, request, out);
    }

    fn acquire(&mut self, now: Moment, lease: &Lease, out: &mut Vec<Action>) {
        if self.is_own_record() && self.has(Mutant::NameGrants) {
            let term = self.begun(lease, marks::token(lease).unwrap_or_default(), now);
            return self.begin(term, out);
        }
        let goes_on = self.is_own_record() && self.has(Mutant::RenewalWithoutNewTerm);
        let token = match marks::token(lease) {
            Some(token) if goes_on => token,
            _ => Token(lease.version.0).max(Token(self.highest.0 + 1)),
        };
        let others: Vec<_> = self
            .order
            .iter()
            .filter(|who| **who != self.config.identity)
            .cloned()
            .collect();
        let record = Record {
            mark: Mark::Held,
            holder: Some(&self.config.identity),
            duration: self.config.budget.lease,
            acquired: When::Now,
            transitions: marks::next(lease.spec.transitions),
            token,
            successors: &others,
            container: self.config.container.as_ref(),
        };
        let request = self.update(lease.uid.clone(), lease.version, &record);
        self.send(now, Kind::Acquire(token), request, out);
    }

    /// A record that names us while we want no term: a late acquisition, or an offer (E3). Freed for the others.
    fn tidy(&mut self, now: Moment, lease: &Lease, out: &mut Vec<Action>) {
        let record = Record {
            mark: Mark::Released,
            holder: None,
            duration: OFFER,
            acquired: When::Kept(lease.spec.acquired),
            transitions: lease.spec.transitions,
            token: self.highest,
            successors: &marks::successors(lease),
            container: None,
        };
        let request = self.update(lease.uid.clone(), lease.version, &record);
        self.send(now, Kind::Tidy, request, out);
    }

    /// A PUT; its reply comes to what was sent last.
    pub(super) fn update(&self, uid: Uid, version: Version, record: &Record<'_>) -> Request {
        Request::Update {
            name: self.config.name.clone(),
            uid: if self.has(Mutant::PutWithoutUid) {
                Uid::from("")
            } else {
                uid
            },
            version: if self.has(Mutant::NoCompareAndSwap) {
                Version(0)
            } else {
                version
            },
            draft: record.draft(),
        }
    }

    pub(super) fn reply_to_follower(
        &mut self,
        now: Moment,
        flight: &Flight,
        reply: Reply,
        out: &mut Vec<Action>,
    ) {
        // What the watch told meanwhile is newer than what was contradicted.
        let unchanged = self.observed.version == flight.version;
        match reply {
            Reply::Is(lease) => {
                self.tries = 0;
                if self.rollback.reply(flight.mark, lease.version) {
                    self.rolled_back(now);
                }
                self.took(now, flight, lease, out);
            }
            Reply::Conflict | Reply::Exists | Reply::Absent if flight.kind != Kind::Look => {
                self.observed.contradicted |= unchanged;
                self.rest = self.again(now, None);
                if self.has(Mutant::RetryWithConflictsVersion) && reply == Reply::Conflict {
                    (self.observed.contradicted, self.resend) = (true, true);
                    self.rest = now;
                }
            }
            Reply::Absent => {
                self.tries = 0;
                if unchanged {
                    self.observed.is_absent(now, Version(0));
                }
            }
            Reply::Refused(why) => {
                self.rest = now + REFUSED;
                out.push(Action::Refused(why));
            }
            Reply::Busy { after } => self.rest = self.again(now, after),
            _ => self.rest = self.again(now, None),
        }
    }

    fn took(&mut self, now: Moment, flight: &Flight, lease: Lease, out: &mut Vec<Action>) {
        let sent = if self.has(Mutant::ValidityFromReceive) {
            now
        } else {
            flight.sent
        };
        let valid = Validity::new(sent, self.config.budget.lease).holds(now);
        match flight.kind {
            Kind::Acquire(token) if valid && self.contends() && self.is_latest(&lease, token) => {
                self.deposed = self.observed.holder().cloned();
                let term = self.begun(&lease, token, sent);
                if self.is_news(&lease) {
                    self.learn(now, lease);
                }
                return self.begin(term, out);
            }
            Kind::Look if self.resend => {
                (self.resend, self.observed.contradicted) = (false, false);
                return self.acquire(now, &lease, out);
            }
            Kind::Create => self.created = Some(lease.uid.clone()),
            Kind::Look if lease.version >= self.observed.version => {
                self.observed.contradicted = false;
            }
            _ => {}
        }
        if self.is_news(&lease) {
            self.learn(now, lease);
        }
    }

    /// Whether nothing newer is known of the Lease than that we acquired it.
    fn is_latest(&self, lease: &Lease, token: Token) -> bool {
        let newer = self.observed.version > lease.version;
        let still = self
            .observed
            .lease
            .as_ref()
            .filter(|_| self.is_own_record());
        !newer
            || still
                .is_some_and(|still| still.uid == lease.uid && marks::token(still) == Some(token))
    }

    fn begun(&self, lease: &Lease, token: Token, sent: Moment) -> Term {
        Term::new(
            TermId(self.terms + 1),
            token,
            lease,
            Validity::new(sent, self.config.budget.lease),
            sent + self.config.budget.renew_every,
        )
    }

    fn begin(&mut self, term: Term, out: &mut Vec<Action>) {
        self.terms += 1;
        self.wish = Wish::Nothing;
        self.highest = self.highest.max(term.token);
        self.rest = Moment::default();
        out.push(Action::Begin {
            term: term.id,
            token: term.token,
            until: term.validity.deadline(),
        });
        self.term = Some(term);
    }
}
