//! How long things take, by the clock that the machine's sleep does not stop.

use std::fs;
use std::time::Duration;

/// Since the machine was started.
pub(crate) fn uptime() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or_default())
}
