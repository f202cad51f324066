//! Other programs: run one to its end and have its output or a readable error.

use std::env;
use std::io;
use std::process::{Command, ExitStatus, Stdio};

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// It could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// The program's name or path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with a failure.
    #[error("`{line}` failed with {status}:\n{output}")]
    Failed {
        /// The whole command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed, its end only.
        output: String,
    },
}

/// A command from a program and its arguments.
pub(crate) fn command<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// The cargo that runs this program, as if it were started from a shell: what it tells of this package is taken away,
/// because build scripts that look at it (ring's does) would be run anew, and all that depends on them.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or ends with another code than 0.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start {
            program: command.get_program().display().to_string(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed {
        line: line(command),
        status: output.status,
        output: last_lines(&said, 30).to_owned(),
    })
}

/// Runs `program` with `arguments` and returns its standard output.
///
/// # Errors
/// As [`output`].
pub(crate) fn run<'a>(
    program: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<String, Error> {
    output(&mut command(program, arguments))
}

/// The last `count` lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> &str {
    let text = text.trim_end();
    match text.rmatch_indices('\n').nth(count.saturating_sub(1)) {
        Some((at, _)) => &text[at + 1..],
        None => text,
    }
}

fn line(command: &Command) -> String {
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_the_command_and_what_it_printed() {
        let error = run("sh", ["-c", "echo told >&2; exit 3"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c echo told"), "{text}");
        assert!(text.ends_with("told"), "{text}");
    }

    #[test]
    fn cargo_hears_nothing_of_the_package_that_starts_it() {
        let taken: Vec<_> = cargo([])
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.to_owned())
            .collect();
        assert!(taken.contains(&"CARGO_MANIFEST_DIR".into()), "{taken:?}");
        assert!(taken.contains(&"CARGO_PKG_NAME".into()), "{taken:?}");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
