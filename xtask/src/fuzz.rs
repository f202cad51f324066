//! `cargo xtask fuzz`: bodies and heads that nobody would send, for as long as one likes.

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
    #[error("{0} found something: {1}")]
    Found(&'static str, ExitStatus),
}

/// The targets: package, test.
const TARGETS: [(&str, &str); 2] = [
    ("metaparticle-local", "fuzz_patch"),
    ("metaparticle-router", "fuzz_head"),
];

/// Runs the fuzzers of patches and apply, and of the heads of requests, for `seconds` each, from `seed`; or only that one.
///
/// # Errors
/// When one finds something.
pub(crate) fn run(seconds: u64, seed: u64, only: Option<&str>) -> Result<(), Error> {
    let wanted = |test: &str| only.is_none_or(|only| only == test);
    for (package, test) in TARGETS.into_iter().filter(|(_, test)| wanted(test)) {
        let status = command::cargo([
            "test",
            "--release",
            "--package",
            package,
            "--test",
            test,
            "--",
            "--nocapture",
        ])
        .env("CARGO_PROFILE_RELEASE_LTO", "off") // it would take longer than a short run
        .env("METAPARTICLE_FUZZ_SECONDS", seconds.to_string())
        .env("METAPARTICLE_FUZZ_SEED", seed.to_string())
        .status()
        .map_err(Error::Start)?;
        if !status.success() {
            return Err(Error::Found(test, status));
        }
    }
    Ok(())
}
