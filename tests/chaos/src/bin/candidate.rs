//! Ours as a candidate.
fn main() {}
