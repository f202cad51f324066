//! How each [`Kind`] of fault begins and ends.

use std::{fmt, time::Duration};

use metaparticle_protocol::{Identity, Lease, Mutants, Name, shard::Slot};

use super::{Event, Kind, Node, World, process::Flow, process::Item};
use crate::{
    monitor::Violation,
    node::{Effect, Input, REFUSED},
    shards::wire::{MAP, bytes, map, put},
    store::Store,
};

impl<N: Node + fmt::Debug> World<N> {
    pub(super) fn begin(&mut self, index: usize) {
        let kind = self.plan.script[index].kind.clone();
        self.note(|| format!("FAULT {kind:?}"));
        if matches!(kind, Kind::Delete { .. }) {
            self.force();
        }
        match kind {
            Kind::Pause { process, midway } => {
                let place = &mut self.processes[process];
                if midway {
                    place.stops_midway = true;
                } else if place.node.is_some() {
                    place.is_paused = true;
                }
            }
            Kind::Crash { process } => self.crash(process),
            Kind::Partition {
                process,
                frozen,
                answers_only,
            } => {
                let flow = if frozen { Flow::Held } else { Flow::Lost };
                let link = &mut self.processes[process].link;
                link.answers = flow;
                if !answers_only {
                    link.requests = flow;
                }
                self.break_watches(process, false);
            }
            Kind::Slow { process, by } => self.processes[process].link.slow = by,
            Kind::LoseWatches { process } => self.break_watches(process, true),
            Kind::Busy => self.server.is_busy = true,
            Kind::Errors => self.server.errs = true,
            Kind::Outage => {
                self.server.is_down = true;
                for process in 0..self.processes.len() {
                    self.break_watches(process, true);
                }
            }
            Kind::Compact => {
                let version = self.store.version();
                self.store.compact(version);
            }
            Kind::Annotate { pick } => {
                if let Some(name) = self.pick(pick) {
                    let before = self.store.version();
                    self.store.edit(&name, |_| {});
                    self.changed(before);
                }
            }
            Kind::Rate { process, rate } => {
                let clock = &mut self.processes[process].clock;
                *clock = clock.with_rate(self.now, rate);
                self.set_alarm(process);
            }
            Kind::Jump { process, seconds } => {
                let clock = &mut self.processes[process].clock;
                *clock = clock.with_jump(seconds);
            }
            Kind::Delete { pick } => {
                if let Some(name) = self.pick(pick) {
                    let before = self.store.version();
                    self.store.delete(&name, None, None);
                    self.changed(before);
                }
            }
            Kind::SetHolder { pick, empty } => {
                if let Some(name) = self.pick(pick) {
                    let before = self.store.version();
                    self.store.edit(&name, |lease| {
                        lease.spec.holder = (!empty).then(|| Identity::from("somebody"));
                    });
                    self.changed(before);
                }
            }
            Kind::Restore { ago, watches_live } => self.restore(ago, watches_live),
            Kind::Blind { process } => self.processes[process].link.is_blind = true,
            Kind::DeleteMap => {
                let before = self.store.version();
                self.store.delete(&MAP.into(), None, None);
                self.changed(before);
            }
            Kind::EditMap { pick } => {
                self.force();
                let before = self.store.version();
                self.store.edit(&MAP.into(), |lease| edit_map(lease, pick));
                self.changed(before);
            }
        }
    }

    pub(super) fn end(&mut self, index: usize) -> Result<(), Violation> {
        let fault = &self.plan.script[index];
        if fault.at > self.plan.calm {
            return Ok(());
        }
        match fault.kind.clone() {
            Kind::Pause { process, .. } => self.go_on(process)?,
            Kind::Crash { process } if self.processes[process].node.is_none() => {
                self.start(process)?;
            }
            Kind::Partition { process, .. } => self.heal(process),
            Kind::Slow { process, .. } => self.processes[process].link.slow = Duration::ZERO,
            Kind::Busy => self.server.is_busy = false,
            Kind::Errors => self.server.errs = false,
            Kind::Outage => {
                self.server.is_down = false;
            }
            Kind::Blind { process } => self.processes[process].link.is_blind = false,
            _ => {}
        }
        Ok(())
    }

    /// From here on nothing goes wrong; what is down starts.
    pub(super) fn calm(&mut self) -> Result<(), Violation> {
        self.note(|| "CALM".to_owned());
        self.server.is_busy = false;
        self.server.errs = false;
        self.server.is_down = false;
        self.server.is_calm = true;
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            process.link.slow = Duration::ZERO;
            process.stops_midway = false;
            process.link.is_blind = false;
            self.heal(index);
            self.go_on(index)?;
            if self.processes[index].node.is_none() {
                self.start(index)?;
            } else {
                self.take(index, Item::Input(Input::Calm))?;
            }
        }
        Ok(())
    }

    fn crash(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let Some(node) = &process.node else {
            return;
        };
        let session = node.session();
        let incarnation = process.incarnation;
        self.monitor.stopped(self.now, (index, incarnation, None));
        self.monitor.crashed(index, incarnation);
        process.end();
        for other in 0..self.processes.len() {
            let process = &mut self.processes[other];
            if other != index && process.random.per_mille(400) {
                // The kubelet's report, as the others see it (P1).
                let after = Duration::from_millis(process.random.between(20, 1500));
                let sender = (other, process.incarnation);
                let report = Event::Tell(sender, Input::Ended(index, incarnation, session.clone()));
                self.schedule(self.now + after, report);
            }
        }
    }

    fn heal(&mut self, index: usize) {
        let link = &mut self.processes[index].link;
        if link.requests == Flow::Open && link.answers == Flow::Open {
            return;
        }
        link.requests = Flow::Open;
        link.answers = Flow::Open;
        self.thaw(index);
        self.pump(index);
    }

    /// SIGCONT: what came meanwhile is taken in any order, each stream in its own; timers are due.
    fn go_on(&mut self, index: usize) -> Result<(), Violation> {
        let process = &mut self.processes[index];
        if !process.is_paused {
            return Ok(());
        }
        process.is_paused = false;
        process.stops_midway = false;
        let mut inbox = std::mem::take(&mut process.inbox);
        let stalled = std::mem::take(&mut process.stalled);
        self.note(|| format!("p{index} goes on"));
        let local = self.processes[index].clock.at(self.now);
        let incarnation = self.processes[index].incarnation;
        let mut refused = Vec::new();
        for effect in stalled {
            // A word that ran out meanwhile refuses to be extended: invalid is final (T1).
            match &effect {
                Effect::Extend(guard, _)
                    if !self.monitor.is_valid(local, (index, incarnation, *guard)) =>
                {
                    self.monitor.refuse((index, incarnation, *guard));
                    refused.push(*guard);
                }
                _ => self.effect(index, effect)?,
            }
        }
        for guard in refused {
            let note = REFUSED | guard << 8;
            self.take(index, Item::Input(Input::Note(note)))?;
        }
        if self.processes[index].random.per_mille(300) {
            // The timers first.
            let sender = (index, self.processes[index].incarnation);
            let alarm = self.processes[index].alarm;
            self.wake(sender, alarm)?;
        }
        if self.processes[index].random.per_mille(500) {
            // Watches are one stream, answers another: either may be polled first.
            let watches_first = self.processes[index].random.per_mille(500);
            inbox
                .sort_by_key(|item| matches!(item, Item::Input(Input::Sight(..))) != watches_first);
        }
        for item in inbox {
            self.take(index, item)?;
        }
        self.set_alarm(index);
        Ok(())
    }

    fn pick(&self, pick: u64) -> Option<Name> {
        let count = self.store.objects().count();
        if count == 0 {
            return None;
        }
        let nth = usize::try_from(pick % count as u64).expect("an index fits");
        let object = self.store.objects().nth(nth)?;
        Some(object.lease.name.clone())
    }

    /// The API server ends, as it must for a store to be restored, and with it all connections: what was on its way on
    /// them does not arrive.
    fn lose_requests(&mut self) {
        let to_server = |event: &Event| matches!(event, Event::Arrive(..) | Event::Fenced(..));
        self.events.retain(|_, event| !to_server(event));
        for process in &mut self.processes {
            process.frozen.retain(|event| !to_server(event));
        }
    }

    fn restore(&mut self, ago: Duration, watches_live: bool) {
        let since = self.now.saturating_sub(ago);
        let backup = self.backups.iter().rev().find(|(at, _)| *at <= since);
        let Some((_, snapshot)) = backup.or(self.backups.first()) else {
            return;
        };
        let snapshot = snapshot.clone();
        self.is_restored = true;
        let before: Vec<_> = holds(&self.store).collect();
        self.store.restore(&snapshot);
        self.monitor.restored();
        if watches_live || !before.into_iter().eq(holds(&self.store)) {
            // What was held then is not what is held now, or, as the API server goes on, a request of before may be
            // accepted for a version that is given out again. Otherwise nothing is excused.
            self.force();
        }
        if !watches_live {
            self.lose_requests();
        }
        let version = self.store.version();
        // Backups of a future that never was are void.
        self.backups.retain(|(at, _)| *at <= since);
        for index in 0..self.processes.len() {
            for watch in self.processes[index].watches.values_mut() {
                if watch.sent.is_some() {
                    watch.sent = Some(version);
                }
            }
            self.break_watches(index, !watches_live);
        }
        self.schedule(self.now, Event::Collect);
    }
}

/// What hands do to a map: nobody owns a slot any more, another does, or it is no map.
fn edit_map(lease: &mut Lease, pick: u64) {
    let mut packed = bytes(lease);
    let Some(map) = map(lease) else { return };
    let count = map.slots().number();
    let slot = u32::try_from(pick / 8 % u64::from(count)).expect("one of them");
    match pick % 4 {
        0 => {
            let place = packed.len() - 20 * (count - slot) as usize;
            packed[place..place + 4].fill(0xff);
        }
        1 => packed.truncate(packed.len() / 2),
        _ => {
            let mut edit = map.edit(lease.version, map.term(), Mutants::NONE);
            if let Some(peer) = map.peers().last() {
                edit.assign(Slot(slot), peer);
            }
            packed = edit.finish().pack().expect("a small map");
        }
    }
    put(lease, &packed);
}

/// Who holds what, in which term, since when it exists.
fn holds(store: &Store) -> impl Iterator<Item = impl PartialEq + use<>> + '_ {
    store.objects().map(|object| {
        let lease = &object.lease;
        let spec = &lease.spec;
        (
            lease.uid.clone(),
            spec.holder.clone(),
            spec.duration,
            spec.acquired,
            spec.transitions,
        )
    })
}
