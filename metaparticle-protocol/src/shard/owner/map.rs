//! What an owner reads and sees of the map, and what that proves (M5, W3, W4).

use super::{Action, Flight, Held, Loss, Owner, Read, Shown, Stage};
use crate::{
    Call, Moment, Rollback, Uid, Version,
    mutant::Mutant,
    shard::{
        api::{Reply, Request, Sight, Stored},
        map::Map,
    },
};

impl Owner {
    pub(super) fn call(&mut self) -> Call {
        self.calls += 1;
        Call(self.calls)
    }

    /// Reads at `at` at the latest; the whole map if either asks for it.
    pub(super) fn check(&mut self, at: Moment, read: Read) {
        self.next = Some(match self.next {
            Some((before, Read::Whole)) => (before.min(at), Read::Whole),
            Some((before, Read::Metadata)) => (before.min(at), read),
            None => (at, read),
        });
    }

    /// Sends what is due.
    pub(super) fn read(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let due = self.next.filter(|(at, _)| now >= *at);
        let Some((_, read)) = due.filter(|_| self.flight.is_none()) else {
            return;
        };
        self.next = None;
        // Without a session nothing is owned that a read could prove; who only follows may doubt what the watch shows.
        let is_idle = self.session.is_none() && self.stage != Stage::Follows;
        if is_idle || (self.mutants.has(Mutant::NoMapProof) && self.held.is_some()) {
            // The watch shows what a gate has to know.
            return;
        }
        let call = self.call();
        let within = self.config.budget.attempt;
        self.flight = Some(Flight {
            call,
            sent: now,
            due: now + within,
            mark: self.rollback.mark(),
            held: self.held.as_ref().map(|held| held.version),
        });
        let request = match read {
            Read::Metadata => Request::Head,
            Read::Whole => Request::Get,
        };
        actions.push(Action::Ask {
            call,
            request,
            within,
        });
    }

    pub(super) fn answer(
        &mut self,
        now: Moment,
        call: Call,
        reply: Reply,
        actions: &mut Vec<Action>,
    ) {
        let Some(flight) = self.flight.take_if(|flight| flight.call == call) else {
            return;
        };
        let budget = self.config.budget;
        match reply {
            Reply::Head(_, version) | Reply::Is(Stored { version, .. })
                if self.rollback.reply(flight.mark, version) =>
            {
                self.rolled_back(now, actions);
            }
            Reply::Head(uid, version) => {
                self.check(flight.sent + budget.renew_every, Read::Metadata);
                self.shown(now, &flight, uid, version, actions);
            }
            Reply::Is(stored) => {
                self.check(flight.sent + budget.renew_every, Read::Metadata);
                let (uid, version) = (stored.uid.clone(), stored.version);
                self.adopt(stored, actions);
                self.shown(now, &flight, uid, version, actions);
            }
            Reply::Absent => {
                if self.is_as_sent(&flight) {
                    self.held = None;
                    self.lose_all(Loss::NoMap, actions);
                    self.check(flight.sent + budget.renew_every, Read::Metadata);
                } else {
                    self.check(now, Read::Metadata);
                }
            }
            Reply::Busy { after } => {
                let pause = after.unwrap_or_default().max(budget.retry);
                self.check(now + pause.min(budget.renew_every), Read::Metadata);
            }
            Reply::Refused(why) => {
                actions.push(Action::Refused(why));
                self.check(now + budget.attempt, Read::Metadata);
            }
            Reply::Unknown | Reply::Conflict | Reply::Deleted => {
                self.check(now + budget.retry, Read::Metadata);
            }
        }
    }

    /// Whether what is held is what was held when it was sent (W4).
    fn is_as_sent(&self, flight: &Flight) -> bool {
        self.held.as_ref().map(|held| held.version) == flight.held
    }

    /// A consistent read showed the map in this state. What is held is proven by it if it is that state, or a later one of
    /// the same object: that one was written after the read was sent.
    fn shown(
        &mut self,
        now: Moment,
        flight: &Flight,
        uid: Uid,
        version: Version,
        actions: &mut Vec<Action>,
    ) {
        let budget = self.config.budget;
        match &self.held {
            Some(held) if held.uid == uid && held.version >= version => {
                self.prove(&uid, flight.sent);
            }
            // An answer of before the object that is held.
            Some(held) if held.version >= version => self.check(now, Read::Metadata),
            held => {
                let is_other = held.as_ref().is_some_and(|held| held.uid != uid);
                if is_other {
                    self.held = None;
                    self.lose_all(Loss::NoMap, actions);
                }
                // The watch most often brings it before a read would (M5).
                let soon = if self.sighted {
                    budget.retry / 4
                } else {
                    budget.retry / 50
                };
                self.check(now + soon, Read::Whole);
                let sent = flight.sent;
                self.shown = Some(Shown { sent, uid, version });
            }
        }
    }

    fn prove(&mut self, uid: &Uid, sent: Moment) {
        let before = self.proven.take().filter(|(known, _)| known == uid);
        let sent = before.map_or(sent, |(_, before)| before.max(sent));
        self.proven = Some((uid.clone(), sent));
    }

    /// A whole map, from a read or the watch. A lower version is older, whatever its uid (W4).
    fn adopt(&mut self, stored: Stored, actions: &mut Vec<Action>) {
        let Stored { uid, version, data } = stored;
        if self
            .held
            .as_ref()
            .is_some_and(|held| version <= held.version)
        {
            return;
        }
        let map = match Map::unpack(&data) {
            Ok(map) => Some(map.into()),
            Err(why) => {
                actions.push(Action::Refused(format!("no map: {why}").into()));
                None
            }
        };
        if self.held.as_ref().is_some_and(|held| held.uid != uid) {
            self.lose_all(Loss::NoMap, actions);
        }
        if self.held.as_ref().is_none_or(|held| held.uid != uid) {
            self.proven = None;
            if let Some((at, Read::Metadata)) = &mut self.next {
                *at = Moment::default();
            }
        }
        if let Some(shown) = self.shown.take() {
            if shown.uid == uid && version >= shown.version {
                self.prove(&uid, shown.sent);
                self.next = Some((shown.sent + self.config.budget.renew_every, Read::Metadata));
            } else {
                self.shown = Some(shown);
            }
        }
        self.held = Some(Held { uid, version, map });
    }

    pub(super) fn saw(&mut self, now: Moment, sight: Sight, actions: &mut Vec<Action>) {
        let back = match &sight {
            Sight::Lost => {
                self.sighted = false;
                self.rollback.watch_is_lost();
                return;
            }
            Sight::Listed(_, version) => {
                self.sighted = true;
                self.rollback.watch_begins(*version)
            }
            Sight::Is(stored) => self.rollback.event(stored.version),
            Sight::Deleted(_, version) => self.rollback.event(*version),
        };
        if back {
            self.rolled_back(now, actions);
        }
        match sight {
            Sight::Listed(Some(stored), _) | Sight::Is(stored) => self.adopt(stored, actions),
            Sight::Listed(None, version) | Sight::Deleted(_, version) => {
                if self
                    .held
                    .as_ref()
                    .is_some_and(|held| held.version < version)
                {
                    self.held = None;
                    self.lose_all(Loss::NoMap, actions);
                }
            }
            Sight::Lost => {}
        }
    }

    fn rolled_back(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.rollback = Rollback::default();
        (self.held, self.proven, self.shown) = (None, None, None);
        self.lose_all(Loss::RolledBack, actions);
        // It is to end: nothing more is gained under it.
        self.session = None;
        self.check(now, Read::Whole);
        actions.push(Action::RolledBack);
    }
}
