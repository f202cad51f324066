//! [`Owner`]: which slots this process may serve (rules M2 to M6, M8 as the owner sees them). It follows the map, proves
//! by a read of its metadata in each third of the session that it still is what it was, drains what is to move, and
//! acknowledges that on its session's Lease, whose machine is another.

mod io;
mod map;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub use io::{Action, Config, DRAIN, Input, Loss};

use super::{
    acks::Acks,
    gate::{Claim, Here, Verdict, verdict},
    map::{Map, Slot},
};
use crate::{
    Call, Machine, Moment, Mutants, Name, Rollback, Token, Uid, Version, Watch, lease::key,
    mutant::Mutant,
};

/// Doubts are followed up so often at most (M8).
const DOUBTS: Duration = Duration::from_millis(500);

/// One process's part in owning slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    config: Arc<Config>,
    mutants: Mutants,
    stage: Stage,
    session: Option<(Name, Uid)>,
    /// Of the session.
    until: Moment,
    held: Option<Held>,
    /// The last proof that the map is what is held: when the read was sent, and of which uid (M5).
    proven: Option<(Uid, Moment)>,
    /// What a read of the metadata showed that is newer than what is held.
    shown: Option<Shown>,
    /// What may be relied on was last told to last until then.
    told: Moment,
    slots: BTreeMap<Slot, Mine>,
    acks: Acks,
    watch: Option<Watch>,
    sighted: bool,
    flight: Option<Flight>,
    /// When the next read is due, and of what.
    next: Option<(Moment, Read)>,
    doubted: Moment,
    rollback: Rollback,
    calls: u64,
}

/// How far the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Follows,
    Joined,
    Leaving,
    Left,
}

/// The map as it is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    uid: Uid,
    version: Version,
    /// `None`: what is stored is no map.
    map: Option<Arc<Map>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shown {
    sent: Moment,
    uid: Uid,
    version: Version,
}

/// A slot that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Mine {
    token: Token,
    /// Is drained: for which generation, and until when.
    drain: Option<(Version, Moment)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Read {
    Metadata,
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flight {
    call: Call,
    sent: Moment,
    due: Moment,
    /// What was seen before it was sent (W3).
    mark: Version,
    /// What was held when it was sent.
    held: Option<Version>,
}

impl Owner {
    /// One that owns nothing and follows nothing yet.
    #[must_use]
    pub fn new(config: Config, mutants: Mutants) -> Self {
        Self {
            config: Arc::new(config),
            mutants,
            stage: Stage::Follows,
            session: None,
            until: Moment::default(),
            held: None,
            proven: None,
            shown: None,
            told: Moment::default(),
            slots: BTreeMap::new(),
            acks: Acks::default(),
            watch: None,
            sighted: false,
            flight: None,
            next: None,
            doubted: Moment::default(),
            rollback: Rollback::default(),
            calls: 0,
        }
    }

    /// The map as it is held: where requests for other slots go.
    #[must_use]
    pub fn map(&self) -> Option<&Arc<Map>> {
        self.held.as_ref()?.map.as_ref()
    }

    /// The slots that are served, and their tokens, at `now`.
    pub fn owned(&self, now: Moment) -> impl Iterator<Item = (Slot, Token)> {
        let is_valid = self.deadline().is_some_and(|until| now < until);
        let slots = self.slots.iter().filter(move |_| is_valid);
        slots.map(|(slot, mine)| (*slot, mine.token))
    }

    /// What becomes of a request that another gate sent here (M8).
    #[must_use]
    pub fn judge(&self, now: Moment, claim: &Claim) -> Verdict {
        let own = self.session.as_ref().map(|(_, uid)| uid);
        verdict(claim, own, self.here(now, claim.slot))
    }

    /// What this process knows of a slot.
    #[must_use]
    pub fn here(&self, now: Moment, slot: Slot) -> Here {
        let own = self.session.as_ref().map(|(_, uid)| uid);
        let is_valid = self.deadline().is_some_and(|until| now < until);
        let entry = self.map().and_then(|map| map.entry(slot));
        match (self.slots.get(&slot), entry) {
            (Some(mine), _) if !is_valid => Here::Unproven(mine.token),
            (Some(mine), _) if mine.drain.is_some() => Here::Draining(mine.token),
            (Some(mine), _) => Here::Serving(mine.token),
            (None, Some(entry)) if entry.owner.is_some_and(|peer| Some(&peer.uid) == own) => {
                // It was drained, or the read that proves it is under way.
                if self.acks.generation(slot).is_some() || now < self.until {
                    Here::Draining(entry.token)
                } else {
                    Here::Unproven(entry.token)
                }
            }
            (None, entry) => Here::Elsewhere(entry.map(|entry| entry.token)),
        }
    }

    /// The uid of the session under which slots are owned.
    #[must_use]
    pub fn session(&self) -> Option<&Uid> {
        self.session.as_ref().map(|(_, uid)| uid)
    }

    /// When the last read was sent that proved the map to be what is held (M5).
    #[must_use]
    pub fn proven(&self) -> Option<Moment> {
        let held = self.held.as_ref()?;
        let (_, sent) = self.proven.as_ref().filter(|(uid, _)| *uid == held.uid)?;
        Some(*sent)
    }

    /// Until when what is owned can be relied on: the session's deadline, and that of the last proof (M5).
    fn deadline(&self) -> Option<Moment> {
        self.session.as_ref()?;
        if self.mutants.has(Mutant::NoMapProof) {
            return Some(self.until);
        }
        Some(self.until.min(self.proven()? + self.config.budget.usable))
    }

    fn tell(&self, now: bool, actions: &mut Vec<Action>) {
        let config = &self.config;
        let mut told = BTreeMap::new();
        if self.stage != Stage::Follows {
            told.insert(key::SHARDS, config.map.as_str().into());
            told.insert(key::POD, Arc::clone(&config.pod));
            if !config.address.is_empty() {
                told.insert(key::ADDRESS, Arc::clone(&config.address));
            }
            if matches!(self.stage, Stage::Leaving | Stage::Left) {
                told.insert(key::LEAVING, "true".into());
            }
            if !self.acks.is_empty() {
                told.insert(key::DRAINED, self.acks.to_text());
            }
        }
        actions.push(Action::Tell { told, now });
    }

    fn lose(&mut self, slot: Slot, why: Loss, actions: &mut Vec<Action>) {
        if self.slots.remove(&slot).is_some() {
            actions.push(Action::Lost { slot, why });
        }
    }

    fn lose_all(&mut self, why: Loss, actions: &mut Vec<Action>) {
        self.told = Moment::default();
        for slot in std::mem::take(&mut self.slots).into_keys() {
            actions.push(Action::Lost { slot, why });
        }
    }

    /// What time alone brings about: it comes first, so that what comes too late finds nothing to revive (T1).
    fn pass(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if !self.slots.is_empty() && self.deadline().is_none_or(|until| now >= until) {
            self.lose_all(Loss::Unproven, actions);
        }
        let over = self.slots.iter();
        let over = over.filter_map(|(slot, mine)| {
            let (generation, until) = mine.drain?;
            (now >= until).then_some((*slot, generation))
        });
        let over: Vec<_> = over.collect();
        if !over.is_empty() {
            for (slot, generation) in over {
                self.lose(slot, Loss::DrainTooLong, actions);
                self.acks.insert(slot, generation);
            }
            self.tell(true, actions);
        }
        if let Some(flight) = self.flight.as_ref().filter(|flight| now >= flight.due) {
            let call = flight.call;
            self.answer(now, call, super::api::Reply::Unknown, actions);
        }
    }

    /// Serves what the map says, and no more.
    fn settle(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let Some(map) = self.map().cloned() else {
            self.lose_all(Loss::NoMap, actions);
            return;
        };
        // Who has left gains nothing more, whatever an assigner wrote that had not heard of it: the session is being deleted.
        let has_left = self.stage == Stage::Left;
        let until = self.deadline().filter(|until| now < *until && !has_left);
        if let Some(until) = until
            && until > self.told
        {
            self.told = until;
            if !self.slots.is_empty() {
                actions.push(Action::Valid { until });
            }
        }
        let gone = self.acks.retain(|slot, generation| {
            map.entry(slot)
                .is_some_and(|entry| entry.to.is_some() && entry.generation == generation)
        });
        let mut drained = BTreeSet::new();
        for (slot, entry) in map.entries() {
            let is_mine = entry
                .owner
                .is_some_and(|peer| self.is_me(&peer.uid, &peer.pod));
            let early = self.mutants.has(Mutant::ServingOnPrepare)
                && entry
                    .to
                    .is_some_and(|peer| self.is_me(&peer.uid, &peer.pod));
            let mine = self.slots.get(&slot).copied();
            match mine {
                Some(_) if !is_mine && !early => self.lose(slot, Loss::Moved, actions),
                Some(mine) if mine.token != entry.token && !early => {
                    self.lose(slot, Loss::Moved, actions);
                }
                _ => {}
            }
            if is_mine && entry.to.is_some() && !self.slots.contains_key(&slot) {
                // Nothing is to be drained of what is not served.
                if self.acks.generation(slot) != Some(entry.generation) {
                    drained.insert((slot, entry.generation));
                }
                continue;
            }
            let Some(until) = until else { continue };
            if early && !is_mine {
                self.gain(slot, Token(entry.generation.0), until, actions);
                continue;
            }
            if !is_mine {
                continue;
            }
            let mine = self.slots.get_mut(&slot);
            match (entry.to, mine) {
                (None, None) => self.gain(slot, entry.token, until, actions),
                (None, Some(mine)) => {
                    if mine.drain.take().is_some() {
                        actions.push(Action::Resumed { slot });
                    }
                }
                (Some(_), Some(mine)) => {
                    let generation = entry.generation;
                    if mine.drain.is_none_or(|(known, _)| known != generation) {
                        let until = now + self.config.drain;
                        mine.drain = Some((generation, until));
                        actions.push(Action::Drain {
                            slot,
                            generation,
                            until,
                        });
                    }
                }
                (Some(_), None) => {}
            }
        }
        let news = !drained.is_empty();
        for (slot, generation) in drained {
            self.acks.insert(slot, generation);
        }
        if gone || news {
            self.tell(news, actions);
        }
    }

    fn is_me(&self, uid: &Uid, pod: &Arc<str>) -> bool {
        let is_mine = self.session.as_ref().is_some_and(|(_, own)| own == uid);
        is_mine || (self.mutants.has(Mutant::NameWithoutIncarnation) && *pod == self.config.pod)
    }

    fn gain(&mut self, slot: Slot, token: Token, until: Moment, actions: &mut Vec<Action>) {
        let mine = Mine { token, drain: None };
        if self.slots.insert(slot, mine).is_none() {
            actions.push(Action::Gained { slot, token, until });
        }
    }

    fn drained(&mut self, slot: Slot, generation: Version, actions: &mut Vec<Action>) {
        let drain = self.slots.get(&slot).and_then(|mine| mine.drain);
        if drain.is_some_and(|(drained, _)| drained == generation) {
            self.lose(slot, Loss::Drained, actions);
            self.acks.insert(slot, generation);
            self.tell(true, actions);
        }
    }

    fn take(&mut self, now: Moment, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Join if self.stage == Stage::Follows => {
                self.stage = Stage::Joined;
                self.tell(true, actions);
                if self.session.is_none() {
                    actions.push(Action::Session);
                }
            }
            Input::Opened { name, uid } => {
                self.session = Some((name, uid));
                self.until = now;
                self.check(now, Read::Metadata);
            }
            Input::Valid { until } => self.until = self.until.max(until),
            Input::Lost => {
                self.session = None;
                self.lose_all(Loss::Session, actions);
                self.acks.clear();
                self.tell(false, actions);
                if self.stage == Stage::Joined {
                    actions.push(Action::Session);
                }
            }
            Input::Drained { slot, generation } => self.drained(slot, generation, actions),
            Input::Lapsed { slot, token } => {
                if self
                    .slots
                    .get(&slot)
                    .is_some_and(|mine| mine.token == token)
                {
                    self.lose(slot, Loss::Unproven, actions);
                }
            }
            Input::Doubt => {
                // One read answers all who doubt before it is sent.
                if now >= self.doubted {
                    let is_first = self.doubted == Moment::default();
                    let at = if is_first {
                        now
                    } else {
                        now.max(self.doubted + DOUBTS)
                    };
                    self.doubted = at;
                    self.check(at, Read::Metadata);
                }
            }
            Input::Leave => {
                if !matches!(self.stage, Stage::Leaving | Stage::Left) {
                    self.stage = Stage::Leaving;
                    self.tell(true, actions);
                }
            }
            Input::Answer(call, reply) => self.answer(now, call, reply, actions),
            Input::Saw(watch, sight) if self.watch == Some(watch) => {
                self.saw(now, sight, actions);
            }
            Input::Join | Input::Saw(..) => {}
        }
    }

    fn act(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.watch.is_none() {
            let watch = Watch(self.call().0);
            self.watch = Some(watch);
            actions.push(Action::WatchMap { watch });
        }
        self.read(now, actions);
        if self.stage == Stage::Leaving && self.owns_nothing(now) {
            self.stage = Stage::Left;
            actions.push(Action::Left);
        }
    }

    /// Whether no map names this process, as was proven.
    fn owns_nothing(&self, now: Moment) -> bool {
        let Some((_, own)) = &self.session else {
            return true;
        };
        let is_proven = self.deadline().is_some_and(|until| now < until);
        let named = self
            .map()
            .map(|map| map.peers().iter().any(|peer| peer.uid == *own));
        is_proven && named == Some(false)
    }
}

impl Machine for Owner {
    type Input = Input;
    type Action = Action;

    fn step(&mut self, now: Moment, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        // Thousands of slots are not looked at for each of thousands that are drained.
        let of_one_slot = matches!(input, Input::Drained { .. });
        self.pass(now, &mut actions);
        self.take(now, input, &mut actions);
        if !of_one_slot {
            self.settle(now, &mut actions);
        }
        self.act(now, &mut actions);
        actions
    }

    fn tick(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        self.pass(now, &mut actions);
        self.settle(now, &mut actions);
        self.act(now, &mut actions);
        actions
    }

    fn wake(&self) -> Option<Moment> {
        let deadline = self.deadline().filter(|_| !self.slots.is_empty());
        let drains = self.slots.values().filter_map(|mine| mine.drain);
        let drain = drains.map(|(_, until)| until).min();
        let read = match &self.flight {
            Some(flight) => Some(flight.due),
            None => self.next.map(|(at, _)| at),
        };
        [deadline, drain, read].into_iter().flatten().min()
    }
}
