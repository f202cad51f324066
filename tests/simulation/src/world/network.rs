//! Messages between processes and server: delays, losses, duplicates, late answers; and what the server does with them.

use std::{fmt, time::Duration};

use metaparticle_protocol::{
    Call, Identity, Reply, Request, Stamp, Token,
    fence::{Deletion, deletion},
};

use super::{Event, Node, Sender, Step, World, process::Flow, process::Item};
use crate::{
    monitor::{GuardId, Violation, ticket},
    node::{Cause, Input},
    store::{Store, Write},
};

/// What identities of client-go begin with.
pub(crate) const FOREIGN: &str = "client-go-";

/// A message in a cluster without trouble takes up to this long.
const USUAL: Duration = Duration::from_millis(12);

impl<N: Node + fmt::Debug> World<N> {
    /// How long the next message of that process takes.
    fn delay(&mut self, index: usize) -> Duration {
        let is_calm = self.server.is_calm;
        let (unreliable, lease) = (self.plan.unreliable, self.plan.lease);
        let process = &mut self.processes[index];
        let usual = process.random.duration(Duration::from_micros(300), USUAL);
        let slow = process.link.slow;
        let more = process.random.duration(Duration::ZERO, slow);
        if !is_calm && process.random.per_mille(unreliable) {
            return usual + process.random.duration(Duration::ZERO, lease * 2);
        }
        usual + more
    }

    fn is_unlucky(&mut self, index: usize) -> bool {
        let unreliable = self.plan.unreliable;
        !self.server.is_calm && self.processes[index].random.per_mille(unreliable)
    }

    pub(super) fn send(
        &mut self,
        sender: Sender,
        part: u8,
        call: Call,
        request: Request,
        within: Duration,
    ) {
        let (index, _) = sender;
        let process = &mut self.processes[index];
        process.unanswered.insert((part, call));
        let over = process.clock.when(process.clock.at(self.now) + within);
        let wall = process.clock.wall(self.now);
        self.schedule(over, Event::Timeout(sender, part, call));
        if self.is_unlucky(index) {
            return;
        }
        if self.is_unlucky(index) {
            let at = self.now + self.delay(index);
            let twin = Event::Arrive(sender, part, call, request.clone(), wall, false);
            self.schedule(at, twin);
        }
        let arrive = Event::Arrive(sender, part, call, request, wall, true);
        self.forward(index, arrive);
    }

    pub(super) fn write(&mut self, sender: Sender, guard: u64, token: Token, step: Step) {
        if self.is_unlucky(sender.0) {
            return;
        }
        self.forward(sender.0, Event::Fenced(sender, guard, token, step));
    }

    /// On its way to the server.
    fn forward(&mut self, index: usize, event: Event) {
        match self.processes[index].link.requests {
            Flow::Open => {
                let at = self.now + self.delay(index);
                self.schedule(at, event);
            }
            Flow::Held => self.processes[index].frozen.push(event),
            Flow::Lost => {}
        }
    }

    /// On its way back to the process.
    fn back(&mut self, index: usize, event: Event) {
        match self.processes[index].link.answers {
            Flow::Open => {
                let at = self.now + self.delay(index);
                self.schedule(at, event);
            }
            Flow::Held => self.processes[index].frozen.push(event),
            Flow::Lost => {}
        }
    }

    /// A frozen connection goes on: what it held arrives.
    pub(super) fn thaw(&mut self, index: usize) {
        for event in std::mem::take(&mut self.processes[index].frozen) {
            let at = self.now + self.delay(index);
            self.schedule(at, event);
        }
    }

    pub(super) fn arrive(
        &mut self,
        sender: Sender,
        part: u8,
        call: Call,
        request: &Request,
        wall: Stamp,
        answered: bool,
    ) -> Result<(), Violation> {
        let reply = self.serve(sender, request, wall)?;
        self.note(|| format!("  server: p{} {call:?} {request:?}: {reply:?}", sender.0));
        if answered && !self.is_unlucky(sender.0) {
            self.back(sender.0, Event::Answer(sender, part, call, reply));
        }
        Ok(())
    }

    fn serve(
        &mut self,
        sender: Sender,
        request: &Request,
        wall: Stamp,
    ) -> Result<Reply, Violation> {
        if self.server.is_down {
            return Ok(Reply::Unknown);
        }
        if self.server.is_busy && self.random.per_mille(700) {
            let after = self.random.per_mille(500);
            return Ok(Reply::Busy {
                after: after.then_some(Duration::from_secs(1)),
            });
        }
        if self.server.errs && self.random.per_mille(350) {
            return Ok(Reply::Unknown);
        }
        let before = self.store.version();
        let held = holding(&self.store, request);
        let reply = self.store.execute(request, wall);
        if before != self.store.version() {
            self.judge(sender, request, held.as_ref())?;
        }
        self.changed(before);
        if self.server.errs && self.random.per_mille(350) {
            return Ok(Reply::Unknown);
        }
        Ok(reply)
    }

    /// A write was accepted: client-go may take what is not held, and is taken from when its record has expired.
    fn judge(
        &mut self,
        (index, _): Sender,
        request: &Request,
        held: Option<&Identity>,
    ) -> Result<(), Violation> {
        let Request::Update { name, draft, .. } = request else {
            return Ok(());
        };
        let was_foreign = held.is_some_and(|holder| holder.as_str().starts_with(FOREIGN));
        let changes = draft.holder.as_ref() != held;
        let was_emptied = self.is_emptied;
        if draft.holder.is_some() {
            self.is_emptied = false;
        }
        if !self.processes[index].is_foreign {
            let since = self.foreign_write.map(|at| self.now.saturating_sub(at));
            let early = since.is_some_and(|since| since < self.plan.lease * 10 / 11);
            if changes && was_foreign && early && !self.monitor.is_forced() {
                return Err(Violation::Taken(name.clone()));
            }
            return Ok(());
        }
        if draft.holder.is_some() {
            self.foreign_write = Some(self.now);
        }
        if !changes || (was_emptied && held.is_none()) {
            return Ok(());
        }
        if draft.holder.is_none() && !was_foreign {
            // A release of what it does not hold any more: ours wait (E5), other client-go do not.
            self.is_emptied = true;
            return Ok(());
        }
        let clocks: Vec<_> = (0..self.processes.len()).map(self.clocks()).collect();
        let clock = |index: usize| clocks[index];
        self.monitor.given_away(self.now, clock, name)
    }

    /// A machine says that something is lost: it must be so.
    pub(super) fn lost(&self, id: GuardId, cause: &Cause) -> Result<(), Violation> {
        let is_needless = match cause {
            _ if self.is_restored => false,
            Cause::Holder(name, identity, token) => {
                let lease = self.store.object(name).map(|object| &object.lease);
                lease.is_some_and(|lease| {
                    let bears = lease.annotations.get("token").map(ToString::to_string);
                    lease.spec.holder.as_ref() == Some(identity)
                        && token.is_none_or(|token| bears == Some(token.to_string()))
                })
            }
            // Which of its tries was deleted by hand is not told.
            Cause::Ticket(base) => !self.monitor.is_forced() && ticket(base, &self.store).is_some(),
            Cause::RolledBack => true,
        };
        if is_needless {
            return Err(Violation::NeedlessLoss(id));
        }
        Ok(())
    }

    /// Something was changed by hand.
    pub(super) fn force(&mut self) {
        let lease = self.plan.lease;
        // A request that was under way is answered within a lease; what it made is seen, or ends, within three.
        self.monitor.force(self.now, lease * 3 / 2, lease * 4);
    }

    pub(super) fn answer(
        &mut self,
        sender: Sender,
        part: u8,
        call: Call,
        reply: Reply,
    ) -> Result<(), Violation> {
        if !self.is_alive(sender) {
            return Ok(());
        }
        self.take(sender.0, Item::Answer(part, call, reply))
    }

    /// After something may have been written: watches tell, the collector comes round.
    pub(super) fn changed(&mut self, before: metaparticle_protocol::Version) {
        if self.store.version() == before {
            return;
        }
        for index in 0..self.processes.len() {
            self.pump(index);
        }
        // Some clusters' collector is behind for ever.
        if !self.server.collects && self.plan.seed % 7 != 3 {
            self.server.collects = true;
            let longest = if self.random.per_mille(800) {
                100
            } else {
                8000
            };
            let after = Duration::from_millis(self.random.between(5, longest));
            self.schedule(self.now + after, Event::Collect);
        }
    }

    pub(super) fn collect(&mut self) {
        self.server.collects = false;
        let before = self.store.version();
        while self.store.collect() {}
        self.changed(before);
    }

    pub(super) fn fenced(
        &mut self,
        sender: Sender,
        guard: u64,
        token: Token,
        step: Step,
    ) -> Result<(), Violation> {
        if self.server.is_down {
            return Ok(());
        }
        let id = (sender.0, sender.1, guard);
        let mutants = self.plan.mutants;
        // Of slots, the upper half names the register.
        let register = self.store.register_of(guard >> 32);
        let write = match step {
            Step::Update => register.update(token),
            Step::ClaimThenErase => match register.update(token) {
                Write::Done(version) => {
                    self.write(sender, guard, token, Step::Erase(version));
                    Write::Done(version)
                }
                other => other,
            },
            Step::Erase(version) => register.delete(version, token),
            Step::Read => {
                let Some((version, stored)) = register.read() else {
                    return Ok(());
                };
                let next = match deletion(token, stored, mutants) {
                    Deletion::Allowed => Step::Erase(version),
                    Deletion::ClaimFirst => Step::ClaimThenErase,
                    Deletion::Lost => return Ok(()),
                };
                // The client has read, and decides; the answer takes its way.
                self.write(sender, guard, token, next);
                return Ok(());
            }
        };
        self.note(|| format!("  server: p{} {step:?} with {token}: {write:?}", sender.0));
        match write {
            // A restored store gives versions twice, and forgets claims.
            Write::Stale if !self.is_restored => return Err(Violation::StaleWrite(id)),
            Write::Fenced => {
                let now = self.processes[sender.0].clock.at(self.now);
                // A slot's tokens are the map's versions, which a restored store begins to give out again below what an
                // owner who had not heard of it has claimed with since.
                let is_excused = self.is_restored && self.monitor.is_slot(id);
                if !is_excused
                    && self.is_alive(sender)
                    && self.monitor.is_valid(now, id)
                    && !self.monitor.is_forced()
                {
                    return Err(Violation::WrongRefusal(id));
                }
            }
            Write::Done(_) | Write::Conflict | Write::Stale => {}
        }
        let written = Event::Tell(sender, Input::Written(guard, write));
        self.back(sender.0, written);
        Ok(())
    }

    pub(super) fn housekeeping(&mut self) {
        self.store.create_registers();
        self.backups.push((self.now, self.store.snapshot()));
        if self.backups.len() > 8 {
            self.backups.remove(0);
        }
        let again = self.now + self.plan.lease / 2;
        self.schedule(again, Event::Housekeeping);
    }
}

/// Who holds the Lease that a request is about.
fn holding(store: &Store, request: &Request) -> Option<Identity> {
    match request {
        Request::Update { name, .. } => store.object(name)?.lease.spec.holder.clone(),
        _ => None,
    }
}
