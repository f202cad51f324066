//! [`SlotOwner`]: a process of the model that may own the one slot of a map: the real session, owner and assigner, and an
//! application that drains when it likes.
//!
//! Who leads is given, not elected: terms follow one another, with tokens that rise. The start is undisturbed: the model
//! begins when the slot is served, after M7's wait. Left to the simulator are elections below the map, several slots and
//! waves, more than two processes, and faults during the start.

use metaparticle_protocol::{
    Budget, Call, Machine, Member, Moment, Mutants, Stamp, Token, Uid, Version, Watch,
    api::Selector,
    member,
    mutant::Mutant,
    shard::{Assigner, Owner, Slot, SlotCount, api::Request, assigner, owner},
};

use super::nodes::{Actor, LEAVE};
use crate::{
    ask::Ask,
    node::{Effect, Grant, Input, Mode, Node},
    shards::wire,
};

/// The application wants to own.
const JOIN: u64 = 2;
/// It has drained.
const DRAINED: u64 = 3;
/// Its term is over.
pub(super) const REST: u64 = 4;
/// It leads; the token is above.
pub(super) const LEAD: u64 = 5;

/// Whose request or watch it is: the lowest bits of its number.
mod part {
    pub(super) const MEMBER: u64 = 0;
    pub(super) const METADATA: u64 = 1;
    pub(super) const OWNER: u64 = 2;
    pub(super) const SESSIONS: u64 = 3;
    pub(super) const MAP: u64 = 4;
    pub(super) const BITS: u32 = 3;
}

/// What is given in one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Who leads at first. Process 1 owns the slot at first.
    pub leader: usize,
    /// So many terms at most.
    pub terms: u64,
    /// The slot is to move to process 0 when it joins: with one slot, it is placed at the first pod by name.
    pub moves: bool,
    /// Process 0 may own from the start; else from any time on.
    pub is_joined: bool,
    /// Who owns leaves, at any time.
    pub leaves: bool,
}

/// A process that may own the slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotOwner {
    member: Member,
    owner: Owner,
    assigner: Assigner,
    /// The guard of the slot, while it is served.
    serves: Option<u64>,
    guards: u64,
    /// The slot is to be drained, for this generation.
    drains: Option<Version>,
    is_joined: bool,
    may_leave: bool,
}

impl SlotOwner {
    /// The watch through which an owner follows the map.
    pub const MAP: Watch = Watch(1 << part::BITS | part::OWNER);
    /// The watch through which an assigner follows the sessions.
    pub const SESSIONS: Watch = Watch(1 << part::BITS | part::SESSIONS);

    fn join(&mut self, now: Moment, told: member::Input) -> Vec<Effect> {
        let actions = self.member.step(now, told);
        self.joined(now, actions)
    }

    fn joined(&mut self, now: Moment, actions: Vec<member::Action>) -> Vec<Effect> {
        use member::Action;
        let mut effects = Vec::new();
        for action in actions {
            let mut asked = Vec::new();
            match action.ask(0, &mut asked) {
                None => effects.extend(asked.into_iter().map(|effect| of(part::MEMBER, effect))),
                Some(Action::Opened { name, uid }) => {
                    effects.extend(self.assign(now, assigner::Input::Opened));
                    effects.extend(self.own(now, owner::Input::Opened { name, uid }));
                }
                Some(Action::Extend { deadline: until }) => {
                    effects.extend(self.own(now, owner::Input::Valid { until }));
                }
                Some(Action::Lost(_)) => {
                    effects.extend(self.own(now, owner::Input::Lost));
                    effects.extend(self.assign(now, assigner::Input::Lost));
                }
                Some(_) => {}
            }
        }
        effects
    }

    fn assign(&mut self, now: Moment, told: assigner::Input) -> Vec<Effect> {
        let actions = self.assigner.step(now, told);
        self.assigned(now, actions)
    }

    fn assigned(&mut self, now: Moment, actions: Vec<assigner::Action>) -> Vec<Effect> {
        use assigner::Action;
        let mut effects = Vec::new();
        for action in actions {
            let mut asked = Vec::new();
            match action.ask(0, &mut asked) {
                None => effects.extend(asked.into_iter().map(|effect| match effect {
                    // The watch of the sessions never ends.
                    Effect::Unwatch { .. } => of(part::MAP, effect),
                    _ => of(part::SESSIONS, effect),
                })),
                Some(Action::Ask {
                    call,
                    request,
                    within,
                }) => effects.push(ask(part::MAP, call, &request, within)),
                Some(Action::WatchMap { watch }) => effects.push(watch_map(part::MAP, watch)),
                Some(Action::Superseded) => {
                    effects.extend(self.assign(now, assigner::Input::Rest));
                }
                Some(Action::RolledBack) => {
                    effects.extend(self.join(now, member::Input::RolledBack));
                }
                Some(_) => {}
            }
        }
        effects
    }

    fn own(&mut self, now: Moment, told: owner::Input) -> Vec<Effect> {
        let actions = self.owner.step(now, told);
        self.owned(now, actions)
    }

    fn owned(&mut self, now: Moment, actions: Vec<owner::Action>) -> Vec<Effect> {
        use owner::Action;
        let mut effects = Vec::new();
        for action in actions {
            match action {
                Action::Ask {
                    call,
                    request,
                    within,
                } => {
                    let part = match request {
                        Request::Head => part::METADATA,
                        _ => part::OWNER,
                    };
                    effects.push(ask(part, call, &request, within));
                }
                Action::WatchMap { watch } => effects.push(watch_map(part::OWNER, watch)),
                Action::Session => effects.extend(self.join(now, member::Input::Open)),
                Action::Tell { told, now: soon } => {
                    effects.extend(self.join(now, member::Input::Tell { told, now: soon }));
                }
                Action::RolledBack => {
                    effects.extend(self.join(now, member::Input::RolledBack));
                }
                Action::Left => effects.extend(self.join(now, member::Input::Close)),
                Action::Gained { token, until, .. } => {
                    self.guards += 1;
                    self.serves = Some(self.guards);
                    let grant = Grant {
                        resource: Self::RESOURCE.into(),
                        mode: Mode::Slot,
                        token: Some(token),
                        ticket: None,
                        deadline: Some(until),
                    };
                    effects.push(Effect::Hold(self.guards, grant));
                }
                Action::Valid { until } => {
                    effects.extend(self.serves.map(|guard| Effect::Extend(guard, until)));
                }
                Action::Drain { generation, .. } => self.drains = Some(generation),
                Action::Resumed { .. } => self.drains = None,
                Action::Lost { .. } => {
                    self.drains = None;
                    effects.extend(self.serves.take().map(Effect::Invalidate));
                }
                Action::Refused(_) => {}
            }
        }
        effects
    }

    fn noted(&mut self, now: Moment, note: u64) -> Vec<Effect> {
        match note & 0xff {
            JOIN => {
                self.is_joined = true;
                self.own(now, owner::Input::Join)
            }
            LEAVE => {
                self.may_leave = false;
                self.own(now, owner::Input::Leave)
            }
            DRAINED => match self.drains.take() {
                Some(generation) => {
                    let slot = Slot(0);
                    self.own(now, owner::Input::Drained { slot, generation })
                }
                None => Vec::new(),
            },
            REST => self.assign(now, assigner::Input::Rest),
            _ => {
                let token = Token(note >> 8);
                // Longer than any horizon: a term ends by REST.
                let until = now + std::time::Duration::from_secs(3600);
                self.assign(now, assigner::Input::Lead { token, until })
            }
        }
    }
}

/// Names the request or watch of that part so that its answer finds back.
fn of(part: u64, effect: Effect) -> Effect {
    let numbered = |number: u64| number << part::BITS | part;
    match effect {
        Effect::Send {
            part,
            call,
            request,
            within,
        } => Effect::Send {
            part,
            call: Call(numbered(call.0)),
            request,
            within,
        },
        Effect::Watch { part, watch, by } => Effect::Watch {
            part,
            watch: Watch(numbered(watch.0)),
            by,
        },
        Effect::Unwatch { part, watch } => Effect::Unwatch {
            part,
            watch: Watch(numbered(watch.0)),
        },
        other => other,
    }
}

fn ask(part: u64, call: Call, request: &Request, within: std::time::Duration) -> Effect {
    let request = wire::request(request);
    let effect = Effect::Send {
        part: 0,
        call,
        request,
        within,
    };
    of(part, effect)
}

fn watch_map(part: u64, watch: Watch) -> Effect {
    let by = Selector::Name(wire::MAP.into());
    let effect = Effect::Watch { part: 0, watch, by };
    of(part, effect)
}

impl Actor for SlotOwner {
    type Setting = Setting;

    const RESOURCE: &'static str = "slot";
    const BY_HAND: Option<&'static str> = Some(wire::MAP);

    fn new(
        index: usize,
        incarnation: u32,
        budget: Budget,
        mutants: Mutants,
        setting: &Setting,
    ) -> Self {
        let is_twin = mutants.has(Mutant::NameWithoutIncarnation);
        // Both run: one was force deleted. The rule that is switched off is the map's, not the session's.
        let (pod, below) = if is_twin {
            ("pod".to_owned(), Mutants::NONE)
        } else {
            (
                format!("pod-{}", if setting.moves { index } else { 9 - index }),
                mutants,
            )
        };
        let spread = std::time::Duration::from_secs(3600);
        let drain = budget.lease / 4;
        let mut owns = owner::Config::new("shards".into(), pod.as_str().into(), budget);
        owns.drain = drain;
        let by = format!("assigner-{index}").into();
        let mut assigns = assigner::Config::new("shards".into(), by, budget);
        assigns.drain = drain;
        assigns.slots = SlotCount::try_new(1).expect("a power of two");
        Self {
            member: Member::new(
                &pod,
                &format!("{index}x{incarnation}"),
                spread,
                budget,
                below,
            ),
            owner: Owner::new(owns, mutants),
            assigner: Assigner::new(assigns, mutants),
            serves: None,
            guards: 0,
            drains: None,
            // Whoever is started again joins at any time.
            is_joined: index == 1 && incarnation == 1,
            may_leave: setting.leaves,
        }
    }

    fn may(&self, is_quiet: bool) -> Vec<u64> {
        let mut may = Vec::new();
        if is_quiet && !self.is_joined {
            may.push(JOIN);
        }
        if is_quiet && self.may_leave && self.serves.is_some() {
            may.push(LEAVE);
        }
        if self.drains.is_some() {
            may.push(DRAINED);
        }
        may
    }

    fn terms(setting: &Setting) -> Option<(usize, u64)> {
        Some((setting.leader, setting.terms))
    }

    fn first(setting: &Setting) -> Option<(usize, u64)> {
        setting.is_joined.then_some((0, JOIN))
    }
}

impl Node for SlotOwner {
    fn start(&mut self, now: Moment, _wall: Stamp) -> Vec<Effect> {
        let mut effects = self.assign(now, assigner::Input::Start);
        if self.is_joined {
            effects.extend(self.own(now, owner::Input::Join));
        } else {
            let actions = self.owner.tick(now);
            effects.extend(self.owned(now, actions));
        }
        effects
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        let whose = |number: u64| (number >> part::BITS, number & ((1 << part::BITS) - 1));
        match input {
            Input::Reply(_, Call(number), reply) => {
                let (number, part) = whose(number);
                let call = Call(number);
                match part {
                    part::MEMBER => self.join(now, member::Input::Reply(call, reply)),
                    part::SESSIONS => self.assign(now, assigner::Input::Reply(call, reply)),
                    part::MAP => {
                        let reply = wire::reply(false, reply);
                        self.assign(now, assigner::Input::Answer(call, reply))
                    }
                    _ => {
                        let reply = wire::reply(part == part::METADATA, reply);
                        self.own(now, owner::Input::Answer(call, reply))
                    }
                }
            }
            Input::Sight(_, Watch(number), sight) => {
                let (number, part) = whose(number);
                let watch = Watch(number);
                match part {
                    part::MEMBER => self.join(now, member::Input::Sight(watch, sight)),
                    part::SESSIONS => self.assign(now, assigner::Input::Saw(watch, sight)),
                    part::MAP => {
                        let sight = wire::sight(sight);
                        self.assign(now, assigner::Input::SawMap(watch, sight))
                    }
                    _ => self.own(now, owner::Input::Saw(watch, wire::sight(sight))),
                }
            }
            Input::Note(note) => self.noted(now, note),
            Input::Ended(_, _, Some(uid)) => self.assign(now, assigner::Input::Proven(uid)),
            _ => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let actions = self.owner.tick(now);
        let mut effects = self.owned(now, actions);
        let actions = self.member.tick(now);
        effects.extend(self.joined(now, actions));
        let actions = self.assigner.tick(now);
        effects.extend(self.assigned(now, actions));
        effects
    }

    fn wake(&self) -> Option<Moment> {
        let each = [self.member.wake(), self.owner.wake(), self.assigner.wake()];
        each.into_iter().flatten().min()
    }

    fn session(&self) -> Option<Uid> {
        self.member.session().map(|(_, uid)| uid.clone())
    }
}
