//! [`Assigner`]: the one writer of the map (rules M1, M3, M4, M6, M7). It runs in every process that contends for the
//! election, and writes while its process leads.

mod changes;
mod io;
mod requests;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub use io::{Action, Config, Input};

use super::{
    api,
    bucket::Bucket,
    map::{Map, Peer, Slot},
    roster::{Roster, Step},
};
use crate::{
    Call, Machine, Moment, Mutants, Rollback, Selector, Token, Uid, Version, Watch, lease::key,
    session,
};

/// For so long after the first acknowledgement others are waited for, to be committed in the same write (M1).
const COALESCE: Duration = Duration::from_millis(10);
/// How much longer than its drain an owner may take to acknowledge (M6).
const GRACE: Duration = Duration::from_secs(2);

/// One process's part in assigning slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Assigner {
    config: Arc<Config>,
    mutants: Mutants,
    roster: Roster,
    sessions: Option<Watch>,
    map: Option<Watch>,
    term: Option<Term>,
    /// The term whose deadline has come without a word that it is over: what extends it may still be on its way here.
    lapsed: Option<Token>,
    /// This process was cut off, as others may have been: since when it is not any more.
    back: Back,
    known: Known,
    /// Since when there is none, as far as was seen (M7).
    absent: Option<Moment>,
    /// The term that has tried to create one.
    posted: Option<Token>,
    /// The map that is known, or was, and since when (M7).
    first: Option<(Uid, Moment)>,
    /// What nobody owns in this map was nobody's for long enough (M7).
    waited: Option<Uid>,
    /// The request about the map that is under way: at most one.
    flight: Option<Flight>,
    asked: BTreeMap<Call, (Uid, Step)>,
    rollback: Rollback,
    bucket: Bucket,
    /// Nothing is asked about the map before.
    rest: Moment,
    /// Since when this assigner knows what is prepared (M6).
    moving: BTreeMap<Slot, (Version, Moment)>,
    /// Acknowledgements wait for others until then.
    gather: Option<Moment>,
    /// Where slots are to be, while nothing changes.
    plan: Option<Arc<Placement>>,
    /// When the map is to be looked at again, whatever happens.
    next: Option<Moment>,
    calls: u64,
}

/// Whether this process has its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Back {
    /// It never lost one.
    Always,
    /// It was lost.
    No,
    /// It has another.
    Since(Moment),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Term {
    token: Token,
    until: Moment,
}

/// What is known of the map, in this term.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Known {
    Nothing,
    Absent,
    Present {
        uid: Uid,
        version: Version,
        map: Arc<Map>,
    },
    /// What is stored is no map: it is deleted, unless it is of a later version of this library.
    Broken {
        uid: Uid,
        version: Version,
        is_newer: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    call: Call,
    /// Without an answer by then, nobody knows.
    due: Moment,
    mark: Version,
    creates: bool,
}

/// Where slots are to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Placement {
    peers: Vec<Peer>,
    slots: Vec<u16>,
}

impl Assigner {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(config: Config, mutants: Mutants) -> Self {
        let (map, by) = (config.map.clone(), config.by.clone());
        Self {
            roster: Roster::new(map, by, config.budget, mutants),
            config: Arc::new(config),
            mutants,
            sessions: None,
            map: None,
            term: None,
            lapsed: None,
            back: Back::Always,
            known: Known::Nothing,
            absent: None,
            posted: None,
            first: None,
            waited: None,
            flight: None,
            asked: BTreeMap::new(),
            rollback: Rollback::default(),
            bucket: Bucket::default(),
            rest: Moment::default(),
            moving: BTreeMap::new(),
            gather: None,
            plan: None,
            next: None,
            calls: 0,
        }
    }

    /// The map as it is known in this term.
    #[must_use]
    pub fn map(&self) -> Option<&Map> {
        match &self.known {
            Known::Present { map, .. } => Some(map),
            _ => None,
        }
    }

    /// The sessions that own slots, and the containers of their processes: that one of these has ended is worth proving,
    /// while this one leads (P1).
    pub fn suspects(&self) -> impl Iterator<Item = (&Uid, &Arc<str>)> {
        self.roster.suspects().filter(|_| self.term.is_some())
    }

    /// Checked before each request (M1).
    fn leads(&self, now: Moment) -> bool {
        self.term.is_some_and(|term| now < term.until)
    }

    fn call(&mut self) -> Call {
        self.calls += 1;
        Call(self.calls)
    }

    /// What was known was known in another term, or of another store.
    fn forget(&mut self) {
        self.known = Known::Nothing;
        self.flight = None;
        self.absent = None;
        self.moving.clear();
        (self.gather, self.plan, self.next) = (None, None, None);
    }

    fn rest(&mut self, actions: &mut Vec<Action>) {
        (self.term, self.lapsed) = (None, None);
        self.forget();
        if let Some(watch) = self.map.take() {
            actions.push(Action::Unwatch { watch });
        }
    }

    fn rolled_back(&mut self, actions: &mut Vec<Action>) {
        self.rollback = Rollback::default();
        (self.first, self.waited) = (None, None);
        self.rest(actions);
        actions.push(Action::RolledBack);
    }

    fn start(&mut self, actions: &mut Vec<Action>) {
        if self.sessions.is_none() {
            let watch = Watch(self.call().0);
            self.sessions = Some(watch);
            let labels = BTreeMap::from([(key::ROLE, Arc::from(session::ROLE))]);
            let by = Selector::Labels(labels);
            actions.push(Action::Watch { watch, by });
        }
    }

    fn lead(&mut self, now: Moment, token: Token, until: Moment, actions: &mut Vec<Action>) {
        self.start(actions);
        self.rest(actions);
        self.next = Some(now);
        self.term = Some(Term { token, until });
        let watch = Watch(self.call().0);
        self.map = Some(watch);
        actions.push(Action::WatchMap { watch });
    }

    /// What the watch of the map shows is a hint: reads are consistent (M1).
    fn saw_map(&mut self, now: Moment, sight: api::Sight, actions: &mut Vec<Action>) {
        let (is_news, back) = match sight {
            api::Sight::Lost => {
                self.rollback.watch_is_lost();
                (false, false)
            }
            api::Sight::Listed(stored, version) => {
                let stored = stored.map(|stored| (stored.uid, stored.version));
                (self.is_news(stored), self.rollback.watch_begins(version))
            }
            api::Sight::Is(stored) => {
                let back = self.rollback.event(stored.version);
                (self.is_news(Some((stored.uid, stored.version))), back)
            }
            api::Sight::Deleted(uid, version) => {
                let is_known = match &self.known {
                    Known::Present { uid: known, .. } | Known::Broken { uid: known, .. } => {
                        *known == uid
                    }
                    Known::Nothing | Known::Absent => false,
                };
                (is_known, self.rollback.event(version))
            }
        };
        if back {
            self.rolled_back(actions);
        } else if is_news {
            self.forget();
            self.next = Some(now);
        }
    }

    /// Whether it is not what is known, nor older (W4).
    fn is_news(&self, stored: Option<(Uid, Version)>) -> bool {
        match (&self.known, stored) {
            (Known::Nothing, _) | (Known::Absent, None) => false,
            (Known::Absent, Some(_)) | (Known::Present { .. } | Known::Broken { .. }, None) => true,
            (Known::Present { version, .. } | Known::Broken { version, .. }, Some((_, stored))) => {
                stored > *version
            }
        }
    }

    fn act(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.roster.pass(now);
        if let Some(flight) = self.flight.as_ref().filter(|flight| now >= flight.due) {
            let call = flight.call;
            self.answer(now, call, api::Reply::Unknown, actions);
        }
        if !self.leads(now) {
            if let Some(Term { token, .. }) = self.term {
                self.rest(actions);
                self.lapsed = Some(token);
            }
            return;
        }
        for (uid, step) in self.roster.due(now) {
            let call = self.call();
            if let Some(request) = self.roster.request(&uid, step, call) {
                self.asked.insert(call, (uid, step));
                let within = self.config.budget.attempt;
                actions.push(Action::Send {
                    call,
                    request,
                    within,
                });
            }
        }
        if std::mem::take(&mut self.roster.changed) {
            self.plan = None;
            self.next = Some(now);
        }
        // Thousands of slots are not looked at for each renewal of thousands of sessions.
        let is_due = self.next.is_some_and(|next| now >= next.max(self.rest));
        if is_due && self.flight.is_none() {
            self.write(now, actions);
        }
    }
}

impl Machine for Assigner {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Start => self.start(&mut actions),
            Input::Lead { token, until } => self.lead(now, token, until, &mut actions),
            Input::Extend { until } => {
                match (&mut self.term, self.lapsed) {
                    // What has passed stays so (T1).
                    (Some(term), _) if now < term.until => term.until = term.until.max(until),
                    // It was not over: everything is read anew.
                    (None, Some(token)) if now < until => {
                        self.lead(now, token, until, &mut actions);
                    }
                    _ => {}
                }
            }
            Input::Rest => self.rest(&mut actions),
            Input::Lost => self.back = Back::No,
            Input::Opened => {
                if self.back == Back::No {
                    self.back = Back::Since(now);
                    self.next = self.term.map(|_| now);
                }
            }
            Input::Proven(uid) => self.roster.proven(&uid),
            Input::Reply(call, reply) => {
                if let Some((uid, step)) = self.asked.remove(&call) {
                    if let crate::Reply::Refused(why) = &reply {
                        actions.push(Action::Refused(Arc::clone(why)));
                    }
                    self.roster.answered(now, &uid, step, reply);
                }
            }
            Input::Answer(call, reply) => self.answer(now, call, reply, &mut actions),
            Input::Saw(watch, sight) if self.sessions == Some(watch) => {
                let was_blind = !self.roster.sighted;
                if self.roster.saw(now, sight) {
                    self.rolled_back(&mut actions);
                }
                if was_blind && self.roster.sighted {
                    // What was acknowledged meanwhile was not seen, or is, now (T2).
                    for (_, since) in self.moving.values_mut() {
                        *since = now;
                    }
                }
            }
            Input::SawMap(watch, sight) if self.map == Some(watch) => {
                self.saw_map(now, sight, &mut actions);
            }
            Input::Saw(..) | Input::SawMap(..) => {}
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
        let leads = self.term.is_some();
        let roster = self.roster.wake(leads);
        if !leads {
            return roster;
        }
        let own = match &self.flight {
            Some(flight) => Some(flight.due),
            None => self.next.map(|next| next.max(self.rest)),
        };
        roster.into_iter().chain(own).min()
    }
}

/// Those whom a map names.
fn named(map: &Map) -> BTreeSet<&Uid> {
    map.peers().iter().map(|peer| &peer.uid).collect()
}
