//! What must differ between processes and starts: names, and pauses by chance. From the operating system, through the
//! keys of the standard library's hash maps.

use std::hash::{BuildHasher as _, RandomState};

/// 64 bits that nobody has drawn before.
pub(crate) fn bits() -> u64 {
    // The keys of one thread only count up, and a fork copies them: the process and its age make up for it.
    RandomState::new().hash_one((
        std::process::id(),
        crate::clock::Clock::system().now(),
        std::thread::current().id(),
    ))
}

/// A part of a name: 10 letters and digits.
pub(crate) fn word() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bits = bits();
    let mut word = String::new();
    for _ in 0..10 {
        let letter = usize::try_from(bits % 32).expect("below 32");
        word.push(char::from(LETTERS[letter]));
        bits /= 32;
    }
    word
}

/// A number from `least` to `most`.
pub(crate) fn share(least: f64, most: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "32 bits fit")]
    let unit = (bits() >> 32) as f64 / f64::from(u32::MAX);
    least + (most - least) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ_and_are_parts_of_names() {
        let words: std::collections::HashSet<_> = (0..10_000).map(|_| word()).collect();
        assert_eq!(words.len(), 10_000);
        let letters = |word: &String| {
            word.len() == 10
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        assert!(words.iter().all(letters));
    }

    #[test]
    fn share_stays_in_its_range() {
        let shares: Vec<f64> = (0..1000).map(|_| share(0.5, 1.0)).collect();
        assert!(shares.iter().all(|share| (0.5..=1.0).contains(share)));
        assert!(shares.iter().any(|share| *share < 0.6));
        assert!(shares.iter().any(|share| *share > 0.9));
    }
}
