//! Watches: a consistent list, then events in order; connections that break, resume, or fall silent.

use std::{collections::VecDeque, fmt, time::Duration};

use metaparticle_protocol::{
    Sight,
    api::{Selector, Watch},
};

use super::{Event, Node, Sender, World, process::Flow, process::Item, process::Stream};
use crate::{monitor::Violation, node::Input};

impl<N: Node + fmt::Debug> World<N> {
    pub(super) fn watch(&mut self, sender: Sender, part: u8, watch: Watch, by: Selector) {
        let process = &mut self.processes[sender.0];
        process.epochs += 1;
        let epoch = process.epochs;
        let fresh = Stream {
            by,
            epoch,
            sent: None,
            outbox: VecDeque::new(),
            last: self.now,
        };
        process.watches.insert((part, watch), fresh);
        let after = process
            .random
            .duration(Duration::from_millis(1), Duration::from_millis(15));
        self.schedule(self.now + after, Event::List(sender, part, watch, epoch));
    }

    fn current(
        &mut self,
        sender: Sender,
        part: u8,
        watch: Watch,
        epoch: u64,
    ) -> Option<&mut Stream> {
        if !self.is_alive(sender) {
            return None;
        }
        let found = self.processes[sender.0].watches.get_mut(&(part, watch))?;
        (found.epoch == epoch).then_some(found)
    }

    /// The list reaches the server. If it cannot, it comes again.
    pub(super) fn list(&mut self, sender: Sender, part: u8, watch: Watch, epoch: u64) {
        if self.current(sender, part, watch, epoch).is_none() {
            return;
        }
        let process = &self.processes[sender.0];
        let is_open = process.link.requests == Flow::Open && process.link.answers == Flow::Open;
        let server = self.server;
        let refused =
            server.is_down || ((server.is_busy || server.errs) && self.random.per_mille(500));
        if !is_open || refused || process.is_paused || process.link.is_blind {
            let after = Duration::from_millis(self.random.between(50, 500));
            self.schedule(self.now + after, Event::List(sender, part, watch, epoch));
            return;
        }
        let by = self.processes[sender.0].watches[&(part, watch)].by.clone();
        let version = self.store.version();
        let listed = Sight::Listed(self.store.list(&by), version);
        let found = self
            .current(sender, part, watch, epoch)
            .expect("asked above");
        found.sent = Some(version);
        self.tell(sender, part, watch, epoch, listed);
        self.pump(sender.0);
    }

    fn tell(&mut self, sender: Sender, part: u8, watch: Watch, epoch: u64, sight: Sight) {
        let process = &mut self.processes[sender.0];
        let after = process
            .random
            .duration(Duration::from_micros(300), Duration::from_millis(10));
        let slow = process.link.slow;
        let after = after + process.random.duration(Duration::ZERO, slow);
        let Some(found) = process.watches.get_mut(&(part, watch)) else {
            return;
        };
        let at = (self.now + after).max(found.last);
        found.last = at;
        found.outbox.push_back(sight);
        self.schedule(at, Event::Deliver(sender, part, watch, epoch));
    }

    /// The server sends what the watches of that process have not been told.
    pub(super) fn pump(&mut self, index: usize) {
        let process = &self.processes[index];
        if process.link.answers != Flow::Open || self.server.is_down {
            return;
        }
        let sender = (index, process.incarnation);
        let keys: Vec<_> = process.watches.keys().copied().collect();
        for (part, watch) in keys {
            loop {
                let found = &self.processes[index].watches[&(part, watch)];
                let (epoch, Some(sent)) = (found.epoch, found.sent) else {
                    break;
                };
                match self.store.next_event(&found.by, sent) {
                    Ok(Some((sight, version))) => {
                        self.processes[index]
                            .watches
                            .get_mut(&(part, watch))
                            .expect("asked above")
                            .sent = Some(version);
                        self.tell(sender, part, watch, epoch, sight);
                    }
                    Ok(None) => {
                        // A bookmark: what was no event of this watch need not be kept for it.
                        let version = self.store.version();
                        let watches = &mut self.processes[index].watches;
                        watches.get_mut(&(part, watch)).expect("asked above").sent = Some(version);
                        break;
                    }
                    Err(_) => {
                        self.processes[index]
                            .watches
                            .get_mut(&(part, watch))
                            .expect("asked above")
                            .sent = None;
                        self.schedule(self.now, Event::Silent(sender, part, watch, epoch));
                        break;
                    }
                }
            }
        }
    }

    pub(super) fn deliver(
        &mut self,
        sender: Sender,
        part: u8,
        watch: Watch,
        epoch: u64,
    ) -> Result<(), Violation> {
        let process = &self.processes[sender.0];
        let is_held = process.link.answers != Flow::Open || process.link.is_blind;
        let now = self.now;
        let Some(found) = self.current(sender, part, watch, epoch) else {
            return Ok(());
        };
        if is_held {
            // It waits in a buffer on the way.
            let again = now + Duration::from_millis(20);
            self.schedule(again, Event::Deliver(sender, part, watch, epoch));
            return Ok(());
        }
        let Some(sight) = found.outbox.pop_front() else {
            return Ok(());
        };
        self.take(sender.0, Item::Input(Input::Sight(part, watch, sight)))
    }

    /// A connection is given up: the process is told, and lists anew.
    pub(super) fn silent(
        &mut self,
        sender: Sender,
        part: u8,
        watch: Watch,
        epoch: u64,
    ) -> Result<(), Violation> {
        let Some(found) = self.current(sender, part, watch, epoch) else {
            return Ok(());
        };
        let had_begun = found.sent.is_some() || found.outbox.is_empty();
        found.sent = None;
        found.outbox.clear();
        let process = &mut self.processes[sender.0];
        process.epochs += 1;
        let epoch = process.epochs;
        process
            .watches
            .get_mut(&(part, watch))
            .expect("asked above")
            .epoch = epoch;
        let after = Duration::from_millis(self.random.between(1, 300));
        self.schedule(self.now + after, Event::List(sender, part, watch, epoch));
        if had_begun {
            let lost = Input::Sight(part, watch, Sight::Lost);
            return self.take(sender.0, Item::Input(lost));
        }
        Ok(())
    }

    /// All watches of a process break, at once or when their silence is noticed.
    pub(super) fn break_watches(&mut self, index: usize, at_once: bool) {
        let lease = self.plan.lease;
        let process = &mut self.processes[index];
        let sender = (index, process.incarnation);
        let broken: Vec<_> = process
            .watches
            .iter()
            .map(|(key, watch)| (*key, watch.epoch))
            .collect();
        for ((part, watch), epoch) in broken {
            let process = &mut self.processes[index];
            let after = if at_once {
                process
                    .random
                    .duration(Duration::ZERO, Duration::from_millis(20))
            } else {
                process.random.duration(lease / 3, lease)
            };
            self.schedule(self.now + after, Event::Silent(sender, part, watch, epoch));
        }
    }
}
