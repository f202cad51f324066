//! What a candidate says: one line, its moment first.

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `CLOCK_MONOTONIC` in nanoseconds, read *before* what is said was asked: what a process that was stopped in
    /// between says is dated too early, never too late.
    pub at: i64,
    /// What it says.
    pub said: Said,
}

/// What can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It contends from here on.
    Ready,
    /// It leads, with this token (0 if it has none).
    Lead(u64),
    /// It still leads: said every few milliseconds, as the guard answers.
    Valid(u64),
    /// It leads no more.
    Lost,
    /// It wrote the guarded object.
    Wrote(Wrote),
    /// It asks for a lock.
    Ask {
        /// Which request of this process.
        id: u64,
        /// Of which lock.
        lock: String,
        /// How.
        kind: Kind,
    },
    /// It holds the lock, with this token (0 if it has none).
    Locked(u64, u64),
    /// It still holds it.
    Held(u64),
    /// It calls unlock.
    Unlock(u64),
    /// Unlock has returned.
    Unlocked(u64),
    /// The request ended without the lock: given up, not free at once, or an error.
    GaveUp(u64),
    /// The guard said that the lock was lost.
    LockLost(u64),
    /// Its clocks, in nanoseconds: wall, monotonic, boot time.
    Clock([i64; 3]),
    /// A figure that it measured, with its unit in its name.
    Figure(String, u64),
    /// It ends.
    Done,
}

/// A write to the guarded object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// The writer's token.
    pub token: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is the object's version with this number.
    Accepted(u64),
    /// The API server, or the guard before it, refused it.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A mutex.
    Mutex,
    /// The writing side of a read-write lock.
    Write,
    /// The reading side.
    Read,
    /// One of so many places of a semaphore.
    Semaphore(u32),
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "mutex" => Self::Mutex,
            "write" => Self::Write,
            "read" => Self::Read,
            _ => Self::Semaphore(word.strip_prefix("semaphore:")?.parse().ok()?),
        })
    }
}

impl Line {
    /// Reads a line; none if it is no line of ours (what a library prints beside them).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let at = words.next()?.parse().ok()?;
        let verb = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let said = match verb {
            "ready" => Said::Ready,
            "lead" => Said::Lead(number()?),
            "valid" => Said::Valid(number()?),
            "lost" => Said::Lost,
            "wrote" => {
                let token = number()?;
                let outcome = match words.next()? {
                    "accepted" => Outcome::Accepted(words.next()?.parse().ok()?),
                    "refused" => Outcome::Refused,
                    _ => Outcome::Unknown,
                };
                Said::Wrote(Wrote { token, outcome })
            }
            "ask" => Said::Ask {
                id: number()?,
                lock: words.next()?.to_owned(),
                kind: Kind::parse(words.next()?)?,
            },
            "locked" => Said::Locked(number()?, number()?),
            "held" => Said::Held(number()?),
            "unlock" => Said::Unlock(number()?),
            "unlocked" => Said::Unlocked(number()?),
            "gaveup" => Said::GaveUp(number()?),
            "locklost" => Said::LockLost(number()?),
            "clock" => {
                let mut clock = || words.next()?.parse::<i64>().ok();
                Said::Clock([clock()?, clock()?, clock()?])
            }
            "figure" => Said::Figure(words.next()?.to_owned(), words.next()?.parse().ok()?),
            "done" => Said::Done,
            _ => return None,
        };
        Some(Self { at, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_noise_is_not() {
        let said = |text| Line::parse(text).map(|line| (line.at, line.said));
        assert_eq!(said("5 lead 7"), Some((5, Said::Lead(7))));
        assert_eq!(
            said("9 wrote 7 accepted 812"),
            Some((
                9,
                Said::Wrote(Wrote {
                    token: 7,
                    outcome: Outcome::Accepted(812)
                })
            ))
        );
        let ask = Said::Ask {
            id: 3,
            lock: "a".to_owned(),
            kind: Kind::Semaphore(2),
        };
        assert_eq!(said("1 ask 3 a semaphore:2"), Some((1, ask)));
        assert_eq!(said("1 clock -5 6 7"), Some((1, Said::Clock([-5, 6, 7]))));
        for noise in ["", "I1123 attempting to acquire", "5", "5 lead", "x lead 7"] {
            assert_eq!(said(noise), None, "{noise}");
        }
    }
}
