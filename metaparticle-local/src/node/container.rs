//! One run of a container: its process, its log, its probes, and its orderly end.

use std::{io, process::ExitStatus, sync::Arc, time::Duration};

use futures::{
    FutureExt as _,
    future::{self, BoxFuture, OptionFuture},
};
use k8s_openapi::api::core::v1::{Container, LifecycleHandler};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe::Receiver,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    home::Home,
    logs::{Log, Splitter},
    probe::{Check, Inside, http_get},
    process::Process,
};
use crate::api::Api;

/// What a container has left after its preStop hook, however long that took.
const LEAST_GRACE: Duration = Duration::from_secs(2);

/// How long the last output is waited for, when no process is left that could write any.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The order to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// When it is killed.
    pub(crate) by: Instant,
    /// The node ends as well: the time left is for what comes after SIGTERM, not for a hook.
    pub(crate) node_ends: bool,
}

/// Writes what a container prints.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    pub(crate) api: Api,
    pub(crate) log: Log,
    pub(crate) home: Arc<Home>,
}

/// Waits for the end of a process, and brings it about when told to: the hook, SIGTERM, SIGKILL. Its output is complete
/// when this returns.
pub(super) async fn run(
    mut process: Process,
    recorder: Recorder,
    mut stop: watch::Receiver<Option<Stop>>,
    hook: Option<Hook>,
    inside: Arc<Inside>,
) -> ExitStatus {
    let outputs = [process.stdout.take(), process.stderr.take()];
    let outputs = outputs
        .into_iter()
        .flatten()
        .map(|output| recorder.record(output));
    let outputs = tokio::spawn(future::join_all(outputs.collect::<Vec<_>>()));
    let (exit, mut handle) = (&mut process.exit, process.handle);
    let end = exit.wait();
    tokio::pin!(end);
    let mut hooked: Option<BoxFuture<'_, bool>> = None;
    let mut kill_at = None;
    let status = loop {
        tokio::select! {
            status = &mut end => break status,
            Ok(()) = stop.changed() => {
                let Some(Stop { by, node_ends }) = *stop.borrow_and_update() else { continue };
                if kill_at.is_none() {
                    hooked = Some(run_hook(hook.as_ref(), &inside).boxed());
                }
                if node_ends {
                    let patience = patience(hook.as_ref(), by.saturating_duration_since(Instant::now()));
                    hooked = hooked.map(|it| timeout(patience, it).map(|_| false).boxed());
                }
                kill_at = Some(kill_at.map_or(by, |at: Instant| at.min(by)));
            }
            Some(took_time) = OptionFuture::from(hooked.as_mut()) => {
                hooked = None;
                handle.signal(15).await;
                if took_time {
                    kill_at = kill_at.max(Some(Instant::now() + LEAST_GRACE));
                }
            }
            () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                handle.kill().await;
                kill_at = Some(Instant::now() + LAST_OUTPUT);
            }
        }
    };
    let _ = timeout(LAST_OUTPUT, outputs).await;
    recorder.log.finish();
    status
}

impl Recorder {
    /// Records one output to its end.
    fn record(&self, mut output: Receiver) -> impl Future<Output = ()> + Send + 'static {
        let recorder = self.clone();
        async move {
            let mut splitter = Splitter::default();
            let mut buffer = vec![0; 16 * 1024];
            while let Ok(got @ 1..) = output.read(&mut buffer).await {
                let records = splitter.push(&buffer[..got], recorder.api.now());
                recorder.append(&records);
            }
            recorder.append(&splitter.finish(recorder.api.now()));
        }
    }

    fn append(&self, records: &[u8]) {
        if let Err(error) = self.log.append(records, self.home.path()) {
            tracing::warn!(%error, "output of a container is lost");
        }
    }
}

/// What is done before a container is told to end.
#[derive(Clone, Debug)]
pub(crate) enum Hook {
    /// Wait.
    Sleep(Duration),
    /// A request or a command.
    Check(Check),
}

impl Hook {
    /// The preStop hook of a container.
    pub(crate) fn of(container: &Container) -> Option<Self> {
        let hook = container.lifecycle.as_ref()?.pre_stop.as_ref()?;
        let LifecycleHandler {
            exec,
            http_get: get,
            sleep,
            ..
        } = hook;
        if let Some(sleep) = sleep {
            let seconds = sleep.seconds.try_into().unwrap_or_default();
            return Some(Self::Sleep(Duration::from_secs(seconds)));
        }
        if let Some(exec) = exec {
            let command = exec.command.clone().unwrap_or_default();
            return Some(Self::Check(Check::Exec(command)));
        }
        let get = http_get(get.as_ref()?, container)?;
        Some(Self::Check(Check::Http(get)))
    }
}

/// What a hook has when the node ends within `left`: nobody is sent to the container any more, so it needs not wait for
/// that.
fn patience(hook: Option<&Hook>, left: Duration) -> Duration {
    match hook {
        None | Some(Hook::Sleep(_)) => Duration::ZERO,
        Some(Hook::Check(_)) => left / 2,
    }
}

/// Whether there was a hook.
async fn run_hook(hook: Option<&Hook>, inside: &Inside) -> bool {
    match hook {
        None => return false,
        Some(Hook::Sleep(time)) => sleep(*time).await,
        Some(Hook::Check(check)) => {
            if let Err(why) = check.run(inside).await {
                tracing::warn!(why, "a preStop hook failed");
            }
        }
    }
    true
}

/// The exit code as a shell says it: 128 and the signal for a program that a signal ended.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = || 128 + status.signal().unwrap_or_default();
    status.code().unwrap_or_else(signal)
}

/// What a runtime says of a process that it could not start.
pub(crate) fn start_error(word: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("exec: \"{word}\": no such file or directory"),
        io::ErrorKind::PermissionDenied => format!("exec: \"{word}\": permission denied"),
        _ => format!("exec: \"{word}\": {error}"),
    }
}
