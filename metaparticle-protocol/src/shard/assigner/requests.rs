//! What an assigner asks about the map, and what it makes of the answers.

use std::{sync::Arc, time::Duration};

use super::{Action, Assigner, Flight, Known, named};
use crate::{
    Call, Moment, Version,
    shard::{
        api::{Reply, Request, Stored},
        map::Map,
    },
};

/// What is refused is tried again after so long.
const REFUSED: Duration = Duration::from_secs(5);

impl Assigner {
    /// What is to be asked now, if anything.
    pub(super) fn write(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.next = None;
        match &self.known {
            Known::Nothing => self.ask(now, Request::Get, actions),
            Known::Absent => {
                let since = *self.absent.get_or_insert(now);
                let end = since + self.roster.longest();
                if !self.roster.sighted {
                    // The first list says how long; it comes by itself.
                } else if now < end {
                    self.next = Some(end);
                } else {
                    self.create(now, actions);
                }
            }
            Known::Present { uid, version, map } => {
                let (uid, version, map) = (uid.clone(), *version, Arc::clone(map));
                if let Some(next) = self.changes(now, &uid, version, &map) {
                    self.update(now, uid, version, &next, actions);
                }
            }
            Known::Broken { is_newer: true, .. } => self.next = Some(now + REFUSED),
            Known::Broken { uid, version, .. } => {
                let (uid, version) = (uid.clone(), *version);
                self.ask(now, Request::Delete { uid, version }, actions);
            }
        }
    }

    /// Nobody owns anything in it: what is given is given by a PUT (M7).
    fn create(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let Some(term) = self.term.map(|term| term.token) else {
            return;
        };
        self.posted = Some(term);
        let bytes = Map::empty(self.config.slots, term).pack();
        let data = bytes.expect("a map without peers is small").into();
        self.ask(now, Request::Create { data, term }, actions);
    }

    fn update(
        &mut self,
        now: Moment,
        uid: crate::Uid,
        version: Version,
        next: &Map,
        actions: &mut Vec<Action>,
    ) {
        let term = next.term();
        match next.pack() {
            Ok(bytes) => {
                self.bucket.take(now);
                let data = bytes.into();
                let request = Request::Update {
                    uid,
                    version,
                    data,
                    term,
                };
                self.ask(now, request, actions);
            }
            Err(why) => {
                actions.push(Action::Refused(why.to_string().into()));
                self.rest = now + REFUSED;
                self.next = Some(self.rest);
            }
        }
    }

    fn ask(&mut self, now: Moment, request: Request, actions: &mut Vec<Action>) {
        let call = self.call();
        let within = self.config.budget.attempt;
        self.flight = Some(Flight {
            call,
            due: now + within,
            mark: self.rollback.mark(),
            creates: matches!(request, Request::Create { .. }),
        });
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
        self.next = Some(now);
        match reply {
            Reply::Is(stored) if self.rollback.reply(flight.mark, stored.version) => {
                self.rolled_back(actions);
            }
            Reply::Is(stored) => {
                if flight.creates {
                    self.waited = Some(stored.uid.clone());
                }
                self.learn(now, stored, actions);
            }
            Reply::Absent => {
                self.known = Known::Absent;
                self.absent.get_or_insert(now);
                self.moving.clear();
            }
            Reply::Conflict | Reply::Deleted => self.look(now),
            Reply::Busy { after } => {
                self.look(now + after.unwrap_or_default().max(self.config.budget.retry));
            }
            Reply::Refused(why) => {
                actions.push(Action::Refused(why));
                self.look(now + REFUSED);
            }
            Reply::Unknown | Reply::Head(..) => self.look(now + self.config.budget.retry),
        }
    }

    /// The map is to be read before anything is written.
    fn look(&mut self, at: Moment) {
        self.rest = at;
        self.next = Some(at);
        self.plan = None;
        self.known = Known::Nothing;
    }

    fn learn(&mut self, now: Moment, stored: Stored, actions: &mut Vec<Action>) {
        let Stored { uid, version, data } = stored;
        if self.first.as_ref().is_none_or(|(known, _)| *known != uid) {
            self.first = Some((uid.clone(), now));
        }
        (self.plan, self.absent) = (None, None);
        match Map::unpack(&data) {
            Ok(map) => {
                if self.term.is_some_and(|term| map.term() > term.token) {
                    self.rest(actions);
                    actions.push(Action::Superseded);
                    return;
                }
                if self.posted == Some(map.term()) && map.peers().is_empty() {
                    // The answer to the POST was lost.
                    self.waited = Some(uid.clone());
                }
                self.roster.named(&named(&map));
                self.moving.retain(|slot, (generation, _)| {
                    map.entry(*slot)
                        .is_some_and(|entry| entry.to.is_some() && entry.generation == *generation)
                });
                for (slot, entry) in map.entries() {
                    if entry.to.is_some() {
                        self.moving.entry(slot).or_insert((entry.generation, now));
                    }
                }
                let map = Arc::new(map);
                self.known = Known::Present { uid, version, map };
            }
            Err(why) => {
                actions.push(Action::Refused(format!("no map: {why}").into()));
                let is_newer = why.is_newer();
                self.known = Known::Broken {
                    uid,
                    version,
                    is_newer,
                };
            }
        }
    }
}
