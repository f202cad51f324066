//! `cargo xtask peers …`: tools that do a part of what this project does, side by
//! side with it on the same machine.

mod deploy;
mod hash;
mod local;
mod router;
mod tools;

use std::process::Stdio;

use clap::Subcommand;

use crate::{chaos, cluster, command, debian, file, go};

/// What to compare.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// From an edited program to an image in the registry beside ko and buildah; re-apply beside kubectl
    Deploy {
        /// How often each step is measured
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
        runs: u32,
        /// Install the peers and stop
        #[arg(long)]
        install_only: bool,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// The map of shards beside other crates that hash consistently
    Hash,
    /// The embedded cluster beside the control plane of the test cluster; each figure a line of JSON
    Local,
    /// The gate beside nginx, HAProxy, pingora and Envoy: processor time, latency, memory; about 20 minutes
    Router(router::Arguments),
    /// Elections and locks beside client-go and etcd's mutex, on an API server of its own
    Election {
        /// How often each step is measured
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=200))]
        runs: u32,
    },
}

/// Why peers could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The registry of the test cluster is needed.
    #[error("no registry to push to")]
    Cluster(#[from] cluster::Error),
    /// A program could not be built.
    #[error(transparent)]
    Go(#[from] go::Error),
    /// A package could not be installed.
    #[error(transparent)]
    Debian(#[from] debian::Error),
    /// The suite of elections.
    #[error(transparent)]
    Chaos(#[from] chaos::Error),
    /// A peer failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] file::Error),
    /// A peer said something else than what was expected of it.
    #[error("{peer} answered {answer:?} where {expected} was expected")]
    Answer {
        /// Which one.
        peer: &'static str,
        /// What it said.
        answer: String,
        /// What it should have said.
        expected: &'static str,
    },
}

/// Compares.
///
/// # Errors
/// When there is no cluster, or a peer cannot be installed or fails.
pub(crate) fn run(action: &Action) -> Result<(), Error> {
    match action {
        Action::Hash => hash::compare(),
        Action::Local => local::compare(),
        Action::Router(arguments) => router::compare(arguments),
        Action::Deploy {
            runs,
            install_only,
            json,
        } => {
            let tools = tools::install()?;
            if *install_only {
                return Ok(());
            }
            deploy::compare(&tools, *runs, *json)
        }
        Action::Election { runs } => Ok(chaos::figures(*runs)?),
    }
}

/// The cases of h2spec against a gate.
///
/// # Errors
/// When one fails that is not known to.
pub(crate) fn h2spec() -> Result<(), Error> {
    router::h2spec::run()
}

/// The program that cargo made.
fn build(package: &str, program: &str, features: &[&str]) -> Result<String, Error> {
    let mut arguments = vec![
        "build",
        "--release",
        "--package",
        package,
        "--bin",
        program,
        "--message-format",
        "json",
    ];
    arguments.extend(features);
    let mut cargo = command::cargo(arguments);
    cargo.stderr(Stdio::inherit());
    let messages = command::output(&mut cargo)?;
    executable(&messages, program).ok_or_else(|| Error::Answer {
        peer: "cargo",
        answer: command::last_lines(&messages, 1).to_owned(),
        expected: "a program",
    })
}

fn executable(messages: &str, program: &str) -> Option<String> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == program)
        .find_map(|message| message["executable"].as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_the_name_is_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"kube"},"executable":null}"#,
            "\nnot JSON\n",
            r#"{"reason":"compiler-artifact","target":{"name":"web"},"executable":"/target/release/web"}"#,
        );
        assert_eq!(
            executable(messages, "web").as_deref(),
            Some("/target/release/web")
        );
        assert_eq!(executable(messages, "kube"), None);
    }
}
