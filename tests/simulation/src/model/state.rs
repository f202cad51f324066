//! [`State`]: all of a small world at one moment, and what can happen next.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use metaparticle_protocol::{
    Budget, Call, Reply, Request, Sight, Version,
    api::{Selector, Watch},
};

use super::{Actor, Model, nodes::LEAVE};
use crate::{
    clock::Clock,
    monitor::{Monitor, Violation},
    node::{Effect, Input},
    store::Store,
};

/// The lease of everything in the model.
const LEASE: Duration = Duration::from_secs(2);

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
    /// The application ends what it holds.
    Leave(usize),
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
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State<A> {
    now: Duration,
    store: Store,
    places: Vec<Place<A>>,
    messages: Vec<Message>,
    faults: u8,
    monitor: Monitor,
    /// What was broken.
    pub violation: Option<Violation>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place<A> {
    actor: A,
    incarnation: u32,
    clock: Clock,
    is_paused: bool,
    watches: BTreeMap<Watch, Stream>,
    /// Unanswered, and until when.
    waits: BTreeMap<Call, metaparticle_protocol::Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stream {
    by: Selector,
    sent: Option<Version>,
    is_frozen: bool,
    is_lost: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Message {
    of: (usize, u32),
    call: Call,
    content: Content,
    is_late: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Content {
    Request(Request, metaparticle_protocol::Stamp),
    Answer(Reply),
}

impl<A: Actor> State<A> {
    /// All processes have started.
    pub(super) fn new(model: &Model<A>) -> Self {
        let budget = Budget::try_new(LEASE).expect("a valid lease");
        let places = model.rates.iter().enumerate().map(|(index, rate)| Place {
            actor: A::new(index, 1, budget, model.mutants),
            incarnation: 1,
            clock: Clock::new(
                Duration::ZERO,
                *rate,
                i64::try_from(3 * index).expect("small"),
            ),
            is_paused: false,
            watches: BTreeMap::new(),
            waits: BTreeMap::new(),
        });
        let mut state = Self {
            now: Duration::ZERO,
            store: Store::default(),
            places: places.collect(),
            messages: Vec::new(),
            faults: model.faults,
            monitor: Monitor::default(),
            violation: None,
        };
        for index in 0..state.places.len() {
            state.start(index);
        }
        state
    }

    /// Whether somebody holds.
    pub(super) fn is_held(&self) -> bool {
        let name = A::RESOURCE.into();
        let clocks = |index: usize| self.places[index].clock.at(self.now);
        self.monitor.holders(clocks, &name).next().is_some()
    }

    /// What can happen now. What reaches different processes commutes: one process after the other takes what came, in any
    /// order of its own. Then the server serves, in any order of all; then time goes on. Faults begin and end in between.
    pub(super) fn actions(&self, model: &Model<A>, actions: &mut Vec<Action>) {
        for index in 0..self.places.len() {
            self.local(index, actions);
            if !actions.is_empty() {
                return;
            }
        }
        self.late(actions);
        if self.faults > 0 {
            self.faulty(actions);
        }
        let mut is_quiet = true;
        for (index, message) in self.messages.iter().enumerate() {
            if !message.is_late && matches!(message.content, Content::Request(..)) {
                is_quiet = false;
                actions.push(Action::Serve(index));
                if self.faults > 0 {
                    actions.push(Action::Delay(index));
                    actions.push(Action::Duplicate(index));
                }
            }
        }
        let is_round = self.now.as_nanos().is_multiple_of((LEASE / 4).as_nanos());
        if is_quiet && (is_round || model.faults == 0) {
            let leaves = (0..self.places.len())
                .filter(|index| !self.places[*index].is_paused)
                .filter(|index| self.places[*index].actor.may_leave());
            actions.extend(leaves.map(Action::Leave));
        }
        if is_quiet && self.next().is_some_and(|next| next <= model.horizon) {
            actions.push(Action::Pass);
        }
    }

    /// What came too late, or stands still, and may come now.
    fn late(&self, actions: &mut Vec<Action>) {
        for (index, message) in self.messages.iter().enumerate() {
            match message.content {
                Content::Request(..) if message.is_late => actions.push(Action::Serve(index)),
                Content::Answer(_) if message.is_late && !self.places[message.of.0].is_paused => {
                    actions.push(Action::Answer(index));
                }
                _ => {}
            }
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.is_paused {
                actions.push(Action::Continue(index));
            }
            let frozen = place.watches.iter().filter(|(_, stream)| stream.is_frozen);
            actions.extend(frozen.map(|(watch, _)| Action::Thaw(index, *watch)));
        }
    }

    /// What has come for this process.
    fn local(&self, index: usize, actions: &mut Vec<Action>) {
        let place = &self.places[index];
        if place.is_paused {
            return;
        }
        for (number, message) in self.messages.iter().enumerate() {
            let is_answer = matches!(message.content, Content::Answer(_));
            if is_answer && message.of.0 == index && !message.is_late {
                actions.push(Action::Answer(number));
                if self.faults > 0 {
                    actions.push(Action::Delay(number));
                }
            }
        }
        for (watch, stream) in &place.watches {
            if !stream.is_frozen && self.tells(stream) {
                actions.push(Action::See(index, *watch));
                if self.faults > 0 {
                    actions.push(Action::Freeze(index, *watch));
                }
            }
        }
    }

    /// Faults of processes and watches.
    fn faulty(&self, actions: &mut Vec<Action>) {
        for (index, place) in self.places.iter().enumerate() {
            if !place.is_paused {
                actions.push(Action::Pause(index));
            }
            actions.push(Action::Restart(index));
            let whole = place.watches.iter().filter(|(_, stream)| !stream.is_lost);
            actions.extend(whole.map(|(watch, _)| Action::Break(index, *watch)));
        }
    }

    fn tells(&self, stream: &Stream) -> bool {
        match stream.sent {
            None => true,
            Some(sent) => !matches!(self.store.next_event(&stream.by, sent), Ok(None)),
        }
    }

    /// When anybody acts by itself.
    fn next(&self) -> Option<Duration> {
        let each = self.places.iter().filter(|place| !place.is_paused);
        let each = each.flat_map(|place| {
            let waits = place.waits.values().copied();
            let all = waits.chain(place.actor.wake());
            all.map(|moment| place.clock.when(moment).max(self.now))
        });
        // Also while all are stopped, time goes on.
        let quarter = LEASE / 4;
        let step = u32::try_from(self.now.as_nanos() / quarter.as_nanos()).expect("small");
        each.chain([quarter * (step + 1)]).min()
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
            Action::Leave(index) => self.step(index, Input::Note(LEAVE)),
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
                place.incarnation += 1;
                place.is_paused = false;
                place.watches.clear();
                place.waits.clear();
                let budget = Budget::try_new(LEASE).expect("a valid lease");
                place.actor = A::new(index, place.incarnation, budget, model.mutants);
                self.start(index);
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
