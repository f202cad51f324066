//! `cargo xtask …`: everything a contributor runs that is not `cargo test`.

mod clock;
mod cluster;
mod command;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Cluster { action } => cluster::run(&action),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::failure(&error);
            ExitCode::FAILURE
        }
    }
}

/// The tasks of a contributor.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A real Kubernetes on this machine, for tests
    Cluster {
        #[command(subcommand)]
        action: cluster::Action,
    },
}
