//! Is the history of a lock linearizable? Wing and Gong's search: is there an order of all acquisitions and releases, each
//! at a moment between its call and its return, that the lock of a single process could have had? A second opinion beside
//! [`crate::locks::overlaps`], which knows nothing of intervals' overlaps but of orders.

use std::collections::HashSet;

use crate::{line::Kind, locks::Hold};

/// What a lock of a single process knows: whether a writer holds, and how many share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    alone: bool,
    beside: u32,
}

/// One operation and the time in which it took effect.
#[derive(Clone, Copy, Debug)]
struct Operation {
    kind: Kind,
    is_release: bool,
    called: i64,
    returned: i64,
    /// The acquisition that it ends.
    of: usize,
}

/// Judges all holds of one lock. What was never given back may have ended at any time after it was last held.
#[must_use]
pub fn is_linearizable(holds: &[Hold]) -> bool {
    let mut operations = Vec::new();
    for hold in holds {
        let index = operations.len();
        operations.push(Operation {
            kind: hold.kind,
            is_release: false,
            called: hold.asked,
            returned: hold.from,
            of: index,
        });
        operations.push(Operation {
            kind: hold.kind,
            is_release: true,
            called: hold.until,
            returned: hold.returned.unwrap_or(i64::MAX),
            of: index,
        });
    }
    search(&operations)
}

/// Depth first, each set of done operations once for each state.
fn search(operations: &[Operation]) -> bool {
    let words = operations.len().div_ceil(64);
    let mut seen = HashSet::new();
    let mut open = vec![(vec![0_u64; words], State::default(), 0_usize)];
    let has = |set: &[u64], index: usize| set[index / 64] >> (index % 64) & 1 == 1;
    while let Some((done, state, count)) = open.pop() {
        if count == operations.len() {
            return true;
        }
        let pending = || (0..operations.len()).filter(|index| !has(&done, *index));
        // Nothing may come before what had returned when it was called.
        let first = pending()
            .map(|index| operations[index].returned)
            .min()
            .unwrap_or(i64::MAX);
        for index in pending().filter(|index| operations[*index].called <= first) {
            let operation = &operations[index];
            if operation.is_release && !has(&done, operation.of) {
                continue;
            }
            let Some(next) = state.after(operation) else {
                continue;
            };
            let mut after = done.clone();
            after[index / 64] |= 1 << (index % 64);
            if seen.insert((after.clone(), next)) {
                open.push((after, next, count + 1));
            }
        }
    }
    false
}

impl State {
    /// What it is after an operation; none if that cannot be.
    fn after(self, operation: &Operation) -> Option<Self> {
        let Self { alone, beside } = self;
        if operation.is_release {
            return Some(match operation.kind {
                Kind::Mutex | Kind::Write => Self {
                    alone: false,
                    beside,
                },
                _ => Self {
                    alone,
                    beside: beside - 1,
                },
            });
        }
        let limit = match operation.kind {
            Kind::Mutex | Kind::Write => {
                return (!alone && beside == 0).then_some(Self {
                    alone: true,
                    beside,
                });
            }
            Kind::Read => u32::MAX,
            Kind::Semaphore(limit) => limit,
        };
        let beside = beside + 1;
        (!alone && beside <= limit).then_some(Self { alone, beside })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Who;

    fn hold(kind: Kind, asked: i64, from: i64, until: i64, returned: Option<i64>) -> Hold {
        Hold {
            who: Who(0),
            lock: "a".to_owned(),
            kind,
            asked,
            from,
            until,
            returned,
            token: 0,
        }
    }

    #[test]
    fn locks_one_after_the_other_are() {
        let mutex = Kind::Mutex;
        assert!(is_linearizable(&[
            hold(mutex, 0, 1, 5, Some(9)),
            hold(mutex, 2, 8, 12, Some(13)),
            hold(mutex, 3, 20, 30, None),
        ]));
    }

    #[test]
    fn lock_that_returns_before_the_other_was_let_go_is_not() {
        let mutex = Kind::Mutex;
        assert!(!is_linearizable(&[
            hold(mutex, 0, 1, 5, Some(9)),
            hold(mutex, 2, 4, 12, Some(13)),
        ]));
        assert!(!is_linearizable(&[
            hold(mutex, 0, 1, 5, None),
            hold(Kind::Read, 2, 4, 12, None)
        ]));
        let gpu = Kind::Semaphore(1);
        assert!(!is_linearizable(&[
            hold(gpu, 0, 1, 5, None),
            hold(gpu, 2, 4, 12, None)
        ]));
        let gpu = Kind::Semaphore(2);
        assert!(is_linearizable(&[
            hold(gpu, 0, 1, 5, None),
            hold(gpu, 2, 4, 12, None)
        ]));
    }

    #[test]
    fn long_history_with_many_shares_is_judged_in_time() {
        let share = |index: i64| hold(Kind::Read, index, index + 10, index + 20, Some(index + 30));
        let shares: Vec<_> = (0..300).map(|it| share(it * 5)).collect();
        assert!(is_linearizable(&shares));
    }
}
