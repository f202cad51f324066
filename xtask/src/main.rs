//! `cargo xtask …`: everything a contributor runs that is not `cargo test`.

fn main() {}
