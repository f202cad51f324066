//! Whose death this process looks out for (L7): of those that stand before it, the nearest; and all of them, if it is
//! among the first that wait. So each session that blocks a queue is followed by somebody, and a long queue costs little.

use std::collections::BTreeMap;

use super::{Action, Kind, Locks, entry::Stage, ticket::Ticket};
use crate::{Name, Uid};

/// So many of the nearest are followed.
const NEAREST: usize = 3;

impl Locks {
    pub(super) fn follow(&mut self, actions: &mut Vec<Action>) {
        let wanted = self.blocking();
        for uid in self.followed.keys() {
            if !wanted.contains_key(uid) {
                actions.push(Action::Forget { uid: uid.clone() });
            }
        }
        for (uid, name) in &wanted {
            if !self.followed.contains_key(uid) {
                actions.push(Action::Follow {
                    name: name.clone(),
                    uid: uid.clone(),
                });
            }
        }
        self.followed = wanted;
    }

    fn blocking(&self) -> BTreeMap<Uid, Name> {
        let own = self.session.as_ref().map(|(_, uid)| uid);
        let mut wanted = BTreeMap::new();
        for entry in self.entries.values() {
            let Stage::Queued { ahead, .. } = &entry.stage else {
                continue;
            };
            let mut before: Vec<_> = ahead
                .iter()
                .filter_map(|uid| self.view.tickets.get(uid))
                .collect();
            before.sort_unstable_by_key(|ticket| ticket.first);
            let waiting = before.len() - holding(entry.kind, &before);
            let count = if waiting < NEAREST {
                before.len()
            } else {
                NEAREST
            };
            for ticket in before.iter().rev().take(count) {
                let (name, uid) = &ticket.session;
                // One that names no session was made by hand: whoever made it deletes it.
                if !name.as_str().is_empty() && Some(uid) != own && !self.dead.contains(uid) {
                    wanted.insert(uid.clone(), name.clone());
                }
            }
        }
        wanted
    }
}

/// How many of a queue hold.
fn holding(kind: Kind, queue: &[&Ticket]) -> usize {
    match kind {
        Kind::Mutex => queue.len().min(1),
        Kind::Semaphore(limit) => queue
            .len()
            .min(usize::try_from(limit.get()).unwrap_or(usize::MAX)),
        Kind::Reader | Kind::Writer => {
            let reads = |ticket: &&&Ticket| ticket.kind == Some(Kind::Reader);
            queue
                .iter()
                .take_while(reads)
                .count()
                .max(queue.len().min(1))
        }
    }
}
