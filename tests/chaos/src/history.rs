//! What all processes of a run said, and the terms that follow from it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use crate::line::{Line, Said};

/// Which process said it: a process that is started again is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Who(pub usize);

/// One line of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who said it.
    pub who: Who,
    /// When, and what.
    pub line: Line,
}

/// What is being written down.
#[derive(Debug, Default)]
pub struct History(Mutex<Vec<Event>>);

impl History {
    /// Writes a line down.
    pub fn add(&self, who: Who, line: Line) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Event { who, line });
    }

    /// All lines so far. Those of one process are in the order in which it said them.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Who leads now, as far as it said: the last of those that said so within `recently` nanoseconds.
    #[must_use]
    pub fn leader(&self, now: i64, recently: i64) -> Option<Who> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Processes write down one after the other, nearly in the order of their moments.
        let recent = || {
            events
                .iter()
                .rev()
                .take(3000)
                .filter(|it| it.line.at > now - recently)
        };
        let leads = |it: &&Event| matches!(it.line.said, Said::Lead(_) | Said::Valid(_));
        let found = recent().find(leads)?;
        let is_lost = |it: &Event| {
            it.who == found.who && it.line.at >= found.line.at && it.line.said == Said::Lost
        };
        (!recent().any(is_lost)).then_some(found.who)
    }

    /// Who was granted a lock last, since this moment.
    #[must_use]
    pub fn last_locked(&self, since: i64) -> Option<Who> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |it: &&Event| matches!(it.line.said, Said::Locked(..)) && it.line.at > since;
        events.iter().rev().take(2000).find(is_it).map(|it| it.who)
    }

    /// Somebody who held one lock of `count` since this moment, if each of them was held.
    #[must_use]
    pub fn holder_of_all(&self, since: i64, count: usize) -> Option<Who> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked = HashMap::new();
        for it in events.iter() {
            if let Said::Ask { id, lock, .. } = &it.line.said {
                asked.insert((it.who, *id), lock.as_str());
            }
        }
        let recent = events.iter().rev().take_while(|it| it.line.at > since);
        let mut held = BTreeSet::new();
        let mut last = None;
        for it in recent {
            if let Said::Held(id) = it.line.said
                && let Some(lock) = asked.get(&(it.who, id))
            {
                held.insert(*lock);
                last = last.or(Some(it.who));
            }
        }
        last.filter(|_| held.len() == count)
    }
}

/// From the first to the last moment at which a process believed to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Who.
    pub who: Who,
    /// Its token, 0 if it has none.
    pub token: u64,
    /// The first moment.
    pub from: i64,
    /// The last moment.
    pub until: i64,
    /// Every moment at which it said so.
    pub words: Vec<i64>,
}

/// The terms, in the order of their beginnings.
#[must_use]
pub fn terms(events: &[Event]) -> Vec<Term> {
    let mut open: BTreeMap<Who, Term> = BTreeMap::new();
    let mut done = Vec::new();
    for Event { who, line } in events {
        match line.said {
            Said::Lead(token) => {
                let term = Term {
                    who: *who,
                    token,
                    from: line.at,
                    until: line.at,
                    words: vec![line.at],
                };
                done.extend(open.insert(*who, term));
            }
            Said::Valid(_) => {
                if let Some(term) = open.get_mut(who) {
                    term.until = term.until.max(line.at);
                    term.words.push(line.at);
                }
            }
            Said::Lost | Said::Done => done.extend(open.remove(who)),
            _ => {}
        }
    }
    done.extend(open.into_values());
    done.sort_by_key(|term| term.from);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(lines: &[(usize, &str)]) -> Vec<Event> {
        let event = |(who, text): &(usize, &str)| Event {
            who: Who(*who),
            line: Line::parse(text).unwrap(),
        };
        lines.iter().map(event).collect()
    }

    #[test]
    fn term_lasts_from_its_first_to_its_last_word() {
        let said = [
            (0, "10 lead 3"),
            (0, "15 valid 3"),
            (1, "16 ready"),
            (0, "90 lost"),
            (1, "40 lead 4"),
            (1, "60 valid 4"),
        ];
        let terms = terms(&events(&said));
        let times: Vec<_> = terms
            .iter()
            .map(|it| (it.who.0, it.token, it.from, it.until))
            .collect();
        // What is silent does not count: nothing was done after the last word.
        assert_eq!(times, [(0, 3, 10, 15), (1, 4, 40, 60)]);
    }

    #[test]
    fn leader_is_who_said_so_last_and_has_not_lost() {
        let history = History::default();
        for event in events(&[(0, "10 lead 3"), (1, "20 lead 4"), (1, "30 valid 4")]) {
            history.add(event.who, event.line);
        }
        assert_eq!(history.leader(31, 5), Some(Who(1)));
        assert_eq!(history.leader(100, 5), None);
        history.add(Who(1), Line::parse("31 lost").unwrap());
        assert_eq!(history.leader(32, 5), None);
    }
}
