//! [`World`]: processes, network and store in virtual time, driven by a seed and a script of faults.

mod fault;
mod faults;
mod network;
mod process;
mod watches;

pub use fault::{Fault, Kind, draw, draw_of_map};

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    fmt,
    time::Duration,
};

use metaparticle_protocol::{Call, Moment, Mutants, Reply, Request, Stamp, Token, Uid, api::Watch};

use crate::{
    clock::Clock,
    monitor::{Monitor, Violation},
    node::{Effect, Input, Node},
    random::Random,
    store::{Snapshot, Store},
};

use process::{Item, Process};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where its random numbers begin.
    pub seed: u64,
    /// How many processes.
    pub processes: usize,
    /// The lease of everything in it: the scale of time.
    pub lease: Duration,
    /// What goes wrong.
    pub script: Vec<Fault>,
    /// Messages of a thousand that are lost, sent twice, or very late, each, while faults last.
    pub unreliable: u64,
    /// Nothing goes wrong from here on.
    pub calm: Duration,
    /// The end.
    pub end: Duration,
    /// The rule that is switched off.
    pub mutants: Mutants,
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    /// A request reaches the server.
    Arrive(Sender, u8, Call, Request, Stamp, bool),
    /// Its answer reaches the process.
    Answer(Sender, u8, Call, Reply),
    /// The driver waits no longer.
    Timeout(Sender, u8, Call),
    /// A watch asks for its first list, or again.
    List(Sender, u8, Watch, u64),
    /// The next event of a watch reaches the process.
    Deliver(Sender, u8, Watch, u64),
    /// A watch was silent for too long.
    Silent(Sender, u8, Watch, u64),
    /// A machine's timer.
    Wake(Sender, u64),
    /// A timer of the application, or news from the cluster.
    Tell(Sender, Input),
    /// A fenced write, a read before a deletion, or a deletion reaches the server.
    Fenced(Sender, u64, Token, Step),
    Begin(usize),
    End(usize),
    /// All faults are over.
    Calm,
    /// The garbage collector comes round.
    Collect,
    /// A backup is made; somebody creates the register anew.
    Housekeeping,
}

/// A process in one of its lives.
type Sender = (usize, u32);

/// What a fenced writer does at the server.
#[derive(Clone, Copy, Debug)]
enum Step {
    Update,
    Read,
    ClaimThenErase,
    Erase(metaparticle_protocol::Version),
}

/// Processes, network and store.
pub struct World<N> {
    plan: Plan,
    make: fn(&Plan, usize, u32) -> N,
    now: Duration,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    order: u64,
    store: Store,
    backups: Vec<(Duration, Snapshot)>,
    processes: Vec<Process<N>>,
    monitor: Monitor,
    random: Random,
    server: Server,
    /// The store went back: what rests on versions alone is excused.
    is_restored: bool,
    /// client-go emptied a record that it did not hold: who comes next may come early.
    is_emptied: bool,
    /// When client-go wrote last that it holds.
    foreign_write: Option<Duration>,
    /// How many events happened.
    steps: u64,
    trace: Option<Vec<String>>,
}

/// How the server is.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    is_busy: bool,
    errs: bool,
    is_down: bool,
    is_calm: bool,
    collects: bool,
}

impl<N: fmt::Debug> fmt::Debug for World<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl<N: Node + fmt::Debug> World<N> {
    /// A world at its beginning; `make` gives each process at each of its starts.
    #[must_use]
    pub fn new(plan: Plan, make: fn(&Plan, usize, u32) -> N) -> Self {
        let mut random = Random::new(plan.seed);
        let processes = (0..plan.processes).map(|index| {
            let mut own = random.fork(index as u64 + 1);
            let rate = *own.one_of(&[900, 900, 1000, 1000, 1100, 1100, 1037]);
            let skew = *own.one_of(&[0, 0, 0, 3, -3, 30, -30]);
            Process::new(Clock::new(Duration::ZERO, rate, skew), own)
        });
        let processes = processes.collect();
        random.draw();
        let mut world = Self {
            make,
            now: Duration::ZERO,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            order: 0,
            store: Store::default(),
            backups: Vec::new(),
            processes,
            monitor: Monitor::default(),
            random,
            server: Server::default(),
            is_restored: false,
            is_emptied: false,
            foreign_write: None,
            steps: 0,
            trace: None,
            plan,
        };
        for index in 0..world.plan.script.len() {
            let fault = &world.plan.script[index];
            let (begin, end) = (fault.at, fault.at + fault.length);
            world.schedule(begin, Event::Begin(index));
            world.schedule(end, Event::End(index));
        }
        world.schedule(world.plan.calm, Event::Calm);
        world.schedule(Duration::ZERO, Event::Housekeeping);
        world
    }

    /// Keeps a line for everything that happens.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.trace = Some(Vec::new());
        self
    }

    /// The lines that were kept.
    #[must_use]
    pub fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    /// What is played.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How many events happened.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// What the monitor saw.
    #[must_use]
    pub const fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The server.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// When a promise is broken.
    pub fn run(&mut self) -> Result<(), Violation> {
        for index in 0..self.processes.len() {
            self.start(index)?;
        }
        while let Some(Reverse((at, order))) = self.queue.pop() {
            if at > self.plan.end {
                break;
            }
            self.now = self.now.max(at);
            let Some(event) = self.events.remove(&order) else {
                continue; // lost with its connection
            };
            self.steps += 1;
            self.happen(event)?;
        }
        self.now = self.plan.end;
        Ok(())
    }

    /// What each process shows on its clock now.
    pub fn clocks(&self) -> impl Fn(usize) -> Moment + '_ {
        |index| self.processes[index].clock.at(self.now)
    }

    /// The sessions of all that run.
    pub fn sessions(&self) -> impl Iterator<Item = Uid> + '_ {
        let nodes = self
            .processes
            .iter()
            .filter_map(|process| process.node.as_ref());
        nodes.filter_map(Node::session)
    }

    /// What applications wait for: process, what, since when.
    pub fn expectations(&self) -> impl Iterator<Item = (usize, u64, Duration)> + '_ {
        let each = self.processes.iter().enumerate();
        each.flat_map(|(index, process)| {
            let expects = process.expects.iter();
            expects.map(move |(what, since)| (index, *what, *since))
        })
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order)));
        self.events.insert(self.order, event);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10.4} {}", self.now.as_secs_f64(), line()));
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Arrive(sender, part, call, request, wall, answered) => {
                self.arrive(sender, part, call, &request, wall, answered)
            }
            Event::Answer(sender, part, call, reply) => self.answer(sender, part, call, reply),
            Event::Timeout(sender, part, call) => {
                if self.is_alive(sender) {
                    self.take(sender.0, Item::Timeout(part, call))?;
                }
                Ok(())
            }
            Event::List(sender, part, watch, epoch) => {
                self.list(sender, part, watch, epoch);
                Ok(())
            }
            Event::Deliver(sender, part, watch, epoch) => self.deliver(sender, part, watch, epoch),
            Event::Silent(sender, part, watch, epoch) => self.silent(sender, part, watch, epoch),
            Event::Wake(sender, alarm) => self.wake(sender, alarm),
            Event::Tell(sender, input) => {
                if self.is_alive(sender) {
                    self.take(sender.0, Item::Input(input))?;
                }
                Ok(())
            }
            Event::Fenced(sender, guard, token, step) => self.fenced(sender, guard, token, step),
            Event::Begin(index) => {
                self.begin(index);
                Ok(())
            }
            Event::End(index) => self.end(index),
            Event::Calm => self.calm(),
            Event::Collect => {
                self.collect();
                Ok(())
            }
            Event::Housekeeping => {
                self.housekeeping();
                Ok(())
            }
        }
    }

    fn is_alive(&self, (index, incarnation): Sender) -> bool {
        let process = &self.processes[index];
        process.node.is_some() && process.incarnation == incarnation
    }

    fn start(&mut self, index: usize) -> Result<(), Violation> {
        let process = &mut self.processes[index];
        process.incarnation += 1;
        let mut node = (self.make)(&self.plan, index, process.incarnation);
        let (now, wall) = (process.clock.at(self.now), process.clock.wall(self.now));
        let effects = node.start(now, wall);
        process.is_foreign = node.is_foreign();
        self.processes[index].node = Some(node);
        self.note(|| format!("p{index} starts"));
        self.effects(index, effects)?;
        if self.server.is_calm {
            self.take(index, Item::Input(Input::Calm))?;
        }
        Ok(())
    }

    /// Something has come to a process: it takes it now, or when it goes on.
    fn take(&mut self, index: usize, item: Item) -> Result<(), Violation> {
        let process = &mut self.processes[index];
        if process.is_paused {
            process.inbox.push(item);
            return Ok(());
        }
        let input = match item {
            Item::Input(input) => input,
            Item::Timeout(part, call) => {
                if !process.unanswered.remove(&(part, call)) {
                    return Ok(());
                }
                Input::Reply(part, call, Reply::Unknown)
            }
            Item::Answer(part, call, reply) => {
                let in_time = process.unanswered.remove(&(part, call));
                // A machine bears an answer after its timeout; most drivers swallow it.
                if !in_time && !process.random.per_mille(500) {
                    return Ok(());
                }
                Input::Reply(part, call, reply)
            }
        };
        self.note(|| format!("p{index} <- {input:?}"));
        let process = &mut self.processes[index];
        let now = process.clock.at(self.now);
        let Some(node) = &mut process.node else {
            return Ok(());
        };
        let effects = node.step(now, input);
        self.effects(index, effects)
    }

    fn wake(&mut self, sender: Sender, alarm: u64) -> Result<(), Violation> {
        let process = &mut self.processes[sender.0];
        if process.incarnation != sender.1 || process.alarm != alarm || process.is_paused {
            return Ok(());
        }
        let now = process.clock.at(self.now);
        let Some(node) = &mut process.node else {
            return Ok(());
        };
        let effects = node.tick(now);
        if !effects.is_empty() {
            self.note(|| format!("p{} wakes", sender.0));
        }
        self.effects(sender.0, effects)
    }

    /// Does what a process wants done, in order; a pause may come in between.
    fn effects(&mut self, index: usize, mut effects: Vec<Effect>) -> Result<(), Violation> {
        let process = &mut self.processes[index];
        if process.stops_midway && effects.len() > 1 {
            process.stops_midway = false;
            process.is_paused = true;
            let most = effects.len() as u64 - 1;
            let first = process.random.between(1, most);
            let first = usize::try_from(first).expect("an index fits");
            process.stalled = effects.split_off(first);
            self.note(|| format!("p{index} stops midway"));
        }
        for effect in effects {
            self.effect(index, effect)?;
        }
        self.set_alarm(index);
        Ok(())
    }

    fn set_alarm(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let Some(wake) = process.node.as_ref().and_then(Node::wake) else {
            return;
        };
        process.alarm += 1;
        // Timers of an operating system are late, never early.
        let late = Duration::from_micros(process.random.below(2000));
        let at = process.clock.when(wake).max(self.now) + late;
        let event = Event::Wake((index, process.incarnation), process.alarm);
        self.schedule(at, event);
    }

    fn effect(&mut self, index: usize, effect: Effect) -> Result<(), Violation> {
        self.note(|| format!("p{index} -> {effect:?}"));
        let process = &mut self.processes[index];
        let sender = (index, process.incarnation);
        let local = process.clock.at(self.now);
        let id = |guard| (index, sender.1, guard);
        match effect {
            Effect::Send {
                part,
                call,
                request,
                within,
            } => self.send(sender, part, call, request, within),
            Effect::Watch { part, watch, by } => self.watch(sender, part, watch, by),
            Effect::Unwatch { part, watch } => {
                process.watches.remove(&(part, watch));
            }
            Effect::Hold(guard, grant) => {
                let is_foreign = process.is_foreign;
                let clocks: Vec<_> = (0..self.processes.len()).map(self.clocks()).collect();
                let clock = |index: usize| clocks[index];
                let monitor = &mut self.monitor;
                monitor.hold(self.now, clock, id(guard), grant, is_foreign, &self.store)?;
            }
            Effect::Extend(guard, deadline) => self.monitor.extend(local, id(guard), deadline)?,
            Effect::Invalidate(guard) => {
                let (process, incarnation, guard) = id(guard);
                self.monitor
                    .stopped(self.now, (process, incarnation, Some(guard)));
                self.monitor.invalidate((process, incarnation, guard));
            }
            Effect::Lost(guard, cause) => self.lost(id(guard), &cause)?,
            Effect::PermitsOutlive(guard, until) => self.monitor.permits_outlive(id(guard), until),
            Effect::PermitsDropped(guard) => self.monitor.permits_dropped(id(guard)),
            Effect::Later(after, note) => {
                let at = process.clock.when(local + after);
                self.schedule(at, Event::Tell(sender, Input::Note(note)));
            }
            Effect::Write(guard, token) => self.write(sender, guard, token, Step::Update),
            Effect::Erase(guard, token) => self.write(sender, guard, token, Step::Read),
            Effect::Expects(what) => {
                process.expects.insert(what, self.now);
            }
            Effect::Satisfied(what) => {
                process.expects.remove(&what);
            }
        }
        Ok(())
    }
}
