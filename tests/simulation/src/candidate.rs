//! [`Candidate`]: an `Elector` with an application that works, writes under its token, holds permits, steps down, leaves;
//! or client-go's candidate beside it.

use std::time::Duration;

use metaparticle_protocol::{
    Budget, Identity, Machine, Moment, Name, Stamp,
    election::{Action, Config, Elector, Ended, Input as Told, TermId},
    mutant::Mutant,
};

use crate::{
    foreign::Foreign,
    node::{Cause, Effect, Grant, Input, Mode, Node},
    random::Random,
    world::Plan,
};

/// The election's name.
pub const ELECTION: &str = "election";

/// One candidate.
#[derive(Clone, Debug)]
pub enum Candidate {
    /// Of this library.
    Ours(Box<Ours>),
    /// Of client-go.
    Foreign(Box<Foreign>),
}

impl Candidate {
    /// Our candidates only.
    #[must_use]
    pub fn ours(plan: &Plan, index: usize, incarnation: u32) -> Self {
        Self::Ours(Box::new(Ours::new(plan, index, incarnation)))
    }

    /// Ours, and the last one is client-go's.
    #[must_use]
    pub fn mixed(plan: &Plan, index: usize, incarnation: u32) -> Self {
        if index + 1 == plan.processes {
            Self::foreign(plan, index, incarnation)
        } else {
            Self::ours(plan, index, incarnation)
        }
    }

    /// client-go's only.
    #[must_use]
    pub fn foreign(plan: &Plan, index: usize, incarnation: u32) -> Self {
        let random =
            Random::new(plan.seed).fork(1000 * (index as u64 + 1) + u64::from(incarnation));
        let releases = plan.seed.is_multiple_of(2);
        let identity = Identity::from(format!("client-go-{index}-{incarnation}"));
        Self::Foreign(Box::new(Foreign::new(
            ELECTION.into(),
            identity,
            plan.lease,
            releases,
            random,
        )))
    }
}

impl Node for Candidate {
    fn start(&mut self, now: Moment, wall: Stamp) -> Vec<Effect> {
        match self {
            Self::Ours(ours) => ours.start(now, wall),
            Self::Foreign(foreign) => foreign.start(now, wall),
        }
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match self {
            Self::Ours(ours) => ours.step(now, input),
            Self::Foreign(foreign) => foreign.step(now, input),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        match self {
            Self::Ours(ours) => ours.tick(now),
            Self::Foreign(foreign) => foreign.tick(now),
        }
    }

    fn wake(&self) -> Option<Moment> {
        match self {
            Self::Ours(ours) => ours.wake(),
            Self::Foreign(foreign) => foreign.wake(),
        }
    }

    fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }
}

/// The name of that process's pod. Two have the same: after a force delete the old one may still run.
fn pod(plan: &Plan, index: usize) -> String {
    let twins = plan.seed % 3 == 1;
    format!("pod-{}", if twins && index == 1 { 0 } else { index })
}

fn identity(plan: &Plan, index: usize, incarnation: u32) -> Identity {
    let pod = pod(plan, index);
    if plan.mutants.has(Mutant::NameWithoutIncarnation) {
        return pod.into();
    }
    format!("{pod}_uid-{index}_{incarnation}").into()
}

/// Timers of the application: what, and in which term.
mod note {
    pub(super) const WORKED: u64 = 1;
    pub(super) const RETURNED: u64 = 2;
    pub(super) const WRITE: u64 = 3;
    pub(super) const PERMIT_DROPS: u64 = 4;
    pub(super) const CONTEND: u64 = 5;
    pub(super) const LEAVE: u64 = 6;
    pub(super) const STOP: u64 = 7;

    pub(super) const fn of(what: u64, term: u64) -> u64 {
        what | (term << 8)
    }
}

/// An elector and its application.
#[derive(Clone, Debug)]
pub struct Ours {
    plan: Plan,
    index: usize,
    identity: Identity,
    elector: Elector,
    random: Random,
    work: Option<Work>,
    is_calm: bool,
    has_left: bool,
}

/// The work of a term, until it has returned.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Work {
    term: TermId,
    token: metaparticle_protocol::Token,
    until: Moment,
    /// The guard may still be valid: neither drained nor ended.
    is_open: bool,
    /// The term is over, and permits with it.
    is_over: bool,
    permits: u32,
    is_returning: bool,
    has_returned: bool,
}

impl Work {
    fn is_valid(&self, now: Moment) -> bool {
        self.is_open && now < self.until
    }
}

impl Ours {
    fn new(plan: &Plan, index: usize, incarnation: u32) -> Self {
        let mut random =
            Random::new(plan.seed).fork(1000 * (index as u64 + 1) + u64::from(incarnation));
        let budget = Budget::try_new(plan.lease).expect("plans have valid leases");
        let mut config = Config::new(ELECTION.into(), identity(plan, index, incarnation), budget);
        config.candidate = random
            .per_mille(600)
            .then(|| Name::from(format!("candidate-{index}-{incarnation}")));
        config.priority = i32::try_from(random.below(3)).expect("small");
        config.drain = random.duration(Duration::from_millis(10), plan.lease);
        config.jitter = u8::try_from(random.below(256)).expect("a byte");
        Self {
            plan: plan.clone(),
            index,
            identity: identity(plan, index, incarnation),
            elector: Elector::new(config, plan.mutants),
            random,
            work: None,
            is_calm: false,
            has_left: false,
        }
    }

    fn told(&mut self, now: Moment, told: Told) -> Vec<Effect> {
        let actions = self.elector.step(now, told);
        self.acted(actions)
    }

    fn acted(&mut self, actions: Vec<Action>) -> Vec<Effect> {
        let each = actions.into_iter();
        each.flat_map(|action| self.act(action)).collect()
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Send {
                call,
                request,
                within,
            } => vec![Effect::Send {
                part: 0,
                call,
                request,
                within,
            }],
            Action::Watch { watch, by } => vec![Effect::Watch { part: 0, watch, by }],
            Action::Unwatch { watch } => vec![Effect::Unwatch { part: 0, watch }],
            Action::Begin { term, token, until } => self.begin(term, token, until),
            Action::Extend { term, until } => self.extend(term, until),
            Action::Drain { term } => self.drain(term),
            Action::End { term, why } => self.end(term, &why),
            Action::Declined { .. } | Action::Refused(_) => Vec::new(),
        }
    }

    fn begin(
        &mut self,
        term: TermId,
        token: metaparticle_protocol::Token,
        until: Moment,
    ) -> Vec<Effect> {
        self.work = Some(Work {
            term,
            token,
            until,
            is_open: true,
            is_over: false,
            permits: 0,
            is_returning: false,
            has_returned: false,
        });
        let lease = self.plan.lease;
        let works = self.random.duration(Duration::from_millis(1), lease * 5);
        let first = self.random.duration(Duration::ZERO, lease / 4);
        let ends = match self.random.below(3) {
            0 => note::STOP,
            1 => note::WORKED,
            _ => note::CONTEND, // it asks for the next term long before: nothing may follow from it
        };
        let grant = Grant {
            resource: ELECTION.into(),
            mode: Mode::Alone,
            token: Some(token),
            ticket: None,
            deadline: Some(until),
        };
        vec![
            Effect::Hold(term.0, grant),
            Effect::Write(term.0, token),
            Effect::Later(works, note::of(ends, term.0)),
            Effect::Later(first, note::of(note::WRITE, term.0)),
        ]
    }

    fn work(&mut self, term: TermId) -> Option<&mut Work> {
        self.work.as_mut().filter(|work| work.term == term)
    }

    fn extend(&mut self, term: TermId, until: Moment) -> Vec<Effect> {
        let Some(work) = self.work(term).filter(|work| !work.is_over) else {
            return Vec::new();
        };
        work.until = until;
        if work.is_open {
            vec![Effect::Extend(term.0, until)]
        } else if work.permits > 0 {
            vec![Effect::PermitsOutlive(term.0, until)]
        } else {
            Vec::new()
        }
    }

    fn drain(&mut self, term: TermId) -> Vec<Effect> {
        let mut effects = vec![Effect::Invalidate(term.0)];
        if let Some(work) = self.work(term) {
            work.is_open = false;
            if work.permits > 0 {
                effects.push(Effect::PermitsOutlive(term.0, work.until));
            }
        }
        effects.extend(self.cancel(term));
        effects
    }

    fn end(&mut self, term: TermId, why: &Ended) -> Vec<Effect> {
        let mut effects = vec![Effect::Invalidate(term.0), Effect::PermitsDropped(term.0)];
        let identity = self.identity.clone();
        if let Some(work) = self.work(term) {
            let cause = match why {
                Ended::Deposed { .. } | Ended::Deleted => {
                    Some(Cause::Holder(ELECTION.into(), identity, Some(work.token)))
                }
                Ended::RolledBack => Some(Cause::RolledBack),
                _ => None,
            };
            effects.extend(cause.map(|cause| Effect::Lost(term.0, cause)));
            work.is_open = false;
            work.is_over = true;
        }
        effects.extend(self.cancel(term));
        effects
    }

    /// The work sees that it is to end, and does so, sooner or later.
    fn cancel(&mut self, term: TermId) -> Vec<Effect> {
        let lease = self.plan.lease;
        let long = self.random.per_mille(200);
        let after = if long {
            self.random.duration(Duration::ZERO, lease * 2)
        } else {
            self.random.duration(Duration::ZERO, lease / 20)
        };
        match self.work(term).filter(|work| !work.is_returning) {
            Some(work) => {
                work.is_returning = true;
                vec![Effect::Later(after, note::of(note::RETURNED, term.0))]
            }
            None => Vec::new(),
        }
    }

    /// The work and its permits may be gone: the elector is told, once.
    fn settle(&mut self, now: Moment, term: TermId) -> Vec<Effect> {
        let done = self
            .work(term)
            .is_some_and(|work| work.has_returned && work.permits == 0);
        if !done {
            return Vec::new();
        }
        self.work = None;
        let mut effects = vec![Effect::Invalidate(term.0)];
        effects.extend(self.told(now, Told::Idle(term)));
        let pause = self.random.duration(Duration::ZERO, self.plan.lease / 2);
        effects.push(Effect::Later(pause, note::CONTEND));
        effects
    }

    fn noted(&mut self, now: Moment, what: u64) -> Vec<Effect> {
        let term = TermId(what >> 8);
        let lease = self.plan.lease;
        let is_calm = self.is_calm;
        match what & 0xff {
            note::CONTEND if !self.has_left => self.told(now, Told::Contend),
            note::LEAVE if !is_calm => {
                self.has_left = true;
                self.told(now, Told::Leave)
            }
            note::STOP if !is_calm && self.work(term).is_some() => {
                let to = self.random.per_mille(300).then(|| {
                    format!("pod-{}", self.random.below(self.plan.processes as u64)).into()
                });
                self.told(now, Told::Stop { to })
            }
            note::WORKED if !is_calm => match self.work(term).filter(|work| !work.is_returning) {
                Some(work) => {
                    work.is_returning = true;
                    work.has_returned = true;
                    self.settle(now, term)
                }
                None => Vec::new(),
            },
            note::RETURNED => {
                if let Some(work) = self.work(term) {
                    work.has_returned = true;
                }
                self.settle(now, term)
            }
            note::PERMIT_DROPS => {
                let Some(work) = self.work(term) else {
                    return Vec::new();
                };
                work.permits -= 1;
                let mut effects = Vec::new();
                if work.permits == 0 {
                    effects.push(Effect::PermitsDropped(term.0));
                }
                effects.extend(self.settle(now, term));
                effects
            }
            note::WRITE => self.write(now, term, lease),
            _ => Vec::new(),
        }
    }

    /// The application checks, and writes.
    fn write(&mut self, now: Moment, term: TermId, lease: Duration) -> Vec<Effect> {
        let again = self.random.duration(Duration::from_millis(1), lease / 2);
        let permit = self.random.per_mille(300);
        let holds = self.random.duration(Duration::ZERO, lease * 3 / 2);
        let erases = self.random.per_mille(150);
        let Some(work) = self
            .work(term)
            .filter(|work| work.is_valid(now) && !work.has_returned)
        else {
            return Vec::new();
        };
        let token = work.token;
        let mut effects = Vec::new();
        if permit {
            work.permits += 1;
            effects.push(Effect::Later(holds, note::of(note::PERMIT_DROPS, term.0)));
        }
        effects.push(if erases {
            Effect::Erase(term.0, token)
        } else {
            Effect::Write(term.0, token)
        });
        effects.push(Effect::Later(again, note::of(note::WRITE, term.0)));
        effects
    }

    fn start(&mut self, now: Moment, wall: Stamp) -> Vec<Effect> {
        let since_zero = i64::try_from(now.since_zero().as_micros()).expect("not so long");
        self.elector = self.elector.clone().with_wall_clock(wall.0 - since_zero);
        let mut effects = self.told(now, Told::Contend);
        if self.index > 0 && self.random.per_mille(150) {
            let stays = self.random.duration(Duration::ZERO, self.plan.lease * 8);
            effects.push(Effect::Later(stays, note::LEAVE));
        }
        effects
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match input {
            Input::Reply(_, call, reply) => self.told(now, Told::Reply(call, reply)),
            Input::Sight(_, watch, sight) => self.told(now, Told::Saw(watch, sight)),
            Input::Note(what) => self.noted(now, what),
            Input::Ended(index, incarnation, _) => {
                let ended = identity(&self.plan, index, incarnation);
                self.told(now, Told::Terminated(ended))
            }
            Input::Calm => {
                self.is_calm = true;
                if self.has_left {
                    return Vec::new();
                }
                self.told(now, Told::Contend)
            }
            Input::Written(..) => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let actions = self.elector.tick(now);
        self.acted(actions)
    }

    fn wake(&self) -> Option<Moment> {
        self.elector.wake()
    }
}
