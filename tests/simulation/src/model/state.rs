//! [`State`]: all of a small world at one moment, and what can happen next.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use metaparticle_protocol::{
    Budget, Call, Reply, Request, Sight, Uid, Version,
    api::{Selector, Watch},
};

use super::{
    Actor, Model,
    slots::{LEAD, REST},
};
use crate::{
    clock::Clock,
    monitor::{Monitor, Violation},
    node::{Effect, Input},
    store::Store,
};

/// The lease of everything in the model.
pub(super) const LEASE: Duration = Duration::from_secs(2);

/// What can happen. The numbers are places in [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A request is executed.
    Serve(usize),
    /// An answer arrives.
    Answer(usize),
    /// A watch tells its next event.
    See(usize, Watch),
    /// Time goes on to the next moment at which anybody acts.
    Pass,
    /// The application does what it may: of that note.
    Do(usize, u64),
    /// A term is given to this process; the last one is over.
    Lead(usize),
    /// Others hear that this process's earlier life has ended.
    Report(usize),
    /// A fault: a message is late. It arrives at any later time, or never.
    Delay(usize),
    /// A fault: a request is executed, and is under way once more.
    Duplicate(usize),
    /// A fault: a watch is late.
    Freeze(usize, Watch),
    /// A late watch goes on.
    Thaw(usize, Watch),
    /// A fault: a watch breaks.
    Break(usize, Watch),
    /// A fault: SIGSTOP.
    Pause(usize),
    /// SIGCONT.
    Continue(usize),
    /// A fault: SIGKILL and a start under the same name.
    Restart(usize),
    /// A fault: the object is deleted by hand.
    Remove,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<A> {
    pub(super) now: Duration,
    /// The horizon.
    pub(super) end: Duration,
    pub(super) store: Store,
    pub(super) places: Vec<Place<A>>,
    pub(super) messages: Vec<Message>,
    pub(super) faults: u8,
    /// So many terms were given, the last to this process.
    pub(super) terms: u64,
    pub(super) leader: Option<usize>,
    /// Who held when the model began.
    first: Option<usize>,
    monitor: Monitor,
    /// What was broken.
    pub violation: Option<Violation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place<A> {
    pub(super) actor: A,
    incarnation: u32,
    pub(super) clock: Clock,
    pub(super) is_paused: bool,
    /// The session of a life that has ended, which nobody was told yet.
    pub(super) ended: Option<(u32, Uid)>,
    pub(super) watches: BTreeMap<Watch, Stream>,
    /// Unanswered, and until when.
    pub(super) waits: BTreeMap<Call, metaparticle_protocol::Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stream {
    pub(super) by: Selector,
    pub(super) sent: Option<Version>,
    pub(super) is_frozen: bool,
    pub(super) is_lost: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) of: (usize, u32),
    call: Call,
    pub(super) content: Content,
    pub(super) is_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Content {
    Request(Request, metaparticle_protocol::Stamp),
    Answer(Reply),
}

impl<A: Actor> State<A> {
    /// All processes have started.
    pub(super) fn new(model: &Model<A>) -> Self {
        let budget = Budget::try_new(LEASE).expect("a valid lease");
        let places = model.rates.iter().enumerate().map(|(index, rate)| Place {
            actor: A::new(index, 1, budget, model.mutants, &model.setting),
            incarnation: 1,
            clock: Clock::new(
                Duration::ZERO,
                *rate,
                i64::try_from(3 * index).expect("small"),
            ),
            is_paused: false,
            ended: None,
            watches: BTreeMap::new(),
            waits: BTreeMap::new(),
        });
        let mut state = Self {
            now: Duration::ZERO,
            end: model.horizon,
            store: Store::default(),
            places: places.collect(),
            messages: Vec::new(),
            faults: model.faults,
            terms: 0,
            leader: None,
            first: None,
            monitor: Monitor::default(),
            violation: None,
        };
        for index in 0..state.places.len() {
            state.start(index);
        }
        if let Some((leader, _)) = A::terms(&model.setting) {
            state.lead(leader);
            state.begin(model);
        }
        state
    }

    /// What comes before the model begins, undisturbed: until somebody holds, and what the start ends with.
    fn begin(&mut self, model: &Model<A>) {
        let undisturbed = Model {
            faults: 0,
            horizon: LEASE * 10,
            ..model.clone()
        };
        (self.faults, self.end) = (0, undisturbed.horizon);
        while self.first.is_none() {
            self.go_on(&undisturbed, true);
            self.first = self.holder();
        }
        if let Some((index, note)) = A::first(&model.setting) {
            self.step(index, Input::Note(note));
        }
        while self.go_on(&undisturbed, false) {}
        (self.faults, self.end) = (model.faults, self.now + model.horizon);
    }

    /// The first thing that can happen; that time passes only if it `waits`.
    fn go_on(&mut self, model: &Model<A>, waits: bool) -> bool {
        let mut actions = Vec::new();
        self.actions(model, &mut actions);
        let next = actions.into_iter().find(|action| match action {
            Action::Serve(_) | Action::Answer(_) | Action::See(..) => true,
            Action::Pass => waits,
            _ => false,
        });
        if let Some(action) = next {
            self.act(model, action);
            self.settle();
        }
        next.is_some()
    }

    /// That process's term begins, and the last one's is over.
    fn lead(&mut self, index: usize) {
        self.terms += 1;
        if let Some(last) = self.leader.replace(index) {
            self.step(last, Input::Note(REST));
        }
        self.step(index, Input::Note(LEAD | self.terms << 8));
    }

    /// Whether somebody holds who did not when the model began.
    pub(super) fn is_alive(&self) -> bool {
        self.holder()
            .is_some_and(|holder| self.first != Some(holder))
    }

    fn holder(&self) -> Option<usize> {
        let name = A::RESOURCE.into();
        let clocks = |index: usize| self.places[index].clock.at(self.now);
        let mut holders = self.monitor.holders(clocks, &name);
        holders.next().map(|(index, ..)| index)
    }

    /// It happens.
    pub(super) fn act(&mut self, model: &Model<A>, action: Action) {
        match action {
            Action::Serve(index) => {
                let message = self.messages.remove(index);
                self.serve(message);
            }
            Action::Duplicate(index) => {
                self.faults -= 1;
                let mut message = self.messages[index].clone();
                message.is_late = true;
                self.messages.push(message);
                let message = self.messages.remove(index);
                self.serve(message);
            }
            Action::Answer(index) => {
                let message = self.messages.remove(index);
                if let Content::Answer(reply) = message.content {
                    self.answer(message.of.0, message.call, reply);
                }
            }
            Action::See(index, watch) => self.see(index, watch),
            Action::Pass => self.pass(),
            Action::Do(index, note) => self.step(index, Input::Note(note)),
            Action::Lead(index) => self.lead(index),
            Action::Report(index) => {
                if let Some((incarnation, uid)) = self.places[index].ended.take() {
                    for other in 0..self.places.len() {
                        let ended = Input::Ended(index, incarnation, Some(uid.clone()));
                        if !self.places[other].is_paused {
                            self.step(other, ended);
                        }
                    }
                }
            }
            Action::Delay(index) => {
                self.faults -= 1;
                self.messages[index].is_late = true;
            }
            Action::Freeze(index, watch) => {
                self.faults -= 1;
                self.stream(index, watch).is_frozen = true;
            }
            Action::Thaw(index, watch) => self.stream(index, watch).is_frozen = false,
            Action::Break(index, watch) => {
                self.faults -= 1;
                let stream = self.stream(index, watch);
                (stream.sent, stream.is_lost) = (None, true);
                self.step(index, Input::Sight(0, watch, Sight::Lost));
            }
            Action::Pause(index) => {
                self.faults -= 1;
                self.places[index].is_paused = true;
            }
            Action::Continue(index) => self.places[index].is_paused = false,
            Action::Restart(index) => {
                self.faults -= 1;
                let place = &mut self.places[index];
                self.monitor.crashed(index, place.incarnation);
                let session = place.actor.session();
                place.ended = session.map(|uid| (place.incarnation, uid));
                self.leader = self.leader.filter(|leader| *leader != index);
                place.incarnation += 1;
                place.is_paused = false;
                place.watches.clear();
                place.waits.clear();
                let budget = Budget::try_new(LEASE).expect("a valid lease");
                place.actor = A::new(
                    index,
                    place.incarnation,
                    budget,
                    model.mutants,
                    &model.setting,
                );
                self.start(index);
            }
            Action::Remove => {
                self.faults -= 1;
                if let Some(name) = A::BY_HAND {
                    self.store.delete(&name.into(), None, None);
                }
            }
        }
    }

    /// What nobody can tell apart becomes the same.
    pub(super) fn settle(&mut self) {
        let places = &self.places;
        self.messages.retain(|message| {
            let is_of = places[message.of.0].incarnation == message.of.1;
            is_of || matches!(message.content, Content::Request(..))
        });
        self.messages.sort_by_cached_key(|message| {
            (
                message.of,
                message.call,
                message.is_late,
                format!("{:?}", message.content),
            )
        });
        let streams = self.places.iter().flat_map(|place| place.watches.values());
        let seen = streams.filter_map(|stream| stream.sent).min();
        self.store.compact(seen.unwrap_or(self.store.version()));
        self.monitor.grants = 0;
    }

    fn start(&mut self, index: usize) {
        let place = &mut self.places[index];
        let (now, wall) = (place.clock.at(self.now), place.clock.wall(self.now));
        let effects = place.actor.start(now, wall);
        self.effects(index, effects);
    }

    fn step(&mut self, index: usize, input: Input) {
        let place = &mut self.places[index];
        let now = place.clock.at(self.now);
        let effects = place.actor.step(now, input);
        self.effects(index, effects);
    }

    fn stream(&mut self, index: usize, watch: Watch) -> &mut Stream {
        self.places[index]
            .watches
            .get_mut(&watch)
            .expect("only watches that are there are chosen")
    }

    fn serve(&mut self, mut message: Message) {
        let Content::Request(request, wall) = &message.content else {
            return;
        };
        let reply = self.store.execute(request, *wall);
        message.content = Content::Answer(reply);
        message.is_late = false;
        self.messages.push(message);
    }

    fn answer(&mut self, index: usize, call: Call, reply: Reply) {
        self.places[index].waits.remove(&call);
        self.step(index, Input::Reply(0, call, reply));
    }

    fn see(&mut self, index: usize, watch: Watch) {
        let stream = &self.places[index].watches[&watch];
        let (sight, version) = match stream.sent {
            None => {
                let version = self.store.version();
                (Sight::Listed(self.store.list(&stream.by), version), version)
            }
            Some(sent) => match self.store.next_event(&stream.by, sent) {
                Ok(Some(told)) => told,
                _ => return,
            },
        };
        let stream = self.stream(index, watch);
        stream.sent = Some(version);
        stream.is_lost = false;
        self.step(index, Input::Sight(0, watch, sight));
    }

    fn pass(&mut self) {
        let Some(next) = self.next() else {
            return;
        };
        self.now = next;
        for index in 0..self.places.len() {
            let place = &mut self.places[index];
            if place.is_paused {
                continue;
            }
            let now = place.clock.at(next);
            let over: VecDeque<_> = place
                .waits
                .iter()
                .filter(|(_, until)| now >= **until)
                .map(|(call, _)| *call)
                .collect();
            for call in over {
                self.answer(index, call, Reply::Unknown);
            }
            let place = &mut self.places[index];
            if place.actor.wake().is_some_and(|wake| now >= wake) {
                let effects = place.actor.tick(now);
                self.effects(index, effects);
            }
        }
    }

    fn effects(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            if let Err(violation) = self.effect(index, effect) {
                self.violation.get_or_insert(violation);
            }
        }
    }

    fn effect(&mut self, index: usize, effect: Effect) -> Result<(), Violation> {
        let place = &mut self.places[index];
        let local = place.clock.at(self.now);
        let of = (index, place.incarnation);
        match effect {
            Effect::Send {
                call,
                request,
                within,
                ..
            } => {
                place.waits.insert(call, local + within);
                let wall = place.clock.wall(self.now);
                self.messages.push(Message {
                    of,
                    call,
                    content: Content::Request(request, wall),
                    is_late: false,
                });
            }
            Effect::Watch { watch, by, .. } => {
                let stream = Stream {
                    by,
                    sent: None,
                    is_frozen: false,
                    is_lost: false,
                };
                place.watches.insert(watch, stream);
            }
            Effect::Unwatch { watch, .. } => {
                place.watches.remove(&watch);
            }
            Effect::Hold(guard, grant) => {
                let clocks: Vec<_> = self
                    .places
                    .iter()
                    .map(|place| place.clock.at(self.now))
                    .collect();
                let id = (of.0, of.1, guard);
                let clock = |index: usize| clocks[index];
                let monitor = &mut self.monitor;
                monitor.hold(self.now, clock, id, grant, false, &self.store)?;
            }
            Effect::Extend(guard, until) => {
                self.monitor.extend(local, (of.0, of.1, guard), until)?;
            }
            Effect::Invalidate(guard) => self.monitor.invalidate((of.0, of.1, guard)),
            _ => {}
        }
        Ok(())
    }
}
