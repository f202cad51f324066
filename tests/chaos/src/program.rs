//! Which programs contend.

use std::{path::PathBuf, time::Duration};

use tokio::process::Command;

use crate::{plan::Contest, server::command};

/// A program that can be a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// This project's.
    Ours,
    /// client-go, with or without its release when it is cancelled.
    ClientGo {
        /// `ReleaseOnCancel`.
        release: bool,
    },
    /// A crate's, by its name.
    Crate(&'static str),
}

/// The crates that are built as candidates.
pub const CRATES: [&str; 4] = [
    "kube-leader-election",
    "kubert",
    "kube-lease-manager",
    "kube-coordinate",
];

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Ours.
    pub ours: PathBuf,
    /// client-go's.
    pub client_go: PathBuf,
    /// The folder with those of crates.
    pub crates: Option<PathBuf>,
}

/// What a candidate is told.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// The API server's URL.
    pub server: &'a str,
    /// Namespace of all its objects.
    pub namespace: &'a str,
    /// Name of the election.
    pub name: &'a str,
    /// Its own name.
    pub identity: &'a str,
    /// Whole seconds.
    pub lease: Duration,
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::ClientGo { release: true } => "client-go with release",
            Self::ClientGo { release: false } => "client-go",
            Self::Crate(name) => name,
        })
    }
}

impl Programs {
    /// The command of a candidate. Only ours has locks and shards.
    #[must_use]
    pub fn candidate(&self, program: Program, contest: Contest, task: &Task<'_>) -> Command {
        match program {
            Program::Ours => {
                let mut command = command(&self.ours);
                command.arg(match contest {
                    Contest::Election => "elect",
                    Contest::Locks => "lock",
                    Contest::Shards => "shard",
                });
                plain(&mut command, task);
                command
            }
            Program::ClientGo { release } => {
                let mut command = command(&self.client_go);
                // In the proportions of its defaults: 15, 10 and 2 seconds.
                let part =
                    |numerator: u32| format!("{}ms", (task.lease * numerator / 15).as_millis());
                command
                    .args(["-server", task.server, "-namespace", task.namespace])
                    .args(["-name", task.name, "-identity", task.identity])
                    .args(["-lease", &part(15), "-renew", &part(10), "-retry", &part(2)])
                    .arg(format!("-release={release}"))
                    .stderr(std::process::Stdio::null());
                command
            }
            Program::Crate(name) => {
                let folder = self.crates.clone().unwrap_or_default();
                let mut command = command(&folder.join(format!("peer-{name}")));
                plain(&mut command, task);
                command.stderr(std::process::Stdio::null());
                command
            }
        }
    }
}

fn plain(command: &mut Command, task: &Task<'_>) {
    command
        .args([task.server, task.namespace, task.name, task.identity])
        .arg(task.lease.as_secs().to_string());
}
