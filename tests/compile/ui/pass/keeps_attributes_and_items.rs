//! Outer and inner attributes stay, items keep their place, and nothing of ours can be named.
#![deny(warnings)]

const EMBEDDED: u8 = 1;
const MARKER: u8 = 2;

/// The entry.
#[allow(clippy::unnecessary_wraps)]
#[metaparticle::containerize]
#[inline(never)]
pub fn main() -> Result<(), u8> {
    #![allow(unused_variables)]
    use std::process::exit;

    const ANSWER: u8 = 42;
    let unused = ();
    if EMBEDDED + MARKER + ANSWER != 45 {
        exit(9);
    }
    Ok(())
}
