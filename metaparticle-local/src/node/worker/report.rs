//! What runs of containers report, and what that means.

use std::{process::ExitStatus, time::Duration};

use futures::StreamExt as _;
use tokio::time::Instant;

use super::{Worker, start::PATIENCE};
use crate::{
    api::EventKind,
    node::{
        container,
        logs::{self, Log, Selection},
        pod::record::{Ended, State},
        ports,
        probe::{Finding, Purpose},
    },
};

/// How much of a log becomes the message of a container that failed.
const MESSAGE_LINES: u64 = 80;
const MESSAGE_BYTES: usize = 2048;

/// From a run of a container.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) index: usize,
    pub(super) number: i32,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    /// Its process and all descendants ended.
    Ended(ExitStatus),
    /// A probe found something.
    Found(Finding),
    /// Nothing listens where this port was moved to.
    Silent(u16),
}

impl Worker {
    /// Takes notice of a report; one of an earlier run is too late.
    pub(super) async fn note(
        &mut self,
        Report {
            index,
            number,
            what,
        }: Report,
    ) {
        if self.runs[index]
            .as_ref()
            .is_none_or(|run| run.number != number)
        {
            return;
        }
        match what {
            What::Ended(status) => self.note_end(index, status).await,
            What::Found(finding) => self.note_finding(index, finding),
            What::Silent(port) => self.refuse(port),
        }
    }

    async fn note_end(&mut self, index: usize, status: ExitStatus) {
        let Some(run) = self.runs[index].take() else {
            return;
        };
        let exit_code = container::exit_code(status);
        let spec = &self.records[index].spec;
        let mut message = None;
        if exit_code != 0 {
            let policy = spec.termination_message_policy.as_deref();
            if policy == Some("FallbackToLogsOnError") {
                message = last_words(&run.log).await;
            }
            let soon = run.started.elapsed() < PATIENCE;
            let ports = &self.node.config.ports;
            let lost = || run.moved.lost(&self.uid, ports).filter(|_| soon);
            if let Some(port) = run.moved.ignored().or_else(lost) {
                self.refuse(port);
                message = Some(ports::refusal(port));
            }
        }
        let now = self.node.api.now();
        let record = &mut self.records[index];
        let Some(running) = record.running() else {
            return;
        };
        record.state = State::Ended(Ended {
            id: running.id.clone(),
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" },
            message,
            since: running.since,
            finished: now,
            at: Instant::now(),
        });
    }

    fn note_finding(&mut self, index: usize, finding: Finding) {
        let name = self.records[index].spec.name.clone();
        let Some(running) = self.records[index].running_mut() else {
            return;
        };
        match finding {
            Finding::Started => running.started = true,
            Finding::Ready(ready) => running.ready = ready,
            _ if running.stopping => {}
            Finding::Unhealthy(purpose, why) => {
                let mut message = format!("{} probe failed: {why}", purpose.name());
                let run = self.runs[index].as_ref();
                let late = run.filter(|run| run.started.elapsed() > PATIENCE);
                if let Some(port) = late.and_then(|run| run.moved.ignored()) {
                    message = format!("{message}: {}", ports::refusal(port));
                }
                self.event(EventKind::Warning, "Unhealthy", &message);
            }
            Finding::Dead(purpose) => {
                let probe = purpose.name().to_lowercase();
                let message = format!("Container {name} failed {probe} probe, will be restarted");
                let grace = self
                    .probe_grace(index, purpose)
                    .unwrap_or_else(|| self.grace());
                self.stop(index, grace, &message);
            }
        }
    }

    /// `terminationGracePeriodSeconds` of the probe that failed.
    fn probe_grace(&self, index: usize, purpose: Purpose) -> Option<Duration> {
        let container = &self.records[index].spec;
        let probe = match purpose {
            Purpose::Startup => container.startup_probe.as_ref(),
            Purpose::Liveness => container.liveness_probe.as_ref(),
            Purpose::Readiness => None,
        };
        let seconds = probe?.termination_grace_period_seconds?;
        Some(Duration::from_secs(seconds.try_into().ok()?))
    }

    /// Says which ports another program has on all addresses.
    pub(super) fn say_what_moved(&mut self) {
        if self.node.subnet.is_none() {
            return; // it was told
        }
        for (port, actual) in self.node.config.ports.of(&self.uid) {
            if self.said_moved.insert(port) {
                let what = ports::moved(port, actual);
                self.event(EventKind::Warning, "PortMoved", &what);
                self.node.say_once(&what);
            }
        }
    }

    fn refuse(&self, port: u16) {
        let why = ports::refusal(port);
        self.event(EventKind::Warning, "PortTaken", &why);
        self.node.say_once(&why);
    }
}

/// The end of a log, as the message of a container that failed.
async fn last_words(log: &Log) -> Option<String> {
    let selection = Selection {
        tail: Some(MESSAGE_LINES),
        ..Selection::default()
    };
    let chunks: Vec<_> = logs::stream(log.clone(), selection).collect().await;
    let text = chunks.concat();
    let from = text.len().saturating_sub(MESSAGE_BYTES);
    let text = String::from_utf8_lossy(&text[from..]).into_owned();
    (!text.is_empty()).then_some(text)
}
