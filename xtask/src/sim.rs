//! `cargo xtask sim`: the machines of `metaparticle-protocol` in virtual time, under seeded faults, and in a model.

use std::{io, process::ExitStatus};

use crate::command;

/// Why it did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// cargo could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// A promise was broken, or a mutant not found; it was said how to repeat it.
    #[error("the simulation found something: {0}")]
    Found(ExitStatus),
}

/// Runs the simulation with these arguments: `--seeds N`, `--seed S` and what its `--help` says.
///
/// # Errors
/// When a promise is broken, or a mutant is not found.
pub(crate) fn run(arguments: &[String]) -> Result<(), Error> {
    // Its profile is said in the workspace: optimised, with the checks of a debug build.
    let status = command::cargo([
        "run",
        "--quiet",
        "--package",
        "metaparticle-simulation",
        "--",
    ])
    .args(arguments)
    .status()
    .map_err(Error::Start)?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Found(status))
    }
}
