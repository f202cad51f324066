//! The order of a queue, fixed once, and who holds (L2, L3).

use std::collections::BTreeSet;

use super::{Action, Failure, Guard, Kind, Locks, entry::Stage};
use crate::{Lease, Moment, Name, Token, Uid, Version, mutant::Mutant};

impl Locks {
    /// Our own ticket appeared, in the watch that ran before it was posted: its place is behind all that are there.
    pub(super) fn own_added(
        &mut self,
        lease: &Lease,
        anyhow: bool,
        actions: &mut Vec<Action>,
    ) -> bool {
        let own = self.entries.iter().find(|(_, entry)| match &entry.stage {
            Stage::Posting { fresh, .. } => (*fresh || anyhow) && entry.name() == lease.name,
            Stage::Made { created: None } => entry.name() == lease.name,
            Stage::Made {
                created: Some((uid, _)),
            } => *uid == lease.uid,
            Stage::Missed { uid, .. } => anyhow && *uid == lease.uid,
            _ => false,
        });
        let Some((guard, entry)) = own else {
            return false;
        };
        let (guard, ahead) = (*guard, self.standing(&entry.lock, &lease.uid));
        self.place(guard, &lease.uid, lease.version, ahead, actions);
        true
    }

    /// All tickets of that lock that are there, but this one.
    pub(super) fn standing(&self, lock: &Name, own: &Uid) -> BTreeSet<Uid> {
        self.view
            .tickets
            .iter()
            .filter(|(uid, ticket)| ticket.lock == *lock && *uid != own)
            .map(|(uid, _)| uid.clone())
            .collect()
    }

    /// Fixes its place, once.
    pub(super) fn place(
        &mut self,
        guard: Guard,
        uid: &Uid,
        created: Version,
        mut ahead: BTreeSet<Uid>,
        actions: &mut Vec<Action>,
    ) {
        let Some(entry) = self.entries.get_mut(&guard) else {
            return;
        };
        let tickets = &self.view.tickets;
        ahead.retain(|uid| {
            let session = tickets.get(uid).map(|ticket| &ticket.session.1);
            session.is_none_or(|session| !self.dead.contains(session))
        });
        let kind = entry.kind;
        let other = ahead
            .iter()
            .filter_map(|uid| tickets.get(uid))
            .map(|ticket| ticket.kind)
            .find(|theirs| theirs.is_none_or(|theirs| !theirs.agrees(kind)));
        entry.stage = Stage::Queued {
            uid: uid.clone(),
            created,
            ahead,
            warned: false,
        };
        self.moved = true;
        if let Some(theirs) = other {
            self.withdraw(guard, false);
            let why = Failure::Mismatch { theirs };
            actions.push(Action::Failed { guard, why });
        }
    }

    /// Places those whose ADDED was missed, from the exact list, less those that the watch does not show any more: it
    /// shows our own, so it is later (L2).
    pub(super) fn settle(&mut self, actions: &mut Vec<Action>) {
        let missed: Vec<_> = self
            .entries
            .iter()
            .filter_map(|(guard, entry)| match &entry.stage {
                Stage::Missed {
                    uid,
                    created,
                    exact,
                    ..
                } => Some((*guard, uid.clone(), *created, exact.clone())),
                _ => None,
            })
            .collect();
        for (guard, uid, created, exact) in missed {
            if self.view.live && self.view.tickets.contains_key(&uid) {
                let Some(mut ahead) = exact else { continue };
                if !self.mutants.has(Mutant::ExactListNotReduced) {
                    ahead.retain(|uid| self.view.tickets.contains_key(uid));
                }
                self.place(guard, &uid, created, ahead, actions);
            } else if self.view.live && self.view.version >= created {
                // Deleted by somebody else before it was seen.
                self.anew(guard, actions);
            }
        }
    }

    /// Who can hold does; who cannot, and wanted to at once, leaves.
    pub(super) fn advance(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let Some(deadline) = self.until.filter(|until| now < *until) else {
            return;
        };
        if self.session.is_none() {
            return;
        }
        let queued: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.stage, Stage::Queued { .. }))
            .map(|(guard, _)| *guard)
            .collect();
        for guard in queued {
            let free = self.is_free(guard);
            let holder = if free { None } else { self.own_holder(guard) };
            let Some(entry) = self.entries.get_mut(&guard) else {
                continue;
            };
            let Stage::Queued {
                uid,
                created,
                warned,
                ..
            } = &mut entry.stage
            else {
                continue;
            };
            if free {
                let token = entry.kind.has_token().then_some(Token(created.0));
                entry.stage = Stage::Held { uid: uid.clone() };
                actions.push(Action::Hold {
                    guard,
                    token,
                    deadline,
                });
            } else if entry.once {
                self.withdraw(guard, false);
                actions.push(Action::Taken { guard });
            } else if let Some(holder) = holder
                && !std::mem::replace(warned, true)
            {
                actions.push(Action::WaitsForOwn { guard, holder });
            }
        }
    }

    fn is_free(&self, guard: Guard) -> bool {
        let Some(entry) = self.entries.get(&guard) else {
            return false;
        };
        let Stage::Queued { uid, ahead, .. } = &entry.stage else {
            return false;
        };
        let tickets = &self.view.tickets;
        let reads = |uid| {
            tickets
                .get(uid)
                .is_some_and(|t| t.kind == Some(Kind::Reader))
        };
        let present;
        let ahead = if self.mutants.has(Mutant::OrderByCurrentVersion) {
            let version = |uid: &Uid| tickets.get(uid).map(|ticket| ticket.current);
            present = self
                .standing(&entry.lock, uid)
                .into_iter()
                .filter(|other| version(other) < version(uid))
                .collect();
            &present
        } else {
            ahead
        };
        match entry.kind {
            Kind::Mutex | Kind::Writer => ahead.is_empty(),
            Kind::Reader => ahead.iter().all(reads),
            Kind::Semaphore(limit) => {
                usize::try_from(limit.get()).is_ok_and(|limit| ahead.len() < limit)
            }
        }
    }

    /// Who of this process holds what this one waits for, if only one can hold it.
    fn own_holder(&self, guard: Guard) -> Option<Guard> {
        let entry = self.entries.get(&guard)?;
        let Stage::Queued { ahead, .. } = &entry.stage else {
            return None;
        };
        if matches!(entry.kind, Kind::Semaphore(_)) {
            return None;
        }
        self.entries.iter().find_map(|(guard, other)| {
            matches!(&other.stage, Stage::Held { uid } if ahead.contains(uid)).then_some(*guard)
        })
    }
}
