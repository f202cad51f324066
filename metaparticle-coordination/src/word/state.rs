//! [`State`]: the atomics of a guard word, and nothing else: no clock, no waiting. Compiled a second time by the test that
//! tries every interleaving, with that test's atomics as `super::atomic`.

use super::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// Not valid, for ever.
const INVALID: u64 = 0;
/// Guards have ended; permits that were given go on until the deadline (E4).
const CLOSED: u64 = 1;

/// What the guards and permits of one incarnation share. Times are nanoseconds on the process's own clock.
#[derive(Debug)]
pub(crate) struct State {
    /// The deadline, doubled, and [`CLOSED`] or not; or [`INVALID`]. One word, so that guards and permits never disagree
    /// about the deadline.
    word: AtomicU64,
    permits: AtomicUsize,
}

impl State {
    /// Valid until `deadline`, which is not 0.
    pub(crate) fn new(deadline: u64) -> Self {
        Self {
            word: AtomicU64::new(word(deadline, 0)),
            permits: AtomicUsize::new(0),
        }
    }

    /// The guard's deadline, if it has not come and the guard is not closed.
    pub(crate) fn check(&self, now: u64) -> Option<u64> {
        let word = self.valid(now)?;
        (word & CLOSED == 0).then_some(deadline(word))
    }

    /// The permits' deadline, if it has not come.
    pub(crate) fn check_permit(&self, now: u64) -> Option<u64> {
        self.valid(now).map(deadline)
    }

    /// That the deadline has come is final: whoever sees it first writes it down, so that nobody can see it valid later,
    /// however late the acknowledgement of a renewal is applied.
    fn valid(&self, now: u64) -> Option<u64> {
        let mut word = self.word.load(Ordering::Acquire);
        while word != INVALID {
            if now < deadline(word) {
                return Some(word);
            }
            match self.replace(word, INVALID) {
                Ok(_) => return None,
                Err(newer) => word = newer,
            }
        }
        None
    }

    /// A renewal was acknowledged: the deadline moves on, never back. `false`: it had come at `now`, or all is invalid.
    pub(crate) fn extend(&self, now: u64, later: u64) -> bool {
        while let Some(old) = self.valid(now) {
            let new = word(later.max(deadline(old)), old & CLOSED);
            if self.replace(old, new).is_ok() {
                return true;
            }
        }
        false
    }

    /// Ends the guards; permits that were given go on. `true` for the one call that ended them.
    pub(crate) fn close(&self) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        let first = loop {
            if word == INVALID || word & CLOSED != 0 {
                break false;
            }
            match self.replace(word, word | CLOSED) {
                Ok(_) => break true,
                Err(newer) => word = newer,
            }
        };
        // With the one in `permit`: either that sees the word closed, or `permits` sees the permit.
        fence(Ordering::SeqCst);
        first
    }

    /// Ends guards and permits. `true` for the one call that ended the guards.
    pub(crate) fn invalidate(&self) -> bool {
        let word = self.word.swap(INVALID, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        word != INVALID && word & CLOSED == 0
    }

    /// Counts a permit in, if guards are valid at `now`.
    pub(crate) fn permit(&self, now: u64) -> bool {
        self.permits.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        let valid = self.check(now).is_some();
        if !valid {
            self.return_permit();
        }
        valid
    }

    /// One more, from one that is given: also while it drains.
    pub(crate) fn copy_permit(&self) {
        self.permits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a permit out. `true`: it was the last.
    pub(crate) fn return_permit(&self) -> bool {
        self.permits.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// How many permits are out. Once it was zero after [`close`](Self::close), none is ever given again.
    pub(crate) fn permits(&self) -> usize {
        self.permits.load(Ordering::Acquire)
    }

    fn replace(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.word
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

fn word(deadline: u64, closed: u64) -> u64 {
    // 292 years.
    deadline.min(u64::MAX >> 1) << 1 | closed
}

fn deadline(word: u64) -> u64 {
    word >> 1
}
