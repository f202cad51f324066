//! Processes: start one that outlives this program, know it again later, end
//! it. A process is known by its pid *and* when it started in which boot, so
//! that a pid in use by another process by now is never taken for it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::error::{Error, file};
use super::layout::{HOME, MARKER, home};

/// How a process is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    /// What it is, for people.
    pub(super) name: String,
    /// Its number, which the system gives to another one day.
    pub(super) pid: i32,
    /// When it started, in ticks since the boot.
    started: u64,
    /// Which boot that was.
    boot: String,
}

impl Process {
    /// The process that has this number now; none if it has ended.
    pub(super) fn now(name: impl Into<String>, pid: i32) -> Option<Self> {
        let stat = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (!stat.has_ended).then(|| Self {
            name: name.into(),
            pid,
            started: stat.started,
            boot: boot(),
        })
    }

    /// Is it this very process that runs under its number?
    pub(super) fn is_running(&self) -> bool {
        Self::now(self.name.as_str(), self.pid).as_ref() == Some(self)
    }

    /// Sends `signal`, to this very process or to none.
    fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // The descriptor stays with one process; what it is is asked after it
        // is open, so the number cannot change hands in between.
        if let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_running()
        {
            // It may end before the signal arrives, which is as well.
            let _ = pidfd_send_signal(descriptor, signal);
        }
    }
}

/// Starts `program` in a session of its own, with nothing of this program's
/// environment, its output in `logs/<name>.out` and `logs/<name>.err`.
///
/// # Errors
/// When a log cannot be opened or the program cannot be started.
pub(super) fn start<'a>(
    name: &str,
    program: &Path,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<Process, Error> {
    let log = |stream| {
        let path = home(format!("logs/{name}.{stream}"));
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(file("open", path))
    };
    let child = Command::new("setsid")
        .arg(program)
        .args(arguments)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", HOME)
        .env(MARKER.0, MARKER.1)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log("out")?)
        .stderr(log("err")?)
        .spawn()
        .map_err(file("start", program))?;
    let pid = i32::try_from(child.id()).expect("a pid is a positive i32");
    Process::now(name, pid).ok_or_else(|| file("start", program)(io::ErrorKind::NotFound.into()))
}

/// Ends `processes`: asks them, and kills those that still run after `grace`.
/// Returns those that run even then.
pub(super) fn end(processes: &[Process], grace: Duration) -> Vec<Process> {
    for process in processes {
        process.signal(Signal::TERM);
    }
    let left = wait(processes, grace);
    for process in &left {
        process.signal(Signal::KILL);
    }
    wait(&left, Duration::from_secs(5))
}

/// Every process that was started for the cluster by [`start`], and what it
/// started in turn without clearing the environment (the shims).
pub(super) fn marked() -> Vec<Process> {
    let marker = format!("{}={}", MARKER.0, MARKER.1);
    let is_marked = |pid: i32| {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| {
            all.split(|byte| *byte == 0)
                .any(|one| one == marker.as_bytes())
        })
    };
    let own = std::process::id();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| u32::try_from(*pid) != Ok(own) && is_marked(*pid))
        .filter_map(|pid| Process::now(command_name(pid), pid))
        .collect()
}

/// The name of the program that runs as `pid`.
pub(super) fn command_name(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

/// Waits until all have ended, at most `limit`; returns those that have not.
fn wait(processes: &[Process], limit: Duration) -> Vec<Process> {
    let pause = Duration::from_millis(50);
    let mut left: Vec<_> = processes.to_vec();
    for _ in 0..=limit.as_millis() / pause.as_millis() {
        left.retain(Process::is_running);
        if left.is_empty() {
            break;
        }
        sleep(pause);
    }
    left
}

/// What `/proc/<pid>/stat` tells.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// It only waits for its parent to ask how it ended.
    has_ended: bool,
    /// Ticks since the boot.
    started: u64,
}

/// The name in the second field may contain blanks and parentheses, so fields
/// are counted from the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<_> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        has_ended: matches!(*fields.first()?, "Z" | "X" | "x"),
        started: fields.get(19)?.parse().ok()?,
    })
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (std::process::Child, Process) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::now("sleep", i32::try_from(child.id()).unwrap()).unwrap();
        (child, process)
    }

    #[test]
    fn start_is_read_past_a_name_with_blanks_and_parentheses() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        let expected = Stat {
            has_ended: false,
            started: 4711,
        };
        assert_eq!(parse_stat(text), Some(expected));
    }

    #[test]
    fn zombie_counts_as_ended() {
        let text = "7 (a) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        assert!(parse_stat(text).unwrap().has_ended);
    }

    #[test]
    fn another_process_under_the_same_number_is_not_touched() {
        let (mut child, process) = sleeper();
        let earlier = Process {
            started: process.started - 1,
            ..process.clone()
        };
        let other_boot = Process {
            boot: "another".to_owned(),
            ..process.clone()
        };
        for stale in [earlier, other_boot] {
            assert!(!stale.is_running());
            stale.signal(Signal::KILL);
        }
        assert!(process.is_running());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn running_process_is_ended() {
        let (mut child, process) = sleeper();
        assert_eq!(
            end(std::slice::from_ref(&process), Duration::from_secs(5)),
            []
        );
        assert!(!child.wait().unwrap().success());
    }
}
