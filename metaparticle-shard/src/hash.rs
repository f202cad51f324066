//! The hash of keys: frozen, the same on every machine.

use rapidhash::v3::{DEFAULT_RAPID_SECRETS, rapidhash_v3, rapidhash_v3_nano_inline};

/// Up to here the short form of the algorithm gives what the full one gives.
const SHORT: usize = 48;

/// The hash of a key: [rapidhash](https://github.com/Nicoshev/rapidhash) version 3, seed 0, its published secrets.
///
/// It never changes: maps that are stored, or that other processes have, depend on it. It is not keyed, so it protects
/// from nobody who chooses keys.
#[inline]
#[must_use]
pub fn hash(key: &[u8]) -> u64 {
    if key.len() <= SHORT {
        rapidhash_v3_nano_inline::<true, false>(key, &DEFAULT_RAPID_SECRETS)
    } else {
        rapidhash_v3(key)
    }
}
