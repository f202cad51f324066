//! What the watch tells of tickets, and others of sessions (L2, L5).

use std::collections::BTreeSet;

use super::{Action, Failure, Guard, Locks, Loss, entry::Stage, ticket::Ticket};
use crate::{Lease, Sight, Uid, Version, mutant::Mutant, session::Ended};

impl Locks {
    pub(super) fn sight(&mut self, sight: Sight, actions: &mut Vec<Action>) {
        match &sight {
            Sight::Added(lease) | Sight::Modified(lease) | Sight::Deleted(lease) => {
                if self.rollback.event(lease.version) {
                    self.rolled_back(actions);
                    return;
                }
                self.view.version = self.view.version.max(lease.version);
            }
            Sight::Listed(..) | Sight::Lost => {}
        }
        match sight {
            Sight::Listed(leases, version) => self.listed(&leases, version, actions),
            Sight::Added(lease) => self.added(&lease, actions),
            Sight::Modified(lease) => {
                if let Some(ticket) = self.view.tickets.get_mut(&lease.uid) {
                    ticket.current = lease.version;
                    self.moved |= self.mutants.has(Mutant::OrderByCurrentVersion);
                } else {
                    self.added(&lease, actions);
                }
            }
            Sight::Deleted(lease) => self.gone(&lease.uid, actions),
            Sight::Lost => self.blind(),
        }
    }

    pub(super) fn rolled_back(&mut self, actions: &mut Vec<Action>) {
        // What comes now is of another past.
        self.rollback = crate::Rollback::default();
        self.until = None;
        actions.push(Action::RolledBack);
    }

    fn blind(&mut self) {
        self.rollback.watch_is_lost();
        self.view.live = false;
        self.strays = true;
        for entry in self.entries.values_mut() {
            match &mut entry.stage {
                Stage::Posting {
                    fresh,
                    flying: true,
                    ..
                } => *fresh = false,
                Stage::Made {
                    created: Some((uid, created)),
                } => {
                    entry.stage = Stage::Missed {
                        uid: uid.clone(),
                        created: *created,
                        exact: None,
                        flying: false,
                    };
                }
                Stage::Posting { .. } | Stage::Made { created: None } => entry.again(),
                _ => {}
            }
        }
    }

    fn listed(&mut self, leases: &[Lease], version: Version, actions: &mut Vec<Action>) {
        if self.rollback.watch_begins(version) {
            self.rolled_back(actions);
        }
        self.view.live = true;
        self.view.version = version;
        self.strays = true;
        let present: BTreeSet<_> = leases.iter().map(|lease| &lease.uid).collect();
        // A re-list removes, and never adds to what anybody waits for (L2).
        let absent: Vec<_> = self
            .view
            .tickets
            .keys()
            .filter(|uid| !present.contains(uid))
            .cloned()
            .collect();
        for uid in absent {
            self.gone(&uid, actions);
        }
        for lease in leases {
            let ticket = Ticket::of(lease);
            self.view
                .tickets
                .entry(lease.uid.clone())
                .and_modify(|known| known.current = lease.version)
                .or_insert(ticket);
        }
        let left: Vec<_> = self
            .leaving
            .iter()
            .filter(|(uid, leaving)| {
                !present.contains(uid) && (leaving.acknowledged || version >= leaving.existed)
            })
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in left {
            self.left(&uid, actions);
        }
        if self.mutants.has(Mutant::RelistCountsAsAdded) {
            for lease in leases {
                self.own_added(lease, true, actions);
            }
        }
        self.settle(actions);
    }

    fn added(&mut self, lease: &Lease, actions: &mut Vec<Action>) {
        let ticket = Ticket::of(lease);
        let ours = self
            .session
            .as_ref()
            .is_some_and(|(_, uid)| *uid == ticket.session.1);
        if let Some(known) = self.view.tickets.get_mut(&lease.uid) {
            known.current = lease.version;
        } else {
            self.view.tickets.insert(lease.uid.clone(), ticket);
        }
        if ours && !self.own_added(lease, false, actions) {
            self.strays = true;
            self.settle(actions);
        }
    }

    /// Queues again under a new name: the ticket is gone, and perhaps the session with it.
    pub(super) fn anew(&mut self, guard: Guard, actions: &mut Vec<Action>) {
        if let Some(entry) = self.entries.get_mut(&guard) {
            entry.again();
            entry.doubts = true;
            self.strays = true;
            actions.push(Action::Check);
        }
    }

    /// A ticket is no more.
    fn gone(&mut self, uid: &Uid, actions: &mut Vec<Action>) {
        if let Some(ticket) = self.view.tickets.remove(uid) {
            let session = &ticket.session.1;
            if self.dead.contains(session) && !self.sessions().any(|(_, other)| other == session) {
                self.dead.remove(session);
            }
        }
        let mut own = None;
        for (guard, entry) in &mut self.entries {
            if let Stage::Queued { ahead, .. } = &mut entry.stage {
                self.moved |= ahead.remove(uid);
            }
            if entry.uid() == Some(uid) {
                own = Some(*guard);
            }
        }
        self.moved |= self.mutants.has(Mutant::OrderByCurrentVersion);
        if let Some(guard) = own
            && let Some(entry) = self.entries.get_mut(&guard)
        {
            match &entry.stage {
                Stage::Held { uid } => {
                    entry.stage = Stage::Spent { uid: uid.clone() };
                    let why = Loss::Deleted;
                    actions.push(Action::Invalidate { guard, why });
                    actions.push(Action::Check);
                }
                Stage::Spent { .. } => {}
                _ => self.anew(guard, actions),
            }
        }
        self.left(uid, actions);
    }

    /// A ticket that was to go is gone.
    fn left(&mut self, uid: &Uid, actions: &mut Vec<Action>) {
        if let Some(leaving) = self.leaving.remove(uid)
            && !leaving.acknowledged
        {
            leaving.report(actions);
        }
    }

    /// The session of somebody else is dead (S2).
    pub(super) fn died(&mut self, session: &Uid, leftover: bool) {
        let theirs: Vec<_> = self
            .view
            .tickets
            .iter()
            .filter(|(_, ticket)| ticket.session.1 == *session)
            .map(|(uid, ticket)| (uid.clone(), ticket.clone()))
            .collect();
        if !theirs.is_empty() {
            self.dead.insert(session.clone());
        }
        for (uid, ticket) in theirs {
            let mut waited = false;
            for entry in self.entries.values_mut() {
                if let Stage::Queued { ahead, .. } = &mut entry.stage {
                    waited |= ahead.remove(&uid);
                }
            }
            self.moved |= waited;
            if waited || leftover {
                self.expel(&uid, ticket.name, ticket.current, None);
            }
        }
    }

    pub(super) fn session_lost(&mut self, why: &Ended, actions: &mut Vec<Action>) {
        self.session = None;
        self.until = None;
        self.asked = false;
        self.moved = true;
        let all: Vec<_> = self.entries.keys().copied().collect();
        for guard in all {
            let Some(entry) = self.entries.get_mut(&guard) else {
                continue;
            };
            let failure = match why {
                Ended::Refused(text) => Some(Failure::Refused(text.clone())),
                Ended::Closed => Some(Failure::Closed),
                _ => None,
            };
            match (&entry.stage, failure) {
                (Stage::Held { uid }, _) => {
                    entry.stage = Stage::Spent { uid: uid.clone() };
                    let why = Loss::Session(why.clone());
                    actions.push(Action::Invalidate { guard, why });
                }
                (Stage::Spent { .. } | Stage::Withdrawn, _) => {}
                (_, Some(why)) => {
                    self.withdraw(guard, false);
                    actions.push(Action::Failed { guard, why });
                }
                (Stage::Waiting, None) => entry.doubts = false,
                (_, None) => {
                    // Its place is lost with the session: a new one is taken under the next.
                    let mut next = entry.clone();
                    next.again();
                    next.doubts = false;
                    self.withdraw(guard, false);
                    self.entries.insert(guard, next);
                }
            }
        }
        self.ask(actions);
    }
}
