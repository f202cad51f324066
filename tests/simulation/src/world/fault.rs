//! [`Fault`]: what goes wrong, when and for how long; a script of them is drawn from a seed and can be shrunk.

use std::time::Duration;

use crate::random::Random;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// When it begins.
    pub at: Duration,
    /// When it ends, if it lasts.
    pub length: Duration,
    /// What it is.
    pub kind: Kind,
}

/// What goes wrong. `process` is an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// SIGSTOP, and SIGCONT at the end; `midway`: between two effects of one step.
    Pause {
        /// Who.
        process: usize,
        /// Not before the next step, and between its effects.
        midway: bool,
    },
    /// SIGKILL, and a start under the same name at the end.
    Crash {
        /// Who.
        process: usize,
    },
    /// Nothing gets through: lost, or held back until the end.
    Partition {
        /// Who.
        process: usize,
        /// Packets are held, sockets stay open.
        frozen: bool,
        /// Requests get through, answers do not.
        answers_only: bool,
    },
    /// Every message takes so much longer.
    Slow {
        /// Who.
        process: usize,
        /// By up to this.
        by: Duration,
    },
    /// All watches of a process end.
    LoseWatches {
        /// Who.
        process: usize,
    },
    /// The server answers 429 to most requests.
    Busy,
    /// The server answers 5xx, whether or not it executed.
    Errors,
    /// The server is down.
    Outage,
    /// History is forgotten.
    Compact,
    /// Somebody annotates an object: its version rises, nothing that counts changes.
    Annotate {
        /// Which, by chance.
        pick: u64,
    },
    /// A process's clock runs at another rate.
    Rate {
        /// Who.
        process: usize,
        /// In thousandths.
        rate: u32,
    },
    /// A process's wall clock jumps.
    Jump {
        /// Who.
        process: usize,
        /// By so many seconds.
        seconds: i64,
    },
    /// By hand: an object is deleted.
    Delete {
        /// Which, by chance.
        pick: u64,
    },
    /// By hand: the holder of an object is written.
    SetHolder {
        /// Which, by chance.
        pick: u64,
        /// Emptied, or somebody.
        empty: bool,
    },
    /// By hand: the store is restored from a backup of `ago`.
    Restore {
        /// How old the backup is.
        ago: Duration,
        /// Watches go on for a while, and tell of lower versions.
        watches_live: bool,
    },
    /// The watches of a process tell nothing, and nobody notices; its requests go through.
    Blind {
        /// Who.
        process: usize,
    },
    /// By hand: the map of shards is deleted. Nothing is excused by it.
    DeleteMap,
    /// By hand: the map of shards is edited.
    EditMap {
        /// How, by chance.
        pick: u64,
    },
}

impl Kind {
    /// Whether it is a change by hand, a class of its own.
    #[must_use]
    pub const fn is_forced(&self) -> bool {
        matches!(
            self,
            Self::Delete { .. }
                | Self::SetHolder { .. }
                | Self::Restore { .. }
                | Self::DeleteMap
                | Self::EditMap { .. }
        )
    }
}

/// Draws a script: `count` faults within `span` for so many processes; `lease` gives the scale.
#[must_use]
pub fn draw(
    random: &mut Random,
    count: u64,
    span: Duration,
    processes: usize,
    lease: Duration,
    forced: bool,
) -> Vec<Fault> {
    let mut script: Vec<_> = (0..count)
        .map(|_| {
            let at = random.duration(Duration::ZERO, span);
            let kind = kind(random, processes, lease, forced);
            let length = length(random, &kind, lease);
            Fault { at, length, kind }
        })
        .collect();
    if forced && random.per_mille(300) {
        script.extend(split_restore(random, span, processes, lease));
    }
    script.sort_by_key(|fault| fault.at);
    script
}

/// What goes wrong with a map of shards besides: watches that fall silent while requests go through, and, if it is
/// `forced`, a map that is deleted under such a process, or edited.
///
/// # Panics
/// Never: an index fits.
#[must_use]
pub fn draw_of_map(
    random: &mut Random,
    span: Duration,
    processes: usize,
    lease: Duration,
    forced: bool,
) -> Vec<Fault> {
    let mut script = Vec::new();
    let blind = |random: &mut Random, at: Duration, length: Duration| Fault {
        at,
        length,
        kind: Kind::Blind {
            process: usize::try_from(random.below(processes as u64)).expect("an index fits"),
        },
    };
    for _ in 0..random.below(3) {
        let at = random.duration(Duration::ZERO, span);
        let length = random.duration(lease / 20, lease * 2);
        script.push(blind(random, at, length));
    }
    for _ in 0..if forced { random.below(3) } else { 0 } {
        let at = random.duration(lease, span);
        let edits = random.per_mille(300);
        let pick = random.draw();
        let length = Duration::ZERO;
        let kind = if edits {
            Kind::EditMap { pick }
        } else {
            Kind::DeleteMap
        };
        script.push(Fault { at, length, kind });
        if random.per_mille(600) {
            let before = at.saturating_sub(random.duration(Duration::ZERO, lease / 10));
            let length = random.duration(lease, lease * 4);
            script.push(blind(random, before, length));
        }
    }
    script
}

/// What faults of their own rarely make together: the store forgets a renewal that one process knows to be acknowledged,
/// and that the others, who see nothing meanwhile, never learn of (T2).
fn split_restore(
    random: &mut Random,
    span: Duration,
    processes: usize,
    lease: Duration,
) -> Vec<Fault> {
    let begin = random.duration(Duration::ZERO, span.saturating_sub(lease));
    let knows = usize::try_from(random.below(processes as u64)).expect("an index fits");
    let restored = begin + random.duration(lease / 2, lease * 2 / 3);
    let mut script = Vec::new();
    for process in 0..processes {
        let (from, to) = if process == knows {
            (lease / 3, lease * 2 / 3)
        } else {
            (Duration::ZERO, lease / 3)
        };
        let at = begin + random.duration(from, to);
        let until = restored + random.duration(lease / 100, lease / 3);
        let until = until.max(at)
            + if process == knows {
                lease
            } else {
                Duration::ZERO
            };
        script.push(Fault {
            at,
            length: until.saturating_sub(at),
            kind: Kind::Partition {
                process,
                frozen: false,
                answers_only: false,
            },
        });
        script.push(Fault {
            at,
            length: Duration::ZERO,
            kind: Kind::LoseWatches { process },
        });
    }
    script.push(Fault {
        at: restored,
        length: Duration::ZERO,
        kind: Kind::Restore {
            ago: random.duration(lease / 10, lease / 2),
            watches_live: false,
        },
    });
    script
}

fn length(random: &mut Random, kind: &Kind, lease: Duration) -> Duration {
    let long = match kind {
        Kind::Slow { .. } | Kind::Busy | Kind::Errors => lease * 2,
        Kind::Crash { .. } | Kind::Outage => lease,
        _ => lease * 3 / 2,
    };
    // Short ones are as telling as long ones: half of them below a third.
    if random.per_mille(500) {
        random.duration(Duration::from_millis(1), long / 3)
    } else {
        random.duration(Duration::from_millis(1), long)
    }
}

fn kind(random: &mut Random, processes: usize, lease: Duration, forced: bool) -> Kind {
    if forced && random.per_mille(300) {
        return by_hand(random, lease);
    }
    let process = usize::try_from(random.below(processes as u64)).expect("an index fits");
    match random.below(24) {
        0..=3 => Kind::Pause {
            process,
            midway: random.per_mille(400),
        },
        4..=6 => Kind::Crash { process },
        7..=10 => Kind::Partition {
            process,
            frozen: random.per_mille(600),
            answers_only: random.per_mille(300),
        },
        11..=12 => Kind::Slow {
            process,
            by: random.duration(Duration::from_millis(50), lease),
        },
        13..=14 => Kind::LoseWatches { process },
        15 => Kind::Busy,
        16 => Kind::Errors,
        17 => Kind::Outage,
        18 => Kind::Compact,
        19..=21 => Kind::Annotate {
            pick: random.draw(),
        },
        22 => Kind::Rate {
            process,
            rate: *random.one_of(&[900, 950, 1000, 1050, 1100]),
        },
        _ => Kind::Jump {
            process,
            seconds: *random.one_of(&[-60, -10, 10, 60]),
        },
    }
}

fn by_hand(random: &mut Random, lease: Duration) -> Kind {
    match random.below(5) {
        0 | 1 => Kind::Delete {
            pick: random.draw(),
        },
        2 | 3 => Kind::SetHolder {
            pick: random.draw(),
            empty: random.per_mille(500),
        },
        _ => Kind::Restore {
            ago: random.duration(Duration::from_millis(100), lease * 2),
            watches_live: random.per_mille(300),
        },
    }
}
