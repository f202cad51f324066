//! What to do next with the containers of a pod: the rules of the kubelet. Pure.

use std::time::Duration;

use tokio::time::Instant;

use super::record::{Record, Role, State};
use crate::node::backoff::BackoffConfig;

/// `restartPolicy` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    /// Whenever a container ends.
    #[default]
    Always,
    /// When one fails.
    OnFailure,
    /// Not at all.
    Never,
}

impl RestartPolicy {
    /// As a pod says it.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("OnFailure") => Self::OnFailure,
            Some("Never") => Self::Never,
            _ => Self::Always,
        }
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start this container.
    Start(usize),
    /// This one may start only later.
    Wait {
        /// Which.
        index: usize,
        /// When to look again.
        until: Instant,
        /// The whole wait.
        delay: Duration,
    },
    /// Stop this container.
    Stop(usize),
}

/// What to do now; nothing means: wait for something to happen. `ending`: no container shall run any more.
pub(crate) fn decide(
    records: &[Record],
    policy: RestartPolicy,
    ending: bool,
    config: BackoffConfig,
    now: Instant,
) -> Vec<Action> {
    if ending || is_over(records, policy) {
        return stop(records);
    }
    let mut actions = Vec::new();
    let mut try_start = |index: usize| actions.extend(start(records, index, config, now));
    for (index, record) in records.iter().enumerate() {
        match record.role {
            Role::Init if is_initialized(records) => {}
            Role::Init => match &record.state {
                State::Ended(ended) if ended.exit_code == 0 => {}
                _ => {
                    try_start(index);
                    break;
                }
            },
            Role::Sidecar => {
                try_start(index);
                let has_started = record.running().is_some_and(|it| it.started);
                if !has_started && !is_initialized(records) {
                    break;
                }
            }
            Role::Main if restarts(record, policy) => try_start(index),
            Role::Main => {}
        }
    }
    actions
}

/// Whether nothing shall run any more, by the exit codes.
pub(crate) fn is_over(records: &[Record], policy: RestartPolicy) -> bool {
    has_failed_init(records, policy)
        || mains(records).all(|record| record.latest_end().is_some() && !restarts(record, policy))
}

/// Whether an init container failed for good.
pub(crate) fn has_failed_init(records: &[Record], policy: RestartPolicy) -> bool {
    policy == RestartPolicy::Never
        && records.iter().any(|record| {
            let ended = matches!(&record.state, State::Ended(ended) if ended.exit_code != 0);
            record.role == Role::Init && ended
        })
}

/// Whether all init containers are done and all sidecars have started. Once a main container ran, it stays so.
pub(crate) fn is_initialized(records: &[Record]) -> bool {
    let has_run = |record: &Record| record.running().is_some() || record.latest_end().is_some();
    mains(records).any(has_run)
        || records.iter().all(|record| match record.role {
            Role::Init => matches!(&record.state, State::Ended(ended) if ended.exit_code == 0),
            Role::Sidecar => record.running().is_some_and(|it| it.started),
            Role::Main => true,
        })
}

/// Whether a container that ended, or never ran, is to run.
fn restarts(record: &Record, policy: RestartPolicy) -> bool {
    match (record.latest_end(), policy) {
        (Some(_), RestartPolicy::Never) => false,
        (Some(ended), RestartPolicy::OnFailure) => ended.exit_code != 0,
        (_, RestartPolicy::Always) | (None, _) => true,
    }
}

fn mains(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|it| it.role == Role::Main)
}

/// Starts a container that does not run, if its time has come.
fn start(records: &[Record], index: usize, config: BackoffConfig, now: Instant) -> Option<Action> {
    let record = &records[index];
    match &record.state {
        State::Running(_) => return None,
        State::Waiting(waiting) if waiting.until.is_some_and(|until| now < until) => return None,
        _ => {}
    }
    let wait = record
        .latest_end()
        .and_then(|ended| record.backoff.waits(config, ended.at, now));
    Some(match wait {
        None => Action::Start(index),
        Some((left, delay)) => Action::Wait {
            index,
            until: now + left,
            delay,
        },
    })
}

/// First what is no sidecar, all at once; then the sidecars, the last one first.
fn stop(records: &[Record]) -> Vec<Action> {
    let running = |record: &Record| record.running().is_some();
    let others: Vec<usize> = (0..records.len())
        .filter(|index| records[*index].role != Role::Sidecar && running(&records[*index]))
        .collect();
    let next = if others.is_empty() {
        (0..records.len()).rfind(|index| running(&records[*index]))
    } else {
        None
    };
    others
        .into_iter()
        .chain(next)
        .filter(|index| records[*index].running().is_some_and(|it| !it.stopping))
        .map(Action::Stop)
        .collect()
}

#[cfg(test)]
mod tests;
