//! Judges the history of locks: who held when, whether two held what excludes each other, and whether they held in the
//! order in which they queued.

use std::collections::{BTreeMap, HashMap};

use crate::{
    history::{Event, Who},
    line::{Kind, Said},
};

/// One request for a lock, from the call to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who asked.
    pub who: Who,
    /// Which lock.
    pub lock: String,
    /// How.
    pub kind: Kind,
    /// When it asked.
    pub asked: i64,
    /// When it first knew that it held.
    pub from: i64,
    /// When it last knew that it held.
    pub until: i64,
    /// When `unlock` had returned; none if it never did, or the lock was lost.
    pub returned: Option<i64>,
    /// Its token, 0 if it has none.
    pub token: u64,
}

/// All that were granted, in the order of their beginnings.
#[must_use]
pub fn holds(events: &[Event]) -> Vec<Hold> {
    let mut asked: HashMap<(Who, u64), (String, Kind, i64)> = HashMap::new();
    let mut open: HashMap<(Who, u64), Hold> = HashMap::new();
    for Event { who, line } in events {
        match &line.said {
            Said::Ask { id, lock, kind } => {
                asked.insert((*who, *id), (lock.clone(), *kind, line.at));
            }
            Said::Locked(id, token) => {
                if let Some((lock, kind, at)) = asked.get(&(*who, *id)) {
                    let hold = Hold {
                        who: *who,
                        lock: lock.clone(),
                        kind: *kind,
                        asked: *at,
                        from: line.at,
                        until: line.at,
                        returned: None,
                        token: *token,
                    };
                    open.insert((*who, *id), hold);
                }
            }
            Said::Held(id) => {
                if let Some(hold) = open.get_mut(&(*who, *id)) {
                    hold.until = line.at;
                }
            }
            Said::Unlocked(id) => {
                if let Some(hold) = open.get_mut(&(*who, *id)) {
                    hold.returned = Some(line.at);
                }
            }
            _ => {}
        }
    }
    let mut all: Vec<_> = open.into_values().collect();
    all.sort_by_key(|it| it.from);
    all
}

/// How many held what excluded them: pairs, and moments at which a semaphore had more than its limit.
#[must_use]
pub fn overlaps(holds: &[Hold]) -> Vec<(Hold, Hold)> {
    let mut found = Vec::new();
    for (index, later) in holds.iter().enumerate() {
        let beside: Vec<_> = holds[..index]
            .iter()
            .filter(|it| it.lock == later.lock && it.until > later.from)
            .collect();
        let excluded = match later.kind {
            Kind::Read => beside.iter().find(|it| it.kind != Kind::Read),
            Kind::Semaphore(limit) => usize::try_from(limit)
                .ok()
                .and_then(|it| beside.get(it - 1)),
            Kind::Mutex | Kind::Write => beside.first(),
        };
        found.extend(excluded.map(|earlier| ((*earlier).clone(), later.clone())));
    }
    found
}

/// Holds with a token that is not above that of an earlier hold of the same lock: tokens are given in the order in which
/// tickets were drawn, so these jumped the queue.
#[must_use]
pub fn out_of_order(holds: &[Hold]) -> Vec<Hold> {
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for hold in holds.iter().filter(|it| it.token > 0) {
        let highest = highest.entry(&hold.lock).or_default();
        if hold.token <= *highest {
            found.push(hold.clone());
        }
        *highest = hold.token.max(*highest);
    }
    found
}

/// Holds with a token below that of an earlier hold of the same slot, or with the same one in another process. An owner
/// whose ownership was unproven for a while goes on under its token.
#[must_use]
pub fn tokens_that_fell(holds: &[Hold]) -> Vec<Hold> {
    let mut highest: BTreeMap<&str, (u64, Who)> = BTreeMap::new();
    let mut found = Vec::new();
    for hold in holds {
        let highest = highest.entry(&hold.lock).or_default();
        if hold.token < highest.0 || (hold.token == highest.0 && hold.who != highest.1) {
            found.push(hold.clone());
        }
        *highest = (hold.token, hold.who).max(*highest);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;

    fn history(lines: &[(usize, &str)]) -> Vec<Hold> {
        let event = |(who, text): &(usize, &str)| Event {
            who: Who(*who),
            line: Line::parse(text).unwrap(),
        };
        holds(&lines.iter().map(event).collect::<Vec<_>>())
    }

    #[test]
    fn two_of_a_mutex_are_found_and_one_after_the_other_is_not() {
        let first = [(0, "1 ask 1 a mutex"), (0, "2 locked 1 5"), (0, "9 held 1")];
        let beside = [
            (1, "1 ask 1 a mutex"),
            (1, "8 locked 1 6"),
            (1, "12 held 1"),
        ];
        let after = [
            (1, "1 ask 1 a mutex"),
            (1, "9 locked 1 6"),
            (1, "12 held 1"),
        ];
        let elsewhere = [(1, "1 ask 1 b mutex"), (1, "8 locked 1 6")];
        assert_eq!(overlaps(&history(&[first, beside].concat())).len(), 1);
        assert_eq!(overlaps(&history(&[first, after].concat())), []);
        assert_eq!(overlaps(&history(&[&first[..], &elsewhere].concat())), []);
    }

    #[test]
    fn readers_share_and_a_semaphore_has_its_limit() {
        let hold = |who: usize, kind: &str| {
            vec![
                (who, format!("1 ask 1 a {kind}")),
                (who, format!("{} locked 1 0", who + 2)),
                (who, "90 held 1".to_owned()),
            ]
        };
        let judge = |kinds: &[&str]| {
            let lines: Vec<_> = kinds
                .iter()
                .enumerate()
                .flat_map(|(who, kind)| hold(who, kind))
                .collect();
            let lines: Vec<_> = lines
                .iter()
                .map(|(who, text)| (*who, text.as_str()))
                .collect();
            overlaps(&history(&lines)).len()
        };
        assert_eq!(judge(&["read", "read", "read"]), 0);
        assert_eq!(judge(&["read", "write"]), 1);
        assert_eq!(judge(&["write", "read"]), 1);
        assert_eq!(judge(&["semaphore:2", "semaphore:2"]), 0);
        assert_eq!(judge(&["semaphore:2", "semaphore:2", "semaphore:2"]), 1);
    }

    #[test]
    fn who_holds_after_one_with_a_higher_token_jumped_the_queue() {
        let lines = [
            (0, "1 ask 1 a mutex"),
            (0, "2 locked 1 9"),
            (1, "1 ask 1 a mutex"),
            (1, "8 locked 1 6"),
            (1, "9 ask 2 a mutex"),
            (1, "10 locked 2 10"),
        ];
        let found = out_of_order(&history(&lines));
        assert_eq!(found.iter().map(|it| it.token).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn slot_goes_on_under_its_token_in_the_same_process_alone() {
        let judge = |who: usize, token: u64| {
            let second = format!("8 locked 2 {token}");
            let lines = [
                (0, "1 ask 1 slot-0 mutex"),
                (0, "2 locked 1 9"),
                (who, "7 ask 2 slot-0 mutex"),
                (who, second.as_str()),
            ];
            tokens_that_fell(&history(&lines)).len()
        };
        assert_eq!((judge(0, 9), judge(1, 10)), (0, 0));
        assert_eq!((judge(1, 9), judge(0, 8), judge(1, 8)), (1, 1, 1));
    }
}
