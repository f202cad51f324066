//! When a session and the watch of tickets begin and end (S3).

use std::collections::BTreeMap;

use super::{Action, Member, Told};
use crate::{
    Moment, Selector, Sight,
    lease::key,
    lock,
    mutant::Mutant,
    session::{self, Session},
};

impl Member {
    /// A session is needed, and the watch that runs as long as there is one (S3).
    pub(super) fn open(&mut self, now: Moment, actions: &mut Vec<Action>) -> Vec<Told> {
        self.watch_tickets(actions);
        self.present += 1;
        self.lost = false;
        let name = self.name(self.present);
        let session = Session::new(name, self.budget, self.mutants);
        self.sessions.insert(self.present, session);
        let mut told = Vec::new();
        if let Some(container) = self.container.clone() {
            told.extend(self.tell_session(now, session::Input::Contained(container)));
        }
        let others = session::Input::Tell {
            told: self.told.clone(),
            now: false,
        };
        told.extend(self.tell_session(now, others));
        told.extend(self.tell_session(now, session::Input::Open));
        told
    }

    fn watch_tickets(&mut self, actions: &mut Vec<Action>) {
        if self.tickets.is_none() {
            let labels = BTreeMap::from([(key::ROLE, lock::ROLE.into())]);
            self.tickets = Some(self.begin_watch(Selector::Labels(labels), actions));
        }
    }

    /// What is not needed any more goes.
    pub(super) fn clean_up(&mut self, now: Moment, actions: &mut Vec<Action>) -> Vec<Told> {
        let mut told = Vec::new();
        if self.mutants.has(Mutant::WatchStoppedEarly) {
            if self.tickets.is_some() && !self.locks.has_entries() {
                self.unwatch_tickets(actions);
                told.extend(self.tell_locks(now, lock::Input::Sight(Sight::Lost)));
            } else if self.locks.has_entries() && !self.lost {
                self.watch_tickets(actions);
            }
        }
        // Of a session that ended, once nobody relies on what was held under it.
        if self.locks.is_settled() {
            let ended = self.sessions.keys().copied();
            let ended: Vec<_> = ended
                .filter(|number| self.lost || *number != self.present)
                .collect();
            for number in ended {
                told.extend(self.tell_session_of(now, number, session::Input::Close));
            }
        }
        if let Some(until) = self.closing
            && (self.locks.is_idle() || now >= until)
        {
            told.extend(self.tell_session(now, session::Input::Close));
            if self.sessions.is_empty() && !self.closed {
                self.closed = true;
                self.unwatch_tickets(actions);
                actions.push(Action::Closed);
            }
        }
        told
    }

    fn unwatch_tickets(&mut self, actions: &mut Vec<Action>) {
        if let Some(watch) = self.tickets.take() {
            actions.push(Action::Unwatch { watch });
        }
    }
}
