//! Runs elections and locks under faults and prints what was found; `cargo xtask chaos` builds the programs and calls
//! it. Ends with a failure if a promise of ours was broken, or if the known failures of others were not found.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program's output is for people"
)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use metaparticle_chaos::{
    campaign::{Campaign, Subject},
    program::Programs,
};

/// Elections and locks under faults, on a real API server with separate processes.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program that has all of Kubernetes in it
    #[arg(long)]
    kubernetes: PathBuf,
    /// client-go's candidate
    #[arg(long)]
    client_go: PathBuf,
    /// The folder with the candidates of crates
    #[arg(long)]
    crates: Option<PathBuf>,
    /// How many runs
    #[arg(long, default_value_t = 87)]
    runs: u64,
    /// One run in so many with a lease of 15 s; the others have 2 to 3 s
    #[arg(long)]
    full_lease_every: Option<u64>,
    /// How many side by side
    #[arg(long, default_value_t = 6)]
    lanes: usize,
    /// Where the choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this subject: `ours`, `mixed`, `client-go`, `client-go-release`, or a crate's name
    #[arg(long)]
    subject: Vec<Subject>,
    /// Only this fault
    #[arg(long)]
    fault: Option<String>,
    /// Where the histories of runs with findings are written
    #[arg(long, default_value = "target/chaos")]
    histories: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ours = std::env::current_exe()
        .unwrap_or_default()
        .with_file_name("candidate");
    let campaign = Campaign {
        kubernetes: arguments.kubernetes,
        programs: Programs {
            ours,
            client_go: arguments.client_go,
            crates: arguments.crates,
        },
        runs: arguments.runs,
        full_lease_every: arguments.full_lease_every,
        lanes: arguments.lanes.max(1),
        seed: arguments.seed,
        subjects: arguments.subject,
        fault: arguments.fault,
        histories: arguments.histories,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("the machine has threads");
    let report = runtime.block_on(campaign.run());
    runtime.shutdown_timeout(Duration::from_secs(5));
    match report {
        Ok(report) => {
            print!("{report}");
            ExitCode::from(u8::from(!report.holds()))
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
