//! The map of shards beside other crates: lookups, replicas, builds, memory, balance, moves, in one process.

use std::process::Command;

use super::{Error, build};
use crate::{command, terminal};

/// Builds the measuring program, optimised and with nothing else of the benches, and runs it.
///
/// # Errors
/// When it cannot be built, or fails.
pub(super) fn compare() -> Result<(), Error> {
    terminal::step("building with optimisation");
    let features = ["--no-default-features", "--features", "hash"];
    let bench = build("metaparticle-benches", "hash", &features)?;
    terminal::step("measuring, about two minutes");
    terminal::result(command::output(&mut Command::new(bench))?.trim_end());
    Ok(())
}
