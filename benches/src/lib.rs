//! Measurements; see the programs in `bin/`. Each figure is one JSON object a line.

use std::time::Duration;

/// Prints median, minimum and maximum of `times`, and the size of an image's compressed layers.
#[allow(clippy::print_stdout, reason = "the result of the program")]
pub fn line(what: &str, times: &mut [Duration], layers: Option<u64>) {
    times.sort_unstable();
    let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let line = serde_json::json!({
        "what": what,
        "runs": times.len(),
        "median_ms": times.get(times.len() / 2).map(millis),
        "min_ms": times.first().map(millis),
        "max_ms": times.last().map(millis),
        "layers_bytes": layers,
    });
    println!("{line}");
}
