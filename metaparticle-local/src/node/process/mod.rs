//! Processes of pods: started, watched, ended, and never left behind.
//!
//! Every container is run by a *shim*, a forked process that is its parent, and all shims by one *guard*, a forked process
//! that is theirs (`shim`, `guard`: they execute nothing else, so that a library can have them). The three ends:
//!
//! - The program ends: its shim ends all descendants that are left, also those in sessions of their own, and reports.
//! - The [`Process`] is dropped, or asked to be killed: its shim ends the program and all its descendants.
//! - This process ends, even by SIGKILL: guard and shims see the end of their sockets, and do the same.
//!
//! A signal is only ever sent to a child that was not waited for, so it cannot hit a process that was not started here.
//!
//! # Caveats
//! What asks another process to start something (a container engine, `systemd-run`) has no descendant here. A pod that
//! kills guard and shims, which run as the same user, keeps what left its session. Without Linux, descendants in a session
//! of their own are not found.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of C structures and numbers of the kernel, which fit the types that it gives them"
)]

#[cfg(target_os = "linux")]
mod filter;
mod guard;
#[cfg(target_os = "linux")]
mod listener;
#[cfg(target_os = "linux")]
mod listening;
mod plan;
mod raw;
#[cfg(target_os = "linux")]
mod rewrite;
mod shim;

use std::{
    io::{self, Read as _, Write as _},
    net::Ipv4Addr,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::{net::UnixStream as StdStream, process::ExitStatusExt as _},
    },
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf, pipe::Receiver},
    },
    task::spawn_blocking,
};

pub(crate) use self::plan::Plan;
use self::{guard::Guard, shim::says};
use super::ports::Ports;

/// The longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts processes. Dropping it ends all of them.
#[derive(Debug)]
pub(crate) struct Spawner {
    /// None: it has ended.
    guard: Mutex<Option<Guard>>,
}

/// Where wildcard `bind`s of a pod go.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// The pod's address.
    pub(crate) ip: Ipv4Addr,
    pub(crate) uid: String,
    /// Takes notice of ports that are not free there.
    pub(crate) ports: Ports,
}

/// A process that runs. Dropping it ends it and its descendants.
#[derive(Debug)]
pub(crate) struct Process {
    pid: i32,
    /// Its end.
    pub(crate) exit: Exit,
    /// For signals.
    pub(crate) handle: Handle,
    /// Standard output.
    pub(crate) stdout: Option<Receiver>,
    /// Standard error.
    pub(crate) stderr: Option<Receiver>,
}

/// Tells how a process ended.
#[derive(Debug)]
pub(crate) struct Exit(OwnedReadHalf);

/// Sends signals to a process, and keeps it running.
#[derive(Debug)]
pub(crate) struct Handle(OwnedWriteHalf);

impl Spawner {
    /// Forks the guard; costs least while this process is small.
    pub(crate) fn new() -> io::Result<Self> {
        let guard = Mutex::new(Some(Guard::fork()?));
        Ok(Self { guard })
    }

    /// Starts a process; with an address, its wildcard `bind`s and those of its children go there.
    ///
    /// # Cancel safety
    /// Cancel safe: what was started ends.
    pub(crate) async fn start(
        self: &Arc<Self>,
        plan: Plan,
        own: Option<Own>,
    ) -> io::Result<Process> {
        let spawner = self.clone();
        let started = spawn_blocking(move || spawner.spawn(&plan, own.as_ref())).await;
        started.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Whether wildcard `bind`s of pods can be given an own address here.
    pub(crate) async fn can_rewrite(self: &Arc<Self>) -> bool {
        let spawner = self.clone();
        let try_it = move || {
            let probe = Plan {
                folder: "/".into(),
                ..Plan::default()
            };
            let own = Own {
                ip: Ipv4Addr::LOCALHOST,
                uid: String::new(),
                ports: Ports::default(),
            };
            spawner.spawn_as(&probe, plan::TRY_FILTER, Some(&own))
        };
        match spawn_blocking(try_it).await {
            Ok(Ok(mut process)) => process.exit.wait().await.success(),
            _ => false,
        }
    }

    /// As [`Spawner::start`]; blocks for about a millisecond. To be called in a Tokio runtime.
    fn spawn(&self, plan: &Plan, own: Option<&Own>) -> io::Result<Process> {
        let mode = if own.is_some() {
            plan::RUN_FILTERED
        } else {
            plan::RUN
        };
        self.spawn_as(plan, mode, own)
    }

    /// Tries it twice, as the guard may have been killed.
    fn spawn_as(&self, plan: &Plan, mode: usize, own: Option<&Own>) -> io::Result<Process> {
        let block = plan.encode(mode)?;
        for _ in 0..2 {
            let guard = self.guard_pid()?;
            match self.try_spawn(&block, own) {
                Err(error) if is_end(&error) && self.replace_ended_guard(guard)? => {}
                result => return result,
            }
        }
        Err(io::Error::other(
            "the guard process was ended; a sandbox may forbid what it calls: fork, pselect, prctl",
        ))
    }

    fn try_spawn(&self, block: &[u8], own: Option<&Own>) -> io::Result<Process> {
        let (mut control, theirs) = StdStream::pair()?;
        let (stdout, out) = io::pipe()?;
        let (stderr, err) = io::pipe()?;
        self.start_shim([theirs.as_raw_fd(), out.as_raw_fd(), err.as_raw_fd()])?;
        drop((theirs, out, err));
        control.set_read_timeout(Some(PATIENCE))?;
        control.set_write_timeout(Some(PATIENCE))?;
        control.write_all(block)?;
        let pid = started(&control, own)?;
        control.set_nonblocking(true)?;
        let (reports, signals) = UnixStream::from_std(control)?.into_split();
        Ok(Process {
            pid,
            exit: Exit(reports),
            handle: Handle(signals),
            stdout: Some(Receiver::from_owned_fd(stdout.into())?),
            stderr: Some(Receiver::from_owned_fd(stderr.into())?),
        })
    }

    /// Whether this guard had ended; then there is another one now.
    fn replace_ended_guard(&self, pid: i32) -> io::Result<bool> {
        let mut slot = self.lock();
        let Some(guard) = &*slot else {
            return Err(ended());
        };
        // If it is another one, somebody else has replaced it.
        let has_ended = guard.pid() != pid || guard.has_ended();
        if has_ended && guard.pid() == pid {
            *slot = Some(Guard::fork()?);
        }
        Ok(has_ended)
    }

    fn guard_pid(&self) -> io::Result<i32> {
        self.lock().as_ref().map(Guard::pid).ok_or_else(ended)
    }

    /// Ends all processes, before it returns; none can be started any more.
    pub(crate) fn end(&self) {
        self.lock().take();
    }

    fn start_shim(&self, descriptors: [RawFd; raw::MOST]) -> io::Result<()> {
        let slot = self.lock();
        slot.as_ref().ok_or_else(ended)?.start_shim(descriptors)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Guard>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Its number.
    pub(crate) fn id(&self) -> i32 {
        self.pid
    }
}

impl Exit {
    /// Waits until it and all its descendants ended.
    ///
    /// # Cancel safety
    /// Not cancel safe: a report that was half read is lost. Select on a reference to one future.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let mut report = [0; shim::MESSAGE];
        match self.0.read_exact(&mut report).await {
            Ok(_) if report[0] == says::ENDED => ExitStatus::from_raw(number(report)),
            // The shim was killed, and the program with it.
            _ => ExitStatus::from_raw(libc::SIGKILL),
        }
    }
}

impl Handle {
    /// Sends the program a signal. One that ended already gets none.
    pub(crate) async fn signal(&mut self, signal: u8) {
        let _ = self.0.write_all(&[signal]).await;
    }

    /// Ends it and all its descendants at once.
    pub(crate) async fn kill(&mut self) {
        self.signal(shim::KILL).await;
    }
}

/// Takes the shim's first messages: the number of the program, or why it was not started.
fn started(control: &StdStream, own: Option<&Own>) -> io::Result<i32> {
    loop {
        let mut message = [0; shim::MESSAGE];
        let mut descriptors = [-1; raw::MOST];
        let got = raw::receive(control.as_raw_fd(), &mut message, &mut descriptors);
        let mut listener = None;
        for descriptor in descriptors.into_iter().filter(|it| *it >= 0) {
            #[expect(
                unsafe_code,
                reason = "the kernel has just made it for us; proven by the tests below"
            )]
            // SAFETY: nobody else knows this descriptor.
            let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
            listener = Some(descriptor);
        }
        let Ok(got @ 1..) = usize::try_from(got) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let mut reader = control;
        reader.read_exact(&mut message[got..])?;
        match (message[0], listener, own) {
            #[cfg(target_os = "linux")]
            (says::LISTENER, Some(listener), Some(own)) => listener::spawn(listener, own.clone())?,
            (says::STARTED, ..) => return Ok(number(message)),
            _ => return Err(io::Error::from_raw_os_error(number(message))),
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the node has ended")
}

/// Whether the other side of a socket is gone.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn number([_, rest @ ..]: [u8; shim::MESSAGE]) -> i32 {
    i32::from_ne_bytes(rest)
}

#[cfg(test)]
mod tests;
