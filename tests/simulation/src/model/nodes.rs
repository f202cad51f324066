//! Processes of the model: the same machines, with an application that does as little as possible, and nothing random.

use std::hash::Hash;

use metaparticle_protocol::{
    Budget, Identity, Machine, Member, Moment, Mutants, Stamp,
    election::{self, Config, Elector},
    lock::{Guard, Kind, Loss},
    member,
    mutant::Mutant,
};

use crate::{
    ask::Ask,
    node::{Effect, Grant, Input, Mode, Node},
};

/// The application ends what it holds.
pub(super) const LEAVE: u64 = 1;

/// What the model needs of a process besides.
pub trait Actor: Node + Hash + Eq + std::fmt::Debug + Send + Sync + 'static {
    /// What is given in one configuration.
    type Setting: Clone + std::fmt::Debug + Send + Sync;
    /// What is held by all of them.
    const RESOURCE: &'static str;
    /// What is deleted by hand, as one of the faults.
    const BY_HAND: Option<&'static str> = None;
    /// A process in one of its lives.
    fn new(
        index: usize,
        incarnation: u32,
        budget: Budget,
        mutants: Mutants,
        setting: &Self::Setting,
    ) -> Self;
    /// What its application may do now, as notes; `is_quiet`: no request is under way.
    fn may(&self, is_quiet: bool) -> Vec<u64>;
    /// Whose term is given at first, and how many terms there are at most; `None` if that is not given from outside.
    fn terms(_setting: &Self::Setting) -> Option<(usize, u64)> {
        None
    }
    /// Whom the start ends with, and by which note.
    fn first(_setting: &Self::Setting) -> Option<(usize, u64)> {
        None
    }
}

/// A candidate that works until it is told to stop, and contends again after a loss.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leader {
    elector: Elector,
    /// The term, and whether its guard is valid.
    term: Option<(election::TermId, bool)>,
    has_left: bool,
}

impl Leader {
    fn told(&mut self, now: Moment, told: election::Input) -> Vec<Effect> {
        let actions = self.elector.step(now, told);
        self.acted(now, actions)
    }

    fn acted(&mut self, now: Moment, actions: Vec<election::Action>) -> Vec<Effect> {
        use election::Action;
        let mut effects = Vec::new();
        for action in actions {
            let Some(action) = action.ask(0, &mut effects) else {
                continue;
            };
            match action {
                Action::Begin { term, token, until } => {
                    self.term = Some((term, true));
                    let grant = Grant {
                        resource: Self::RESOURCE.into(),
                        mode: Mode::Alone,
                        token: Some(token),
                        ticket: None,
                        deadline: Some(until),
                    };
                    effects.push(Effect::Hold(term.0, grant));
                }
                Action::Extend { term, until } if self.term == Some((term, true)) => {
                    effects.push(Effect::Extend(term.0, until));
                }
                Action::Drain { term } | Action::End { term, .. } => {
                    effects.push(Effect::Invalidate(term.0));
                    if self.term.take().is_some() {
                        // The work returns at once.
                        effects.extend(self.told(now, election::Input::Idle(term)));
                        if !self.has_left {
                            effects.extend(self.told(now, election::Input::Contend));
                        }
                    }
                }
                _ => {}
            }
        }
        effects
    }
}

impl Actor for Leader {
    type Setting = ();

    const RESOURCE: &'static str = "election";

    fn new(index: usize, incarnation: u32, budget: Budget, mutants: Mutants, (): &()) -> Self {
        let identity = if mutants.has(Mutant::NameWithoutIncarnation) {
            Identity::from("pod") // both run: one was force deleted
        } else {
            format!("pod-{index}_{incarnation}").into()
        };
        let config = Config::new(Self::RESOURCE.into(), identity, budget);
        Self {
            elector: Elector::new(config, mutants),
            term: None,
            has_left: false,
        }
    }

    fn may(&self, is_quiet: bool) -> Vec<u64> {
        let may = is_quiet && self.term.is_some() && !self.has_left;
        may.then_some(LEAVE).into_iter().collect()
    }
}

impl Node for Leader {
    fn start(&mut self, now: Moment, wall: Stamp) -> Vec<Effect> {
        let since_zero = i64::try_from(now.since_zero().as_micros()).expect("not so long");
        self.elector = self.elector.clone().with_wall_clock(wall.0 - since_zero);
        self.told(now, election::Input::Contend)
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match input {
            Input::Reply(_, call, reply) => self.told(now, election::Input::Reply(call, reply)),
            Input::Sight(_, watch, sight) => self.told(now, election::Input::Saw(watch, sight)),
            Input::Note(LEAVE) => {
                self.has_left = true;
                let mut effects = self.told(now, election::Input::Stop { to: None });
                if let Some((term, _)) = self.term {
                    // Mutants do not say that the guard ends: the work returns all the same.
                    effects.extend(self.told(now, election::Input::Idle(term)));
                }
                effects
            }
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let actions = self.elector.tick(now);
        self.acted(now, actions)
    }

    fn wake(&self) -> Option<Moment> {
        self.elector.wake()
    }
}

/// A process that wants one mutex, once in each life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Locker {
    member: Member,
    index: usize,
    incarnation: u32,
    is_held: bool,
    has_left: bool,
}

impl Locker {
    const GUARD: Guard = Guard(1);

    fn told(&mut self, now: Moment, told: member::Input) -> Vec<Effect> {
        let actions = self.member.step(now, told);
        self.acted(now, actions)
    }

    fn acted(&mut self, now: Moment, actions: Vec<member::Action>) -> Vec<Effect> {
        use member::Action;
        let mut effects = Vec::new();
        for action in actions {
            let Some(action) = action.ask(0, &mut effects) else {
                continue;
            };
            match action {
                Action::Hold {
                    guard,
                    token,
                    deadline,
                } => {
                    self.is_held = true;
                    let grant = Grant {
                        resource: Self::RESOURCE.into(),
                        mode: Mode::Alone,
                        token,
                        ticket: Some(self.ticket()),
                        deadline: Some(deadline),
                    };
                    effects.push(Effect::Hold(guard.0, grant));
                }
                Action::Extend { deadline } if self.is_held => {
                    effects.push(Effect::Extend(Self::GUARD.0, deadline));
                }
                Action::Invalidate { guard, why } => {
                    self.is_held = false;
                    effects.push(Effect::Invalidate(guard.0));
                    if !matches!(why, Loss::Released) && !self.has_left {
                        self.has_left = true;
                        effects.extend(self.told(now, member::Input::Leave { guard }));
                    }
                }
                _ => {}
            }
        }
        effects
    }

    fn ticket(&self) -> metaparticle_protocol::Name {
        format!("t{}x{}x", self.index, self.incarnation).into()
    }
}

impl Actor for Locker {
    type Setting = ();

    const RESOURCE: &'static str = "mutex";

    fn new(index: usize, incarnation: u32, budget: Budget, mutants: Mutants, (): &()) -> Self {
        let pod = if mutants.has(Mutant::NameWithoutIncarnation) {
            "pod".to_owned()
        } else {
            format!("pod-{index}")
        };
        let spread = std::time::Duration::from_secs(3600);
        Self {
            member: Member::new(&pod, &incarnation.to_string(), spread, budget, mutants),
            index,
            incarnation,
            is_held: false,
            has_left: false,
        }
    }

    fn may(&self, is_quiet: bool) -> Vec<u64> {
        let may = is_quiet && self.is_held && !self.has_left;
        may.then_some(LEAVE).into_iter().collect()
    }
}

impl Node for Locker {
    fn start(&mut self, now: Moment, _wall: Stamp) -> Vec<Effect> {
        let told = member::Input::Lock {
            guard: Self::GUARD,
            name: self.ticket(),
            lock: Self::RESOURCE.into(),
            kind: Kind::Mutex,
            once: false,
        };
        self.told(now, told)
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match input {
            Input::Reply(_, call, reply) => self.told(now, member::Input::Reply(call, reply)),
            Input::Sight(_, watch, sight) => self.told(now, member::Input::Sight(watch, sight)),
            Input::Note(LEAVE) => {
                self.has_left = true;
                self.told(now, member::Input::Leave { guard: Self::GUARD })
            }
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let actions = self.member.tick(now);
        self.acted(now, actions)
    }

    fn wake(&self) -> Option<Moment> {
        self.member.wake()
    }
}
