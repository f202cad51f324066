//! The worker of a pod: keeps its processes and its status as they should be, from its first sight to its deletion.
//!
//! It decides nothing about containers by itself: see [`decide`](super::pod::decide).

mod prepare;
mod report;
mod start;

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use self::{prepare::Prepared, report::Report};
use super::{
    Inner,
    container::Stop,
    logs::Log,
    pod::{
        decide::{self, Action, RestartPolicy, decide},
        record::{Record, State, Waiting},
        status::{self, Facts},
    },
};
use crate::api::{DeleteOptions, EventKind, Preconditions, resource};

/// What a pod has to end that nobody gave any time, as the kubelet's least.
const LEAST_GRACE: Duration = Duration::from_secs(1);

/// `terminationGracePeriodSeconds` of a pod that says none.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// The latest of a pod.
#[derive(Clone, Debug)]
pub(super) struct Update {
    /// The pod.
    pub(super) pod: Arc<Pod>,
    /// The same, as it is stored.
    pub(super) object: Arc<Value>,
    /// It does not exist any more.
    pub(super) gone: bool,
}

/// The worker of a pod.
pub(super) struct Worker {
    node: Arc<Inner>,
    uid: String,
    updates: watch::Receiver<Update>,
    latest: Update,
    records: Vec<Record>,
    /// The runs that go on, by the indices of their records.
    runs: Vec<Option<Run>>,
    facts: Facts,
    prepared: Prepared,
    started: Instant,
    /// Nothing shall run after this.
    kill_at: Option<Instant>,
    node_ends: bool,
    /// It was said that these ports are elsewhere.
    said_moved: BTreeSet<u16>,
    deleted: bool,
    sender: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
}

/// A run of a container.
struct Run {
    /// Tells reports of this run from those of an earlier one.
    number: i32,
    stop: watch::Sender<Option<Stop>>,
    log: Log,
    /// Ports that were moved, and whether something listens there.
    moved: Arc<start::Moved>,
    started: Instant,
    /// Waits for its end, and probes; ends with the run.
    _tasks: JoinSet<()>,
}

impl Worker {
    pub(super) fn new(node: Arc<Inner>, uid: &str, updates: watch::Receiver<Update>) -> Self {
        let latest = updates.borrow().clone();
        let spec = latest.pod.spec.clone().unwrap_or_default();
        let records = Record::of(&spec);
        let gates = spec.readiness_gates.iter().flatten();
        let facts = Facts {
            policy: RestartPolicy::parse(spec.restart_policy.as_deref()),
            generation: latest.pod.metadata.generation,
            host_ip: node.host_ip(),
            pod_ip: None,
            start_time: node.api.now(),
            failure: None,
            gates: gates.map(|it| it.condition_type.clone()).collect(),
            done: false,
        };
        let (sender, reports) = mpsc::unbounded_channel();
        Self {
            node,
            uid: uid.to_owned(),
            updates,
            latest,
            runs: records.iter().map(|_| None).collect(),
            records,
            facts,
            prepared: Prepared::default(),
            started: Instant::now(),
            kill_at: None,
            node_ends: false,
            said_moved: BTreeSet::new(),
            deleted: false,
            sender,
            reports,
        }
    }

    /// Works until the pod is gone, or the node ends and nothing runs any more.
    pub(super) async fn run(mut self) {
        let mut shutdown = self.node.shutdown.subscribe();
        let mut programs = self.node.programs.subscribe();
        let mut moved = self.node.config.ports.changes();
        self.look();
        loop {
            if let Some(grace) = *shutdown.borrow_and_update() {
                self.node_ends = true;
                self.end(grace);
            }
            self.step().await;
            if self.facts.done && (self.latest.gone || shutdown.borrow().is_some()) {
                self.publish();
                break;
            }
            self.publish();
            self.delete();
            let wake = self.wakes_at();
            tokio::select! {
                Ok(()) = self.updates.changed() => self.look(),
                Some(report) = self.reports.recv() => self.note(report).await,
                Ok(()) = programs.changed() => self.look_for_images(),
                Ok(()) = moved.changed() => self.say_what_moved(),
                Ok(()) = shutdown.changed() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        self.clean_up();
    }

    fn spec(&self) -> PodSpec {
        self.latest.pod.spec.clone().unwrap_or_default()
    }

    fn name(&self) -> (&str, &str) {
        let meta = &self.latest.pod.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        (namespace, meta.name.as_deref().unwrap_or_default())
    }

    fn event(&self, kind: EventKind, reason: &str, message: &str) {
        let api = &self.node.api;
        api.event(&self.latest.object, "kubelet", kind, reason, message);
    }

    /// Takes notice of the pod as it is now.
    fn look(&mut self) {
        self.latest = self.updates.borrow_and_update().clone();
        let meta = &self.latest.pod.metadata;
        self.facts.generation = meta.generation;
        if self.latest.gone {
            self.end(LEAST_GRACE);
        } else if meta.deletion_timestamp.is_some() {
            let seconds = meta.deletion_grace_period_seconds;
            let seconds = seconds.and_then(|it| u64::try_from(it).ok());
            let grace = seconds.map_or(LEAST_GRACE, Duration::from_secs);
            self.end(grace.max(LEAST_GRACE));
        }
    }

    /// Has everything end, at most so long from now; an earlier order stays.
    fn end(&mut self, grace: Duration) {
        let by = Instant::now() + grace;
        let by = self.kill_at.map_or(by, |earlier| earlier.min(by));
        self.kill_at = Some(by);
        let node_ends = self.node_ends;
        for run in self.runs.iter().flatten() {
            run.stop.send_if_modified(|stop| match stop {
                Some(stop) if by < stop.by || node_ends != stop.node_ends => {
                    stop.by = by.min(stop.by);
                    stop.node_ends = node_ends;
                    true
                }
                _ => false,
            });
        }
    }

    /// An image may be known now.
    fn look_for_images(&mut self) {
        for record in &mut self.records {
            if let (State::Waiting(waiting), true) = (&mut record.state, record.lacks_image) {
                waiting.until = None;
            }
        }
    }

    /// Does what is to be done now.
    async fn step(&mut self) {
        self.check_deadline();
        let ending = self.kill_at.is_some();
        if !ending && !self.prepare() {
            return;
        }
        let config = self.node.config.backoff();
        loop {
            let ending = self.kill_at.is_some();
            let actions = decide(
                &self.records,
                self.facts.policy,
                ending,
                config,
                Instant::now(),
            );
            if actions.is_empty() {
                break;
            }
            for action in actions {
                match action {
                    Action::Start(index) => self.start(index).await,
                    Action::Stop(index) => {
                        let name = &self.records[index].spec.name;
                        let message = format!("Stopping container {name}");
                        self.stop(index, self.grace(), &message);
                    }
                    Action::Wait {
                        index,
                        until,
                        delay,
                    } => self.back_off(index, until, delay),
                }
            }
        }
        let runs = self.records.iter().any(|it| it.running().is_some());
        let over = ending || decide::is_over(&self.records, self.facts.policy);
        if over && !runs {
            self.facts.done = true;
            self.prepared.release_address();
        }
    }

    fn check_deadline(&mut self) {
        let over = self.deadline().is_some_and(|at| at <= Instant::now());
        if over && self.facts.failure.is_none() && !self.facts.done {
            let message = "Pod was active on the node longer than the specified deadline";
            self.event(EventKind::Normal, "DeadlineExceeded", message);
            self.facts.failure = Some(("DeadlineExceeded", message.to_owned()));
            self.end(self.grace());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let spec = self.latest.pod.spec.as_ref()?;
        let seconds = u64::try_from(spec.active_deadline_seconds?).ok()?;
        Some(self.started + Duration::from_secs(seconds))
    }

    /// What a container has to end.
    fn grace(&self) -> Duration {
        let spec = self.latest.pod.spec.as_ref();
        let seconds = spec.and_then(|it| it.termination_grace_period_seconds);
        let seconds = seconds.and_then(|it| u64::try_from(it).ok());
        seconds
            .map_or(DEFAULT_GRACE, Duration::from_secs)
            .max(LEAST_GRACE)
    }

    fn stop(&mut self, index: usize, grace: Duration, message: &str) {
        self.event(EventKind::Normal, "Killing", message);
        if let Some(running) = self.records[index].running_mut() {
            running.stopping = true;
        }
        if let Some(run) = &self.runs[index] {
            let by = self.kill_at.unwrap_or_else(|| Instant::now() + grace);
            let node_ends = self.node_ends;
            run.stop.send_replace(Some(Stop { by, node_ends }));
        }
    }

    fn back_off(&mut self, index: usize, until: Instant, delay: Duration) {
        let (namespace, pod) = self.name();
        let container = &self.records[index].spec.name;
        let whose = format!("pod {pod}_{namespace}({})", self.uid);
        let event = format!("Back-off restarting failed container {container} in {whose}");
        let whose = whose.replacen(' ', "=", 1);
        let delay = in_words(delay);
        let message = format!("back-off {delay} restarting failed container={container} {whose}");
        self.event(EventKind::Warning, "BackOff", &event);
        self.keep_as_previous(index);
        self.records[index].wait(Waiting {
            reason: Some("CrashLoopBackOff"),
            message: Some(message),
            until: Some(until),
        });
    }

    /// The log of a run that ended becomes the previous one.
    fn keep_as_previous(&self, index: usize) {
        let mut logs = self.node.logs();
        let pod = logs.entry(self.uid.clone()).or_default();
        let container = pod
            .entry(self.records[index].spec.name.clone())
            .or_default();
        if matches!(self.records[index].state, State::Ended(_)) {
            container.previous = container.latest.clone();
        }
    }

    /// Writes the status, if the pod is still the same one.
    fn publish(&self) {
        if self.latest.gone {
            return;
        }
        let (namespace, name) = self.name();
        let now = self.node.api.now();
        let write = |pod: &mut Value| {
            if pod["metadata"]["uid"] == self.uid.as_str() {
                status::write(&mut pod["status"], &self.records, &self.facts, now);
            }
        };
        let api = &self.node.api;
        let written = api.update_status(&resource::POD, namespace, name, "kubelet", write);
        if let Err(failure) = written
            && failure.code != 404
        {
            tracing::warn!(pod = name, failure.message, "a status was not written");
        }
    }

    /// Lets the object of a pod go that was told to end and has.
    fn delete(&mut self) {
        let is_asked = self.latest.pod.metadata.deletion_timestamp.is_some();
        if !is_asked || !self.facts.done || self.deleted {
            return;
        }
        let options = DeleteOptions {
            preconditions: Preconditions {
                uid: Some(self.uid.clone()),
                resource_version: None,
            },
            grace_period_seconds: Some(0),
            propagation: None,
        };
        let (namespace, name) = self.name();
        let result = self
            .node
            .api
            .delete(&resource::POD, namespace, name, &options);
        if let Err(failure) = &result {
            tracing::debug!(pod = name, failure.message, "a pod was not deleted");
        }
        self.deleted = is_settled(result.err().map(|it| it.code));
    }

    /// When to look again although nothing happened.
    fn wakes_at(&self) -> Option<Instant> {
        if self.facts.done {
            let is_asked = self.latest.pod.metadata.deletion_timestamp.is_some();
            return (is_asked && !self.deleted).then(|| Instant::now() + prepare::RETRY);
        }
        let waits = self
            .records
            .iter()
            .filter_map(|record| match &record.state {
                State::Waiting(waiting) => waiting.until,
                _ => None,
            });
        let deadline = self.deadline().filter(|_| self.facts.failure.is_none());
        waits.chain(self.prepared.retry()).chain(deadline).min()
    }

    fn clean_up(&self) {
        self.node.logs().remove(&self.uid);
        self.node.config.ports.release(&self.uid);
        if let Some(folder) = prepare::folder(&self.node, &self.uid) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Whether a deletion needs not be tried again after this failure or none: the object is gone, or another one.
fn is_settled(code: Option<u16>) -> bool {
    matches!(code, None | Some(404 | 409))
}

/// `10s`, `1m20s`, `5m0s`: as Go writes durations.
fn in_words(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    match minutes {
        0 if time.subsec_millis() > 0 => format!("{}ms", time.as_millis()),
        0 => format!("{seconds}s"),
        _ => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_is_tried_again_unless_the_object_is_gone_or_another_one() {
        assert!([None, Some(404), Some(409)].into_iter().all(is_settled));
        assert!(!is_settled(Some(500)) && !is_settled(Some(429)));
    }

    #[test]
    fn durations_are_written_as_go_does() {
        let table = [(10, "10s"), (80, "1m20s"), (300, "5m0s")];
        for (seconds, expected) in table {
            assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(in_words(Duration::from_millis(50)), "50ms");
    }
}
