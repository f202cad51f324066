//! [`App`]: what a process does with its slots.

use std::{collections::BTreeMap, time::Duration};

use metaparticle_protocol::{
    Moment, Token, Version,
    shard::{Slot, owner::Action},
};

use crate::{
    node::{Effect, Grant, Mode},
    random::Random,
    world::Plan,
};

/// Timers of the application.
pub(super) const JOIN: u64 = 1;
pub(super) const LEAVE: u64 = 2;
pub(super) const CONTEND: u64 = 3;
pub(super) const STOP: u64 = 4;
pub(super) const DOUBT: u64 = 5;
pub(super) const DRAINED: u64 = 6;
pub(super) const WRITE: u64 = 7;

/// The slots that are served.
#[derive(Clone, Debug)]
pub(super) struct App {
    lease: Duration,
    serves: BTreeMap<Slot, Serving>,
    /// Drains that come to an end, by the number of their timer.
    drains: BTreeMap<u64, (Slot, Version)>,
    /// Those that hang.
    hangs: Vec<(Slot, Version)>,
    numbers: u64,
}

#[derive(Clone, Copy, Debug)]
struct Serving {
    guard: u64,
    token: Token,
    until: Moment,
}

/// The name of that slot's guards.
pub(super) fn resource(slot: Slot) -> String {
    format!("slot-{slot}")
}

impl App {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            lease: plan.lease,
            serves: BTreeMap::new(),
            drains: BTreeMap::new(),
            hangs: Vec::new(),
            numbers: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Something became of slots.
    pub(super) fn heard(
        &mut self,
        action: &Action,
        is_calm: bool,
        random: &mut Random,
    ) -> Vec<Effect> {
        match *action {
            Action::Gained { slot, token, until } => {
                // The slot's register is named by the upper half.
                let guard = u64::from(slot.0) << 32 | self.number();
                let serving = Serving {
                    guard,
                    token,
                    until,
                };
                self.serves.insert(slot, serving);
                let grant = Grant {
                    resource: resource(slot).into(),
                    mode: Mode::Slot,
                    token: Some(token),
                    ticket: None,
                    deadline: Some(until),
                };
                let first = random.duration(Duration::ZERO, self.lease);
                vec![
                    Effect::Hold(guard, grant),
                    Effect::Write(guard, token),
                    Effect::Later(first, WRITE | guard << 8),
                ]
            }
            Action::Valid { until } => {
                let each = self.serves.values_mut().map(|serving| {
                    serving.until = until;
                    Effect::Extend(serving.guard, until)
                });
                each.collect()
            }
            Action::Drain {
                slot, generation, ..
            } => {
                if !is_calm && random.per_mille(150) {
                    self.hangs.push((slot, generation));
                    return Vec::new();
                }
                let long = if random.per_mille(200) { 1 } else { 20 };
                let after = random.duration(Duration::ZERO, self.lease / long);
                vec![self.ends(after, slot, generation)]
            }
            Action::Lost { slot, .. } => {
                let lost = self.serves.remove(&slot);
                let lost = lost.map(|serving| Effect::Invalidate(serving.guard));
                lost.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn ends(&mut self, after: Duration, slot: Slot, generation: Version) -> Effect {
        let number = self.number();
        self.drains.insert(number, (slot, generation));
        Effect::Later(after, DRAINED | number << 8)
    }

    /// What hung goes on.
    pub(super) fn calm(&mut self) -> Vec<Effect> {
        let hangs = std::mem::take(&mut self.hangs).into_iter();
        let ends = hangs.map(|(slot, generation)| self.ends(Duration::ZERO, slot, generation));
        ends.collect()
    }

    /// That timer's drain has ended.
    pub(super) fn drained(&mut self, number: u64) -> Option<(Slot, Version)> {
        self.drains.remove(&number)
    }

    /// The slot of that guard, and its token.
    pub(super) fn serves(&self, guard: u64) -> Option<(Slot, Token)> {
        let mut serves = self.serves.iter();
        let (slot, serving) = serves.find(|(_, serving)| serving.guard == guard)?;
        Some((*slot, serving.token))
    }

    /// The application checks, and writes.
    pub(super) fn write(&mut self, now: Moment, guard: u64, random: &mut Random) -> Vec<Effect> {
        let mut serves = self.serves.values();
        let Some(serving) = serves.find(|serving| serving.guard == guard && now < serving.until)
        else {
            return Vec::new();
        };
        let again = random.duration(self.lease / 4, self.lease * 2);
        vec![
            Effect::Write(guard, serving.token),
            Effect::Later(again, WRITE | guard << 8),
        ]
    }
}
