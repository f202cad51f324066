//! `cargo xtask …`: everything a contributor runs that is not `cargo test`.

mod chaos;
mod clock;
mod cluster;
mod command;
mod contract;
mod debian;
mod e2e;
mod file;
mod fuzz;
mod go;
mod peers;
mod schema;
mod sim;
mod terminal;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let done: Result<(), Box<dyn Error>> = match Arguments::parse().task {
        Task::Cluster { action } => cluster::run(&action).map_err(Into::into),
        Task::Peers { action } => peers::run(&action).map_err(Into::into),
        Task::Fuzz {
            seconds,
            seed,
            only,
        } => fuzz::run(seconds, seed, only.as_deref()).map_err(Into::into),
        Task::H2spec => peers::h2spec().map_err(Into::into),
        Task::Sim { arguments } => sim::run(&arguments).map_err(Into::into),
        Task::Schema => schema::run().map_err(Into::into),
        Task::E2e { arguments } => e2e::run(&arguments).map_err(Into::into),
        Task::Chaos(arguments) => chaos::run(&arguments).map_err(Into::into),
        Task::Contract { arguments } => contract::run(&arguments).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::failure(error.as_ref());
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
    /// Other tools, measured on this machine
    Peers {
        #[command(subcommand)]
        action: peers::Action,
    },
    /// The types of the embedded cluster's kinds, read anew from the cluster of `cluster up`
    Schema,
    /// Strange bodies for the embedded API, strange requests for a gate, for a while
    Fuzz {
        /// How long, each
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Where the random numbers begin
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Only one of them
        #[arg(long, value_parser = ["fuzz_patch", "fuzz_head"])]
        only: Option<String>,
    },
    /// The cases of h2spec, with the strict ones, against a gate
    H2spec,
    /// The embedded cluster beside a real one: facts, random operations, owners of fields, what controllers leave
    Contract {
        /// What the test runner of the facts gets, such as the name of one
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Elections and locks under faults: separate processes on an API server of the suite's own, beside client-go
    Chaos(chaos::Arguments),
    /// Elections, locks and shards in virtual time: seeds, mutants, models (`--seeds 20000`, `--seed 7`)
    Sim {
        /// What the simulation gets; `--help` says what
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The suite on a real cluster: the one of `cluster up`, or `METAPARTICLE_TEST_KUBECONFIG`
    E2e {
        /// What the test runner gets, such as the name of a test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}
