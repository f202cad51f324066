//! How long things take, in the processor time of this thread: what others do on the machine does not count.

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::Keys;

/// Keys that are timed, again and again.
const TIMED: usize = 1 << 16;
/// Keys between two looks at the clock.
const BATCH: usize = 1 << 12;
const KEYS: f64 = 4096.0;

/// Times of batches, taken at several moments: a busy neighbour on the machine lasts for seconds.
#[derive(Default)]
pub(crate) struct Lookups(Vec<f64>);

impl Lookups {
    /// Looks all keys up, for 30 ms at least, but for no longer than half a second where a crate is slow.
    pub(crate) fn take(&mut self, keys: Keys, owner: impl Fn(&'static str) -> u32) {
        let begin = now();
        let enough = |batches: usize| {
            let spent = since(begin);
            batches >= TIMED / BATCH && spent > Duration::from_millis(30)
                || spent > Duration::from_millis(500)
        };
        let mut batches = 0;
        while !enough(batches) {
            let first = (batches * BATCH) % TIMED;
            let start = now();
            let mut all = 0;
            for key in &keys[first..first + BATCH] {
                all ^= owner(key);
            }
            black_box(all);
            self.0.push(since(start).as_secs_f64() * 1e9 / KEYS);
            batches += 1;
        }
    }

    /// Median and tenth of a hundred, in nanoseconds a key; a dash if there are none.
    pub(crate) fn text(mut self) -> String {
        self.0.sort_by(f64::total_cmp);
        let of = |part: usize| self.0.get(self.0.len() * part / 10);
        match (of(5), of(1)) {
            (Some(median), Some(tenth)) => format!("{median:.1} ({tenth:.1})"),
            _ => "–".to_owned(),
        }
    }
}

/// The median time, and the last result.
pub(crate) fn repeat<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    repeat_on(|| (), |()| work())
}

/// The same for what needs something anew each time, which is not counted.
pub(crate) fn repeat_on<I, T>(
    mut prepare: impl FnMut() -> I,
    mut work: impl FnMut(I) -> T,
) -> (Duration, T) {
    let begin = now();
    let mut times = Vec::new();
    loop {
        let input = prepare();
        let start = now();
        let result = black_box(work(input));
        times.push(since(start));
        let spent = since(begin);
        if times.len() >= 101 || spent > Duration::from_millis(500) {
            times.sort_unstable();
            return (times[times.len() / 2], result);
        }
    }
}

pub(crate) fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 10.0 {
        format!("{micros:.1}")
    } else {
        format!("{micros:.0}")
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

fn since(start: Duration) -> Duration {
    now().saturating_sub(start)
}
