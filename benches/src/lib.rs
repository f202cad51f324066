//! Measurements; see the benches.
