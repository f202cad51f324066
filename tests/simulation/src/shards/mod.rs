//! [`Sharer`]: a process with all machines of a map of shards: a `Member` with its session, an `Owner`, an `Elector` and an
//! `Assigner`; and an application that serves slots, writes under their tokens, drains them, hangs, and leaves.

mod app;
mod judge;
pub mod wire;

pub use judge::slots_settled;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use metaparticle_protocol::{
    Budget, Call, Identity, Machine, Member, Moment, Name, Reply, Stamp, Uid, Watch,
    api::Selector,
    election::{self, Elector, TermId},
    member,
    mutant::Mutant,
    shard::{Assigner, Owner, SlotCount, assigner, owner},
};

use crate::{
    ask::Ask,
    node::{Effect, Input, Node, REFUSED},
    random::Random,
    world::Plan,
};
use app::App;

/// Parts of a process, as requests and watches name them.
const ELECTOR: u8 = 0;
const MEMBER: u8 = 1;
const OWNER: u8 = 2;
const ASSIGNER: u8 = 3;

/// How many slots there are in that plan.
#[must_use]
pub fn slots(plan: &Plan) -> u32 {
    if plan.seed.is_multiple_of(2) { 8 } else { 16 }
}

/// How long all drain in that plan.
fn drain(plan: &Plan) -> Duration {
    let mut random = Random::new(plan.seed).fork(77);
    random.duration(Duration::from_millis(10), plan.lease)
}

/// A process of the map of shards.
#[derive(Clone, Debug)]
pub struct Sharer {
    plan: Plan,
    index: usize,
    elector: Elector,
    member: Member,
    owner: Owner,
    assigner: Assigner,
    app: App,
    term: Option<TermId>,
    /// Requests about the map: whether for its metadata alone.
    asked: BTreeMap<(u8, Call), bool>,
    /// Watches of the map.
    maps: BTreeSet<(u8, Watch)>,
    random: Random,
    is_calm: bool,
    has_left: bool,
}

fn pod(plan: &Plan, index: usize) -> String {
    let twins = plan.seed % 3 == 1;
    format!("pod-{}", if twins && index == 1 { 0 } else { index })
}

fn identity(index: usize, incarnation: u32) -> Identity {
    format!("assigner-{index}-{incarnation}").into()
}

impl Sharer {
    /// A process of that plan.
    ///
    /// # Panics
    /// If the plan's lease is none.
    #[must_use]
    pub fn new(plan: &Plan, index: usize, incarnation: u32) -> Self {
        let mut random =
            Random::new(plan.seed).fork(3000 * (index as u64 + 1) + u64::from(incarnation));
        let budget = Budget::try_new(plan.lease).expect("plans have valid leases");
        let pod = pod(plan, index);
        let drawn = format!("{index}x{incarnation}");
        let identity = identity(index, incarnation);
        let mut election = election::Config::new("assigner".into(), identity.clone(), budget);
        election.jitter = u8::try_from(random.below(256)).expect("a byte");
        election.candidate = random
            .per_mille(500)
            .then(|| Name::from(format!("candidate-{index}-{incarnation}")));
        let mut owns = owner::Config::new("shards".into(), pod.as_str().into(), budget);
        owns.drain = drain(plan);
        let mut assigns = assigner::Config::new("shards".into(), identity, budget);
        assigns.drain = drain(plan);
        assigns.slots = SlotCount::try_new(slots(plan)).expect("a power of two");
        // The rule that is switched off is this map's, not that of what it rests on.
        let below = match plan.mutants {
            mutants if mutants.has(Mutant::NameWithoutIncarnation) => {
                metaparticle_protocol::Mutants::NONE
            }
            mutants => mutants,
        };
        Self {
            elector: Elector::new(election, below),
            member: Member::new(&pod, &drawn, Duration::ZERO, budget, below),
            owner: Owner::new(owns, plan.mutants),
            assigner: Assigner::new(assigns, plan.mutants),
            app: App::new(plan),
            plan: plan.clone(),
            index,
            term: None,
            asked: BTreeMap::new(),
            maps: BTreeSet::new(),
            random,
            is_calm: false,
            has_left: false,
        }
    }

    fn elect(&mut self, now: Moment, told: election::Input) -> Vec<Effect> {
        let actions = self.elector.step(now, told);
        self.elected(now, actions)
    }

    fn elected(&mut self, now: Moment, actions: Vec<election::Action>) -> Vec<Effect> {
        use election::Action;
        let part = ELECTOR;
        let mut effects = Vec::new();
        for action in actions {
            let Some(action) = action.ask(part, &mut effects) else {
                continue;
            };
            match action {
                Action::Begin { term, token, until } => {
                    self.term = Some(term);
                    effects.extend(self.assign(now, assigner::Input::Lead { token, until }));
                }
                Action::Extend { term, until } if self.term == Some(term) => {
                    effects.extend(self.assign(now, assigner::Input::Extend { until }));
                }
                Action::Drain { term } | Action::End { term, .. } if self.term == Some(term) => {
                    self.term = None;
                    effects.extend(self.assign(now, assigner::Input::Rest));
                    effects.extend(self.elect(now, election::Input::Idle(term)));
                    let pause = self.random.duration(Duration::ZERO, self.plan.lease / 4);
                    effects.push(Effect::Later(pause, app::CONTEND));
                }
                _ => {}
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
        let part = ASSIGNER;
        let mut effects = Vec::new();
        for action in actions {
            let Some(action) = action.ask(part, &mut effects) else {
                continue;
            };
            match action {
                Action::Ask {
                    call,
                    request,
                    within,
                } => effects.push(self.ask(part, call, &request, within)),
                Action::WatchMap { watch } => effects.push(self.watch_map(part, watch)),
                Action::Superseded => {
                    effects.extend(self.elect(now, election::Input::Stop { to: None }));
                }
                Action::RolledBack => {
                    effects.extend(self.elect(now, election::Input::Stop { to: None }));
                    effects.extend(self.join(now, member::Input::RolledBack));
                }
                _ => {}
            }
        }
        effects
    }

    fn join(&mut self, now: Moment, told: member::Input) -> Vec<Effect> {
        let actions = self.member.step(now, told);
        self.joined(now, actions)
    }

    fn joined(&mut self, now: Moment, actions: Vec<member::Action>) -> Vec<Effect> {
        use member::Action;
        let part = MEMBER;
        let mut effects = Vec::new();
        for action in actions {
            let Some(action) = action.ask(part, &mut effects) else {
                continue;
            };
            match action {
                Action::Opened { name, uid } => {
                    effects.extend(self.assign(now, assigner::Input::Opened));
                    effects.extend(self.own(now, owner::Input::Opened { name, uid }));
                }
                Action::Extend { deadline: until } => {
                    effects.extend(self.own(now, owner::Input::Valid { until }));
                }
                Action::Lost(_) => {
                    effects.extend(self.own(now, owner::Input::Lost));
                    effects.extend(self.assign(now, assigner::Input::Lost));
                }
                _ => {}
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
        let part = OWNER;
        let mut effects = Vec::new();
        for action in actions {
            match action {
                Action::Ask {
                    call,
                    request,
                    within,
                } => effects.push(self.ask(part, call, &request, within)),
                Action::WatchMap { watch } => effects.push(self.watch_map(part, watch)),
                Action::Session => effects.extend(self.join(now, member::Input::Open)),
                Action::Tell { told, now: soon } => {
                    effects.extend(self.join(now, member::Input::Tell { told, now: soon }));
                }
                Action::RolledBack => {
                    effects.extend(self.join(now, member::Input::RolledBack));
                }
                Action::Left => {
                    self.has_left = true;
                    effects.extend(self.elect(now, election::Input::Leave));
                    effects.extend(self.join(now, member::Input::Close));
                }
                Action::Refused(_) => {}
                of_slots => {
                    let calm = self.is_calm;
                    effects.extend(self.app.heard(&of_slots, calm, &mut self.random));
                }
            }
        }
        effects
    }

    fn ask(
        &mut self,
        part: u8,
        call: Call,
        request: &metaparticle_protocol::shard::api::Request,
        within: Duration,
    ) -> Effect {
        let is_head = *request == metaparticle_protocol::shard::api::Request::Head;
        self.asked.insert((part, call), is_head);
        let request = wire::request(request);
        Effect::Send {
            part,
            call,
            request,
            within,
        }
    }

    fn watch_map(&mut self, part: u8, watch: Watch) -> Effect {
        self.maps.insert((part, watch));
        let by = Selector::Name(wire::MAP.into());
        Effect::Watch { part, watch, by }
    }

    fn replied(&mut self, now: Moment, part: u8, call: Call, reply: Reply) -> Vec<Effect> {
        let asked = self.asked.remove(&(part, call));
        let of_map = |is_head, reply| wire::reply(is_head, reply);
        match (part, asked) {
            (ELECTOR, _) => self.elect(now, election::Input::Reply(call, reply)),
            (MEMBER, _) => self.join(now, member::Input::Reply(call, reply)),
            (OWNER, Some(head)) => self.own(now, owner::Input::Answer(call, of_map(head, reply))),
            (ASSIGNER, Some(head)) => {
                self.assign(now, assigner::Input::Answer(call, of_map(head, reply)))
            }
            (ASSIGNER, None) => self.assign(now, assigner::Input::Reply(call, reply)),
            // Answered already, by its timeout.
            _ => Vec::new(),
        }
    }

    fn saw(
        &mut self,
        now: Moment,
        part: u8,
        watch: Watch,
        sight: metaparticle_protocol::Sight,
    ) -> Vec<Effect> {
        let is_map = self.maps.contains(&(part, watch));
        match part {
            ELECTOR => self.elect(now, election::Input::Saw(watch, sight)),
            MEMBER => self.join(now, member::Input::Sight(watch, sight)),
            OWNER => self.own(now, owner::Input::Saw(watch, wire::sight(sight))),
            _ if is_map => self.assign(now, assigner::Input::SawMap(watch, wire::sight(sight))),
            _ => self.assign(now, assigner::Input::Saw(watch, sight)),
        }
    }

    fn noted(&mut self, now: Moment, what: u64) -> Vec<Effect> {
        match what & 0xff {
            app::JOIN => self.own(now, owner::Input::Join),
            app::LEAVE if !self.is_calm => self.own(now, owner::Input::Leave),
            app::CONTEND if !self.has_left => self.elect(now, election::Input::Contend),
            app::STOP if !self.is_calm => self.elect(now, election::Input::Stop { to: None }),
            app::DOUBT => self.own(now, owner::Input::Doubt),
            app::DRAINED => match self.app.drained(what >> 8) {
                Some((slot, generation)) => {
                    self.own(now, owner::Input::Drained { slot, generation })
                }
                None => Vec::new(),
            },
            REFUSED => match self.app.serves(what >> 8) {
                Some((slot, token)) => self.own(now, owner::Input::Lapsed { slot, token }),
                None => Vec::new(),
            },
            app::WRITE => self.app.write(now, what >> 8, &mut self.random),
            _ => Vec::new(),
        }
    }
}

impl Node for Sharer {
    fn start(&mut self, now: Moment, wall: Stamp) -> Vec<Effect> {
        let since_zero = i64::try_from(now.since_zero().as_micros()).expect("not so long");
        self.elector = self.elector.clone().with_wall_clock(wall.0 - since_zero);
        let lease = self.plan.lease;
        let mut effects = self.assign(now, assigner::Input::Start);
        let contends = self.random.duration(Duration::ZERO, lease / 4);
        effects.push(Effect::Later(contends, app::CONTEND));
        let joins = self.random.duration(Duration::ZERO, lease / 2);
        effects.push(Effect::Later(joins, app::JOIN));
        if self.index > 0 && self.random.per_mille(200) {
            let stays = self.random.duration(lease, lease * 8);
            effects.push(Effect::Later(stays, app::LEAVE));
        }
        if self.random.per_mille(200) {
            let leads = self.random.duration(lease, lease * 8);
            effects.push(Effect::Later(leads, app::STOP));
        }
        if self.random.per_mille(200) {
            let doubts = self.random.duration(lease, lease * 8);
            effects.push(Effect::Later(doubts, app::DOUBT));
        }
        effects
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match input {
            Input::Reply(part, call, reply) => self.replied(now, part, call, reply),
            Input::Sight(part, watch, sight) => self.saw(now, part, watch, sight),
            Input::Note(what) => self.noted(now, what),
            Input::Ended(index, incarnation, session) => {
                let ended = identity(index, incarnation);
                let mut effects = self.elect(now, election::Input::Terminated(ended));
                if let Some(uid) = session {
                    effects.extend(self.assign(now, assigner::Input::Proven(uid)));
                }
                effects
            }
            Input::Calm => {
                self.is_calm = true;
                let mut effects = self.app.calm();
                if !self.has_left {
                    effects.push(Effect::Later(Duration::ZERO, app::CONTEND));
                }
                effects
            }
            Input::Written(..) => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let actions = self.owner.tick(now);
        let mut effects = self.owned(now, actions);
        let actions = self.member.tick(now);
        effects.extend(self.joined(now, actions));
        let actions = self.elector.tick(now);
        effects.extend(self.elected(now, actions));
        let actions = self.assigner.tick(now);
        effects.extend(self.assigned(now, actions));
        effects
    }

    fn wake(&self) -> Option<Moment> {
        let each = [
            self.elector.wake(),
            self.member.wake(),
            self.owner.wake(),
            self.assigner.wake(),
        ];
        each.into_iter().flatten().min()
    }

    fn session(&self) -> Option<Uid> {
        self.member.session().map(|(_, uid)| uid.clone())
    }
}
