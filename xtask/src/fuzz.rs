//! `cargo xtask fuzz`: bodies that nobody would send, for as long as one likes.

use std::{io, process::ExitStatus};

use crate::command;

/// Why it did not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// cargo could not be started.
    #[error("cannot start cargo")]
    Start(#[source] io::Error),
    /// Something was found; it was said how to repeat it.
    #[error("the fuzzer found something: {0}")]
    Found(ExitStatus),
}

/// Runs the fuzzer of patches and apply for `seconds`, from `seed`.
///
/// # Errors
/// When it finds something.
pub(crate) fn run(seconds: u64, seed: u64) -> Result<(), Error> {
    let status = command::cargo([
        "test",
        "--release",
        "--package",
        "metaparticle-local",
        "--test",
        "fuzz_patch",
        "--",
        "--nocapture",
    ])
    .env("CARGO_PROFILE_RELEASE_LTO", "off") // it would take longer than a short run
    .env("METAPARTICLE_FUZZ_SECONDS", seconds.to_string())
    .env("METAPARTICLE_FUZZ_SEED", seed.to_string())
    .status()
    .map_err(Error::Start)?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Found(status))
    }
}
