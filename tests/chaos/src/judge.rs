//! Judges the history of an election: no two lead at one moment, tokens rise, no write of an earlier term is accepted
//! after one of a later term.

use crate::{
    history::{Event, Term, Who, terms},
    line::{Outcome, Said, Wrote},
};

/// Two that led at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Who began first.
    pub earlier: Who,
    /// Who began while the first still led.
    pub later: Who,
    /// When the earlier one first said so after the later one had begun.
    pub at: i64,
    /// How long, in nanoseconds.
    pub lasted: i64,
}

/// Moments at which two processes led: both said so after the later one began. A process that was stopped meanwhile
/// counts from where it went on.
#[must_use]
pub fn overlaps(terms: &[Term]) -> Vec<Overlap> {
    let mut found = Vec::new();
    for (index, later) in terms.iter().enumerate() {
        for earlier in terms[..index]
            .iter()
            .filter(|it| it.who != later.who && it.until > later.from)
        {
            let both = later.from..=earlier.until.min(later.until);
            let mut words = earlier.words.iter().chain([&earlier.until]);
            let at = *words.find(|it| **it > later.from).unwrap_or(&earlier.until);
            found.push(Overlap {
                earlier: earlier.who,
                later: later.who,
                at,
                lasted: (*both.end() - at).max(1),
            });
        }
    }
    found
}

/// Terms whose token is not above those of all terms that began before. Terms without tokens are not judged.
#[must_use]
pub fn tokens_not_rising(terms: &[Term]) -> Vec<Term> {
    let mut highest = 0;
    let mut found = Vec::new();
    for term in terms.iter().filter(|it| it.token > 0) {
        if term.token <= highest {
            found.push(term.clone());
        }
        highest = highest.max(term.token);
    }
    found
}

/// Writes that the API server accepted after one with a higher token, in the order of the object's versions.
#[must_use]
pub fn stale_writes(events: &[Event]) -> Vec<Wrote> {
    let mut accepted: Vec<_> = writes(events)
        .filter_map(|wrote| match wrote.outcome {
            Outcome::Accepted(version) => Some((version, wrote)),
            _ => None,
        })
        .collect();
    accepted.sort_by_key(|(version, _)| *version);
    let mut highest = 0;
    let mut stale = Vec::new();
    for (_, wrote) in accepted {
        if wrote.token < highest {
            stale.push(wrote);
        }
        highest = highest.max(wrote.token);
    }
    stale
}

/// All writes to the guarded object.
pub fn writes(events: &[Event]) -> impl Iterator<Item = Wrote> {
    events.iter().filter_map(|event| match event.line.said {
        Said::Wrote(wrote) => Some(wrote),
        _ => None,
    })
}

/// What is known of an election's run.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// How many terms there were.
    pub terms: usize,
    /// Two at a time.
    pub overlaps: Vec<Overlap>,
    /// Tokens that did not rise.
    pub tokens: usize,
    /// Stale writes that were accepted.
    pub stale: usize,
    /// Writes that were accepted, and refused.
    pub writes: (usize, usize),
}

/// Judges the history of an election.
#[must_use]
pub fn election(events: &[Event]) -> Verdict {
    let terms = terms(events);
    let count = |is: fn(Outcome) -> bool| writes(events).filter(|it| is(it.outcome)).count();
    Verdict {
        terms: terms.len(),
        overlaps: overlaps(&terms),
        tokens: tokens_not_rising(&terms).len(),
        stale: stale_writes(events).len(),
        writes: (
            count(|it| matches!(it, Outcome::Accepted(_))),
            count(|it| it == Outcome::Refused),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;

    fn term(who: usize, token: u64, from: i64, until: i64) -> Term {
        Term {
            who: Who(who),
            token,
            from,
            until,
            words: vec![from, until],
        }
    }

    #[test]
    fn two_at_one_moment_are_found_and_one_after_the_other_is_not() {
        let terms = [term(0, 0, 10, 20), term(1, 0, 20, 40), term(2, 0, 30, 50)];
        let found = overlaps(&terms);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].earlier.0, found[0].later.0, found[0].at),
            (1, 2, 40)
        );
    }

    #[test]
    fn overlap_of_a_stopped_process_lasts_from_where_it_went_on() {
        let mut stopped = term(0, 0, 0, 100);
        stopped.words = vec![0, 5, 95, 100];
        let found = overlaps(&[stopped, term(1, 0, 50, 200)]);
        assert_eq!((found[0].at, found[0].lasted), (95, 5));
    }

    #[test]
    fn long_term_overlaps_with_each_of_two_short_ones() {
        assert_eq!(
            overlaps(&[term(0, 0, 0, 100), term(1, 0, 10, 20), term(1, 0, 30, 40)]).len(),
            2
        );
    }

    #[test]
    fn token_must_rise() {
        let terms = [
            term(0, 5, 0, 1),
            term(1, 9, 2, 3),
            term(0, 9, 4, 5),
            term(1, 8, 6, 7),
        ];
        let tokens: Vec<_> = tokens_not_rising(&terms).iter().map(|it| it.from).collect();
        assert_eq!(tokens, [4, 6]);
    }

    #[test]
    fn stale_write_is_found_by_the_objects_versions() {
        let event = |text: &str| Event {
            who: Who(0),
            line: Line::parse(text).unwrap(),
        };
        // Said in another order than accepted.
        let fine = [
            event("1 wrote 7 accepted 30"),
            event("2 wrote 5 accepted 20"),
        ];
        assert_eq!(stale_writes(&fine), []);
        let bad = [
            event("1 wrote 7 accepted 30"),
            event("2 wrote 5 accepted 31"),
        ];
        assert_eq!(stale_writes(&bad).len(), 1);
        assert_eq!(
            stale_writes(&[event("1 wrote 7 accepted 30"), event("2 wrote 5 refused")]),
            []
        );
    }
}
