//! [`Holder`]: a process with a `Member` and tasks that lock, work, write under their tokens, and unlock.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use metaparticle_protocol::{
    Budget, Machine, Member, Moment, Name, Sight, Stamp, Token, Uid,
    lock::{Guard, Kind, Loss},
    member::{Action, Input as Told},
    session::Ended,
};

use crate::{
    ask::Ask,
    node::{Cause, Effect, Grant, Input, Mode, Node},
    random::Random,
    world::Plan,
};

/// What is expected of the unlocking of a guard.
const UNLOCKED: u64 = 1 << 40;

/// Timers of the application.
mod note {
    /// A task begins a cycle.
    pub(super) const ASK: u64 = 1;
    /// A task ends its wait or its hold.
    pub(super) const LEAVE: u64 = 2;
    pub(super) const WRITE: u64 = 3;
    pub(super) const PERMIT_DROPS: u64 = 4;
    pub(super) const CLOSE: u64 = 5;
    pub(super) const REVOKE: u64 = 6;

    pub(super) const fn of(what: u64, guard: u64) -> u64 {
        what | (guard << 8)
    }
}

/// A member and its application.
#[derive(Clone, Debug)]
pub struct Holder {
    plan: Plan,
    index: usize,
    incarnation: u32,
    member: Member,
    random: Random,
    guards: BTreeMap<u64, Acquisition>,
    asked: u64,
    /// Another session that was seen in a ticket.
    other: Option<(Name, Uid)>,
    is_calm: bool,
    is_closing: bool,
    was_closed: bool,
}

/// A wish, or what came of it.
#[derive(Clone, Debug)]
struct Acquisition {
    lock: Name,
    mode: Mode,
    base: Name,
    token: Option<Token>,
    /// Held until then.
    until: Option<Moment>,
    /// The guard's word is valid, as far as the machine said.
    is_open: bool,
    permits: u32,
    /// Was told to be left, or waits for its permits to be.
    is_leaving: bool,
    was_left: bool,
}

impl Holder {
    /// A process of that plan.
    ///
    /// # Panics
    /// If the plan's lease is none.
    #[must_use]
    pub fn new(plan: &Plan, index: usize, incarnation: u32) -> Self {
        let mut random =
            Random::new(plan.seed).fork(2000 * (index as u64 + 1) + u64::from(incarnation));
        let budget = Budget::try_new(plan.lease).expect("plans have valid leases");
        let twins = plan.seed % 3 == 1;
        let pod = format!("pod-{}", if twins && index == 1 { 0 } else { index });
        let drawn = format!("{index}x{incarnation}");
        let spread = random.duration(Duration::ZERO, Duration::from_secs(3600));
        Self {
            plan: plan.clone(),
            index,
            incarnation,
            member: Member::new(&pod, &drawn, spread, budget, plan.mutants),
            random,
            guards: BTreeMap::new(),
            asked: 0,
            other: None,
            is_calm: false,
            is_closing: false,
            was_closed: false,
        }
    }

    fn told(&mut self, now: Moment, told: Told) -> Vec<Effect> {
        let actions = self.member.step(now, told);
        self.acted(now, actions)
    }

    fn acted(&mut self, now: Moment, actions: Vec<Action>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for action in actions {
            self.act(now, action, &mut effects);
        }
        effects
    }

    fn act(&mut self, now: Moment, action: Action, effects: &mut Vec<Effect>) {
        let Some(action) = action.ask(0, effects) else {
            return;
        };
        match action {
            Action::Hold {
                guard,
                token,
                deadline,
            } => self.hold(guard, token, deadline, effects),
            Action::Extend { deadline } => {
                for (guard, acquisition) in &mut self.guards {
                    if acquisition.until.is_none() {
                        continue;
                    }
                    if acquisition.is_open {
                        acquisition.until = Some(deadline);
                        effects.push(Effect::Extend(*guard, deadline));
                    } else if acquisition.permits > 0 {
                        acquisition.until = Some(deadline);
                        effects.push(Effect::PermitsOutlive(*guard, deadline));
                    }
                }
            }
            Action::Invalidate { guard, why } => self.invalidate(now, guard, &why, effects),
            Action::Taken { guard } | Action::Failed { guard, .. } => {
                self.guards.remove(&guard.0);
                effects.push(Effect::Satisfied(guard.0));
                self.pause(effects);
            }
            Action::Released { guard } => {
                self.guards.remove(&guard.0);
                effects.push(Effect::Satisfied(guard.0 | UNLOCKED));
                self.pause(effects);
            }
            _ => {}
        }
    }

    fn hold(
        &mut self,
        guard: Guard,
        token: Option<Token>,
        deadline: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let lease = self.plan.lease;
        let most = if self.is_calm { lease / 20 } else { lease * 2 };
        let works = if self.random.per_mille(500) {
            self.random.duration(Duration::ZERO, most / 10)
        } else {
            self.random.duration(Duration::ZERO, most)
        };
        let first = self.random.duration(Duration::ZERO, lease / 8);
        let Some(acquisition) = self.guards.get_mut(&guard.0) else {
            return;
        };
        acquisition.token = token;
        acquisition.until = Some(deadline);
        acquisition.is_open = true;
        effects.push(Effect::Satisfied(guard.0));
        let grant = Grant {
            resource: acquisition.lock.clone(),
            mode: acquisition.mode,
            token,
            ticket: Some(acquisition.base.clone()),
            deadline: Some(deadline),
        };
        effects.push(Effect::Hold(guard.0, grant));
        if let Some(token) = token.filter(|_| acquisition.lock.as_str() == "mutex") {
            effects.push(Effect::Write(guard.0, token));
            effects.push(Effect::Later(first, note::of(note::WRITE, guard.0)));
        }
        effects.push(Effect::Later(works, note::of(note::LEAVE, guard.0)));
    }

    fn invalidate(&mut self, now: Moment, guard: Guard, why: &Loss, effects: &mut Vec<Effect>) {
        effects.push(Effect::Invalidate(guard.0));
        let Some(acquisition) = self.guards.get_mut(&guard.0) else {
            return;
        };
        acquisition.is_open = false;
        if matches!(why, Loss::Released) {
            return;
        }
        // Its deadline was the last: the next session's is another's.
        acquisition.until = None;
        effects.push(Effect::PermitsDropped(guard.0));
        let cause = match why {
            Loss::Deleted => Some(Cause::Ticket(acquisition.base.clone())),
            Loss::Session(Ended::RolledBack) => Some(Cause::RolledBack),
            Loss::Session(Ended::Deleted | Ended::Revoked(_)) => {
                let held = self.member.session().map(|(name, _)| name.clone());
                held.map(|name| Cause::Holder(name.clone(), name.as_str().into(), None))
            }
            _ => None,
        };
        effects.extend(cause.map(|cause| Effect::Lost(guard.0, cause)));
        // The task sees it, and leaves, sooner or later.
        let after = self.random.duration(Duration::ZERO, self.plan.lease / 4);
        let _ = now;
        effects.push(Effect::Later(after, note::of(note::LEAVE, guard.0)));
    }

    /// Before a task's next cycle.
    fn pause(&mut self, effects: &mut Vec<Effect>) {
        if !self.is_calm && !self.is_closing {
            let after = self.random.duration(Duration::ZERO, self.plan.lease);
            effects.push(Effect::Later(after, note::ASK));
        }
    }

    fn ask(&mut self, now: Moment) -> Vec<Effect> {
        if self.is_closing {
            return Vec::new();
        }
        self.asked += 1;
        let guard = self.asked;
        let (lock, kind, mode) = match self.random.below(7) {
            0..=2 => ("mutex", Kind::Mutex, Mode::Alone),
            3 => ("rw", Kind::Writer, Mode::Alone),
            4 => ("rw", Kind::Reader, Mode::Shared),
            _ => {
                let limit = NonZeroU32::new(2).expect("not zero");
                ("semaphore", Kind::Semaphore(limit), Mode::Few(2))
            }
        };
        let base = format!("t{}x{}x{guard}x", self.index, self.incarnation);
        let acquisition = Acquisition {
            lock: lock.into(),
            mode,
            base: base.as_str().into(),
            token: None,
            until: None,
            is_open: false,
            permits: 0,
            is_leaving: false,
            was_left: false,
        };
        let told = Told::Lock {
            guard: Guard(guard),
            name: acquisition.base.clone(),
            lock: acquisition.lock.clone(),
            kind,
            once: self.random.per_mille(100),
        };
        self.guards.insert(guard, acquisition);
        let mut effects = vec![Effect::Expects(guard)];
        if !self.is_calm && self.random.per_mille(250) {
            // Withdrawn after a while, held or not.
            let after = self.random.duration(Duration::ZERO, self.plan.lease);
            effects.push(Effect::Later(after, note::of(note::LEAVE, guard)));
        }
        effects.extend(self.told(now, told));
        effects
    }

    fn leave(&mut self, now: Moment, guard: u64) -> Vec<Effect> {
        let Some(acquisition) = self.guards.get_mut(&guard) else {
            return Vec::new();
        };
        if acquisition.was_left {
            return Vec::new();
        }
        let mut effects = vec![Effect::Satisfied(guard)];
        acquisition.is_leaving = true;
        let until = acquisition.until.unwrap_or_default();
        if acquisition.permits > 0 && acquisition.is_open && now < until {
            // The driver closes the word, and waits for the permits.
            acquisition.is_open = false;
            effects.push(Effect::Invalidate(guard));
            effects.push(Effect::PermitsOutlive(guard, until));
            return effects;
        }
        if acquisition.permits > 0 {
            return effects;
        }
        acquisition.was_left = true;
        effects.push(Effect::Expects(guard | UNLOCKED));
        effects.extend(self.told(
            now,
            Told::Leave {
                guard: Guard(guard),
            },
        ));
        effects
    }

    fn write(&mut self, now: Moment, guard: u64) -> Vec<Effect> {
        let lease = self.plan.lease;
        let again = self.random.duration(Duration::from_millis(1), lease / 4);
        let holds = self.random.duration(Duration::ZERO, lease);
        let permit = self.random.per_mille(200);
        let erases = self.random.per_mille(150);
        let valid = self.guards.get_mut(&guard).filter(|acquisition| {
            acquisition.is_open
                && !acquisition.is_leaving
                && acquisition.until.is_some_and(|until| now < until)
        });
        let Some((acquisition, token)) =
            valid.and_then(|acquisition| acquisition.token.map(|token| (acquisition, token)))
        else {
            return Vec::new();
        };
        let mut effects = vec![Effect::Later(again, note::of(note::WRITE, guard))];
        if permit {
            acquisition.permits += 1;
            effects.push(Effect::Later(holds, note::of(note::PERMIT_DROPS, guard)));
        }
        effects.push(if erases {
            Effect::Erase(guard, token)
        } else {
            Effect::Write(guard, token)
        });
        effects
    }

    fn permit_drops(&mut self, now: Moment, guard: u64) -> Vec<Effect> {
        let Some(acquisition) = self.guards.get_mut(&guard) else {
            return Vec::new();
        };
        acquisition.permits -= 1;
        if acquisition.permits > 0 {
            return Vec::new();
        }
        let mut effects = vec![Effect::PermitsDropped(guard)];
        if acquisition.is_leaving {
            effects.extend(self.leave(now, guard));
        }
        effects.extend(self.close(now));
        effects
    }

    fn noted(&mut self, now: Moment, what: u64) -> Vec<Effect> {
        let guard = what >> 8;
        match what & 0xff {
            note::ASK if !self.is_calm || guard == 1 => self.ask(now),
            note::LEAVE => self.leave(now, guard),
            note::WRITE => self.write(now, guard),
            note::PERMIT_DROPS => self.permit_drops(now, guard),
            note::CLOSE if !self.is_calm => {
                self.is_closing = true;
                let all: Vec<_> = self.guards.keys().copied().collect();
                let left = all.into_iter().map(|guard| self.leave(now, guard));
                let mut effects: Vec<_> = left.collect::<Vec<_>>().into_iter().flatten().collect();
                effects.extend(self.close(now));
                effects
            }
            note::REVOKE if !self.is_calm => match self.other.take() {
                Some((name, uid)) => self.told(now, Told::Revoke { name, uid }),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Closes, once no permit lives: to close is to release everything.
    fn close(&mut self, now: Moment) -> Vec<Effect> {
        let may = self.guards.values().all(|guard| guard.permits == 0);
        if self.is_closing && !self.was_closed && may {
            self.was_closed = true;
            return self.told(now, Told::Close);
        }
        Vec::new()
    }

    /// What the application learns of other sessions.
    fn overhear(&mut self, sight: &Sight) {
        let (Sight::Added(lease) | Sight::Modified(lease)) = sight else {
            return;
        };
        let label = |key| lease.labels.get(key).map(ToString::to_string);
        let own = self
            .member
            .session()
            .map(|(name, _)| name.as_str().to_owned());
        if let (Some(session), Some(uid)) = (label("session"), label("session-uid"))
            && own.is_some_and(|own| own != session)
        {
            self.other = Some((session.into(), uid.into()));
        }
    }
}

impl Node for Holder {
    fn start(&mut self, _now: Moment, _wall: Stamp) -> Vec<Effect> {
        let lease = self.plan.lease;
        let tasks = self.random.between(1, 3);
        let mut effects = Vec::new();
        for _ in 0..tasks {
            let after = self.random.duration(Duration::ZERO, lease);
            effects.push(Effect::Later(after, note::ASK));
        }
        if self.index > 0 && self.random.per_mille(150) {
            let stays = self.random.duration(Duration::ZERO, lease * 8);
            effects.push(Effect::Later(stays, note::CLOSE));
        }
        if self.random.per_mille(100) {
            let after = self.random.duration(Duration::ZERO, lease * 8);
            effects.push(Effect::Later(after, note::REVOKE));
        }
        effects
    }

    fn step(&mut self, now: Moment, input: Input) -> Vec<Effect> {
        match input {
            Input::Reply(_, call, reply) => self.told(now, Told::Reply(call, reply)),
            Input::Sight(_, watch, sight) => {
                self.overhear(&sight);
                self.told(now, Told::Sight(watch, sight))
            }
            Input::Note(what) => self.noted(now, what),
            Input::Ended(_, _, Some(uid)) => self.told(now, Told::Proven { uid }),
            Input::Calm => {
                self.is_calm = true;
                // What is held goes soon; and each process asks once more.
                let held = self.guards.iter().filter(|(_, held)| held.until.is_some());
                let soon = self.plan.lease / 10;
                let mut effects: Vec<_> = held
                    .map(|(guard, _)| Effect::Later(soon, note::of(note::LEAVE, *guard)))
                    .collect();
                effects.push(Effect::Later(soon * 2, note::of(note::ASK, 1)));
                effects
            }
            Input::Ended(_, _, None) | Input::Written(..) => Vec::new(),
        }
    }

    fn tick(&mut self, now: Moment) -> Vec<Effect> {
        let actions = self.member.tick(now);
        self.acted(now, actions)
    }

    fn wake(&self) -> Option<Moment> {
        self.member.wake()
    }

    fn session(&self) -> Option<Uid> {
        self.member.session().map(|(_, uid)| uid.clone())
    }
}
