//! The only module that prints: one line a step, failures with their causes.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the output module"
)]

use std::error::Error;

/// Prints a result that a script may read.
pub(crate) fn result(text: &str) {
    println!("{text}");
}

/// Prints what is being done.
pub(crate) fn step(text: &str) {
    eprintln!("{text}");
}

/// Prints an error and what caused it, each cause on a line of its own.
pub(crate) fn failure(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
