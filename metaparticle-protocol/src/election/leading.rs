//! Who leads: renews, confirms what the server contradicts, drains and hands over (E1, E4, E6, W3 to W5).

use std::{sync::Arc, time::Duration};

use super::{
    elector::{Elector, Flight, Kind},
    io::{Action, Ended, Input, TermId},
    marks::{self, Mark, OFFER, Record},
    observed::{only, shown},
    peers,
    term::Mode,
};
use crate::{
    api::{Reply, Request, Sight},
    lease::{Identity, Lease, Version, When},
    moment::Moment,
    mutant::Mutant,
    validity::Validity,
};

/// A server that says "come again later" is obeyed for so long at most: a lease does not wait.
const PATIENCE: Duration = Duration::from_secs(1);

impl Elector {
    /// What time alone does to a term.
    pub(super) fn pass_term(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(term) = &mut self.term else { return };
        if let Mode::Draining { until } = term.mode
            && now >= until
        {
            term.mode = Mode::Expiring;
        }
        if !term.validity.holds(now) {
            self.end(Ended::Expired, out);
        }
    }

    /// Sends what is due.
    pub(super) fn lead(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(term) = &self.term else { return };
        if self.flight.is_some() || term.due(self.rest).is_none_or(|due| now < due) {
            return;
        }
        if term.confirm {
            let name = self.config.name.clone();
            return self.send(now, Kind::Confirm, Request::Get { name }, out);
        }
        let kind = if term.renews() {
            Kind::Renew
        } else {
            Kind::Offer
        };
        let request = if kind == Kind::Renew {
            self.renewal(now)
        } else {
            self.offer(now)
        };
        self.send(now, kind, request, out);
    }

    fn renewal(&self, now: Moment) -> Request {
        let term = self.term.as_ref().expect("there is a term");
        let successors = self.successors(now);
        let record = Record {
            mark: Mark::Held,
            holder: Some(&self.config.identity),
            duration: self.config.budget.lease,
            acquired: When::Kept(term.acquired),
            transitions: term.transitions,
            token: term.token,
            successors: &successors,
            container: self.config.container.as_ref(),
        };
        self.update(term.uid.clone(), term.version, &record)
    }

    /// The record with which a term is handed over: to one, or to nobody in particular (E4).
    fn offer(&mut self, now: Moment) -> Request {
        let mut successors = self.successors(now);
        let term = self.term.as_mut().expect("there is a term");
        let named = term
            .to
            .as_ref()
            .and_then(|to| successors.iter().position(|who| peers::is(who, to)));
        term.offered = (!successors.is_empty()).then(|| successors.remove(named.unwrap_or(0)));
        let term = self.term.as_ref().expect("there is a term");
        let mark = if term.offered.is_some() {
            Mark::Offered
        } else {
            Mark::Released
        };
        let record = Record {
            mark,
            holder: term.offered.as_ref(),
            duration: OFFER,
            acquired: When::Now,
            transitions: if mark == Mark::Offered {
                marks::next(term.transitions)
            } else {
                term.transitions
            },
            token: term.token,
            successors: &successors,
            container: None,
        };
        self.update(term.uid.clone(), term.version, &record)
    }

    fn successors(&self, now: Moment) -> Vec<Identity> {
        self.peers
            .fresh(now, &self.config.identity, self.deposed.as_ref())
    }

    pub(super) fn stop(&mut self, now: Moment, to: Option<Arc<str>>, out: &mut Vec<Action>) {
        if !matches!(&self.term, Some(term) if term.mode == Mode::Leading) {
            return;
        }
        if let Some(named) = &to
            && !self.successors(now).iter().any(|who| peers::is(who, named))
        {
            out.push(Action::Declined {
                to: Arc::clone(named),
            });
            return;
        }
        let early = self.has(Mutant::ReleaseBeforeInvalidation);
        let drain = self.config.drain;
        self.rest = now;
        let term = self.term.as_mut().expect("just seen");
        term.to = to;
        term.mode = if term.idle || early {
            Mode::Offering
        } else {
            Mode::Draining { until: now + drain }
        };
        if !early {
            out.push(Action::Drain { term: term.id });
        }
    }

    /// The work of a term has returned, and its permits are dropped.
    pub(super) fn idle(&mut self, now: Moment, id: TermId, out: &mut Vec<Action>) {
        if self.owed == Some(id) {
            self.owed = None;
        }
        let Some(term) = self.term.as_mut().filter(|term| term.id == id) else {
            return;
        };
        term.idle = true;
        match term.mode {
            Mode::Leading => self.stop(now, None, out),
            Mode::Draining { .. } => {
                term.mode = Mode::Offering;
                self.rest = now;
            }
            Mode::Expiring | Mode::Offering => {}
        }
    }

    pub(super) fn leader_saw(&mut self, now: Moment, sight: Sight, out: &mut Vec<Action>) {
        let naive = self.has(Mutant::NaiveRollback)
            && shown(&sight).is_some_and(|lease| lease.version < self.rollback.mark());
        let back = match &sight {
            Sight::Lost => {
                self.observed.sighted = false;
                self.rollback.watch_is_lost();
                return;
            }
            Sight::Listed(_, version) => {
                self.observed.sighted = true;
                self.rollback.watch_begins(*version)
            }
            Sight::Added(lease) | Sight::Modified(lease) | Sight::Deleted(lease) => {
                self.rollback.event(lease.version)
            }
        };
        if back || naive {
            self.end(Ended::RolledBack, out);
            self.rolled_back(now);
        }
        match sight {
            Sight::Added(lease) | Sight::Modified(lease) => self.leader_sees(now, lease, out),
            Sight::Deleted(lease) => self.leader_misses(now, lease.version, out),
            Sight::Listed(leases, version) => match only(leases) {
                Some(lease) => self.leader_sees(now, lease, out),
                None => self.leader_misses(now, version, out),
            },
            Sight::Lost => {}
        }
    }

    /// A state of the Lease. What is older than our own last write, or than what was seen since, does not count (W4).
    fn leader_sees(&mut self, now: Moment, lease: Lease, out: &mut Vec<Action>) {
        if !self.is_news(&lease) {
            return;
        }
        if let Some(term) = &mut self.term {
            if term.is_in(&lease, &self.config.identity) {
                term.version = lease.version;
                term.confirm = false;
            } else {
                let why = if term.uid != lease.uid {
                    Ended::Deleted
                } else if term.mode == Mode::Offering && marks::token(&lease) == Some(term.token) {
                    Self::given(&lease)
                } else {
                    Ended::Deposed {
                        by: lease.spec.holder.clone(),
                    }
                };
                self.end(why, out);
            }
        }
        self.learn(now, lease);
    }

    /// There is no Lease, in a state of the store of that version.
    fn leader_misses(&mut self, now: Moment, version: Version, out: &mut Vec<Action>) {
        if version > self.observed.version || self.has(Mutant::NoEventOrder) {
            self.end(Ended::Deleted, out);
            self.observed.is_absent(now, version);
        }
    }

    /// How a record of ours without us says that the term was given away.
    fn given(lease: &Lease) -> Ended {
        match (Mark::of(lease), &lease.spec.holder) {
            (Some(Mark::Offered), Some(to)) => Ended::Offered { to: to.clone() },
            (Some(Mark::Released), None) => Ended::Released,
            (_, by) => Ended::Deposed { by: by.clone() },
        }
    }

    pub(super) fn reply_to_leader(
        &mut self,
        now: Moment,
        flight: &Flight,
        reply: Reply,
        out: &mut Vec<Action>,
    ) {
        match reply {
            Reply::Is(lease) => {
                if self.rollback.reply(flight.mark, lease.version) {
                    self.end(Ended::RolledBack, out);
                    self.rolled_back(now);
                    return self.learn(now, lease);
                }
                self.confirmed(now, flight, lease, out);
            }
            Reply::Absent => {
                self.end(Ended::Deleted, out);
                if self.observed.version == flight.version {
                    self.observed.is_absent(now, Version(0));
                }
            }
            Reply::Conflict => {
                // The first time at once: most often it is our own write, whose answer was lost.
                let again = self.again(now, None);
                let due = if self.tries == 1 { now } else { again };
                self.put_off(due, true);
            }
            Reply::Busy { after } => {
                let due = self.again(now, after.map(|after| after.min(PATIENCE)));
                self.put_off(due, false);
            }
            Reply::Refused(why) => {
                out.push(Action::Refused(why));
                let due = self.again(now, None);
                self.put_off(due, false);
            }
            _ => {
                let due = self.again(now, None);
                self.put_off(due, false);
            }
        }
    }

    /// The next attempt is at `due`; after a contradiction it is a read.
    fn put_off(&mut self, due: Moment, contradicted: bool) {
        self.rest = due;
        if let Some(term) = &mut self.term {
            term.renew = due;
            term.confirm |= contradicted;
        }
    }

    /// The server showed the Lease, in answer to a read or as what a write made of it.
    fn confirmed(&mut self, now: Moment, flight: &Flight, lease: Lease, out: &mut Vec<Action>) {
        if flight.kind != Kind::Confirm {
            self.tries = 0;
        }
        match flight.kind {
            Kind::Renew => {
                let configured = self.config.budget;
                let sent = if self.has(Mutant::ValidityFromReceive) {
                    now
                } else {
                    flight.sent
                };
                let revives = self.has(Mutant::LateAcknowledgementRevives);
                let term = self.term.as_mut().expect("there is a term");
                let extended = match term.validity.extended(now, sent, configured.lease) {
                    None if revives => Some(Validity::new(sent, configured.lease)),
                    extended => extended,
                };
                if let Some(validity) = extended {
                    term.validity = validity;
                    out.push(Action::Extend {
                        term: term.id,
                        until: validity.deadline(),
                    });
                }
                term.renew = flight.sent + configured.renew_every;
                self.leader_sees(now, lease, out);
            }
            Kind::Offer => {
                let why = Self::given(&lease);
                self.end(why, out);
                if self.is_news(&lease) {
                    self.learn(now, lease);
                }
            }
            _ => {
                let term = self.term.as_mut().expect("there is a term");
                (term.confirm, term.renew, self.rest) = (false, now, now);
                self.leader_sees(now, lease, out);
            }
        }
    }

    /// The term is over: nothing of it is valid, nothing of it is waited for.
    pub(super) fn end(&mut self, why: Ended, out: &mut Vec<Action>) {
        let Some(term) = self.term.take() else { return };
        if !term.idle {
            self.owed = Some(term.id);
        }
        (self.flight, self.rest, self.tries, self.created) = (None, Moment::default(), 0, None);
        out.push(Action::End { term: term.id, why });
    }

    /// For the mutant `LateAcknowledgementRevives`: whether an input acknowledges a renewal.
    pub(super) fn is_renewed_by(&self, input: &Input) -> bool {
        match (input, &self.flight) {
            (Input::Reply(call, Reply::Is(_)), Some(flight)) => {
                flight.call == *call && flight.kind == Kind::Renew
            }
            _ => false,
        }
    }
}
