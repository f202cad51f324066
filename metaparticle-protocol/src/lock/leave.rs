//! The end of an acquisition: withdrawn, released, swept (L4).

use std::sync::Arc;

use super::{
    Action, Guard, Locks, Loss,
    entry::{Entry, Leaving, Stage},
};
use crate::{Name, Uid, Version, mutant::Mutant};

impl Locks {
    pub(super) fn leave(&mut self, guard: Guard, actions: &mut Vec<Action>) {
        let Some(entry) = self.entries.get(&guard) else {
            return;
        };
        let early = self.mutants.has(Mutant::ReleaseBeforeInvalidation);
        let held = matches!(entry.stage, Stage::Held { .. });
        if held && !early {
            let why = Loss::Released;
            actions.push(Action::Invalidate { guard, why });
        }
        let uid = entry.uid().cloned();
        if self.withdraw(guard, true) {
            actions.push(Action::Released { guard });
        } else if held
            && early
            && let Some(leaving) = uid.and_then(|uid| self.leaving.get_mut(&uid))
        {
            leaving.relied_on = true;
        }
    }

    /// No order can be learned: whoever has no place yet gets none.
    pub(super) fn unseen(&mut self, why: &Arc<str>, actions: &mut Vec<Action>) {
        let without_place =
            |entry: &Entry| entry.is_wanted() && !matches!(entry.stage, Stage::Queued { .. });
        let all = self.entries.iter();
        let all: Vec<_> = all
            .filter(|(_, entry)| without_place(entry))
            .map(|(guard, _)| *guard)
            .collect();
        for guard in all {
            self.fail(guard, Arc::clone(why), actions);
        }
    }

    /// Ends an acquisition, and what it wrote. `true`: nothing remains of it that anybody could wait for.
    pub(super) fn withdraw(&mut self, guard: Guard, report: bool) -> bool {
        let Some(mut entry) = self.entries.remove(&guard) else {
            return true;
        };
        self.moved = true;
        if let Some(uid) = entry.uid() {
            let existed = match &entry.stage {
                Stage::Made {
                    created: Some((_, created)),
                }
                | Stage::Missed { created, .. }
                | Stage::Queued { created, .. } => *created,
                _ => Version(0),
            };
            if self
                .leaving
                .get(uid)
                .is_some_and(|leaving| leaving.acknowledged)
            {
                return true; // its session was found dead before: it is deleted already
            }
            let name = entry.name();
            self.expel(&uid.clone(), name, existed, report.then_some(guard));
            return false;
        }
        self.strays = true;
        if report && matches!(entry.stage, Stage::Posting { flying: true, .. }) {
            entry.stage = Stage::Withdrawn;
            self.entries.insert(guard, entry);
            return false;
        }
        true
    }

    /// From now on this ticket is deleted until that is seen (L4).
    pub(super) fn expel(&mut self, uid: &Uid, name: Name, existed: Version, guard: Option<Guard>) {
        let leaving = self.leaving.entry(uid.clone()).or_insert(Leaving {
            name,
            existed,
            guard: None,
            flying: false,
            acknowledged: false,
            relied_on: false,
        });
        leaving.guard = leaving.guard.or(guard);
    }

    /// Tickets of our session that nobody knows: a delayed POST of a wish that was withdrawn (L4).
    pub(super) fn sweep(&mut self) {
        let Some((_, session)) = &self.session else {
            return;
        };
        let strays: Vec<_> = self
            .view
            .tickets
            .iter()
            .filter(|(uid, ticket)| {
                ticket.session.1 == *session
                    && !self.leaving.contains_key(*uid)
                    && !self
                        .entries
                        .values()
                        .any(|entry| entry.uid() == Some(*uid) || entry.may_be(&ticket.name))
            })
            .map(|(uid, ticket)| (uid.clone(), ticket.name.clone(), ticket.current))
            .collect();
        for (uid, name, existed) in strays {
            self.expel(&uid, name, existed, None);
        }
    }
}

impl Leaving {
    /// Whoever waits for it is told.
    pub(super) fn report(&self, actions: &mut Vec<Action>) {
        if let Some(guard) = self.guard {
            if self.relied_on {
                let why = Loss::Released;
                actions.push(Action::Invalidate { guard, why });
            }
            actions.push(Action::Released { guard });
        }
    }
}
