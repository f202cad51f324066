//! [`Random`]: numbers that follow from a seed, the same on every machine (`SplitMix64`).

use std::time::Duration;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own, for one subject: what others draw does not change it.
    #[must_use]
    pub fn fork(&self, subject: u64) -> Self {
        let mut other = Self(self.0 ^ subject.wrapping_mul(0xa076_1d64_78bd_642f));
        other.draw();
        Self(other.draw())
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True so many times of a thousand.
    pub fn per_mille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// One of them.
    ///
    /// # Panics
    /// If there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let index = self.below(all.len() as u64);
        &all[usize::try_from(index).expect("an index fits")]
    }

    /// Between two durations, to the microsecond.
    ///
    /// # Panics
    /// If they are longer than the world lasts.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).expect("not so long");
        Duration::from_micros(self.between(micros(low), micros(high)))
    }
}
