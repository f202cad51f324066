//! The strictest of crates.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unused,
    nonstandard_style,
    future_incompatible,
    rust_2018_idioms,
    let_underscore,
    unused_qualifications,
    unreachable_pub,
    single_use_lifetimes,
    unit_bindings,
    unused_import_braces,
    unused_lifetimes,
    variant_size_differences,
    trivial_casts,
    trivial_numeric_casts
)]

#[metaparticle::containerize(ports = [8080], public)]
#[metaparticle::replicated(4)]
fn main() {}
