//! [`Random`]: where uids and generated names come from. The same seed gives the same sequence.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

/// Letters and digits of generated names: those of Kubernetes, which spell no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generator of random numbers that several tasks share. Not for secrets.
#[derive(Debug)]
pub(crate) struct Random(Mutex<u64>);

impl Random {
    /// Starts from `seed`, or from the operating system's randomness.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(Mutex::new(
            seed.unwrap_or_else(|| RandomState::new().hash_one(0)),
        ))
    }

    /// The next number: splitmix64 (<https://prng.di.unimi.it/splitmix64.c>).
    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.next() % end
    }

    /// A version 4 UUID.
    pub(crate) fn uid(&self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }

    /// Five characters, the end of a generated name.
    pub(crate) fn suffix(&self) -> String {
        let digit = |_| char::from(ALPHABET[usize::try_from(self.below(27)).expect("below 27")]);
        (0..5).map(digit).collect()
    }
}
