//! The expansion leans on no name that a user can take.
#![allow(dead_code, unused_macros, non_camel_case_types)]

struct u8;
struct Option;
mod core {}
mod metaparticle {}
macro_rules! include_bytes {
    () => {};
}

#[::metaparticle::containerize]
fn main() {}
