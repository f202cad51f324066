//! [`wait`]: watches workloads until each is rolled out, or one has failed.

use std::{
    collections::{BTreeMap, HashMap},
    mem::{Discriminant, discriminant},
    time::Duration,
};

use futures::{StreamExt as _, future::try_join_all};
use k8s_openapi::api::core::v1::Event as ClusterEvent;
use kube::{Api, Client, Error, api::ListParams};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{
    cause::{Cause, Diagnosis},
    changes::{Change, Kind, Source, put},
    evidence,
    failure::Failure,
    judge::{Progress, State, Suspicion, Verdict, judge, overdue},
    pods::{FAILED, READY},
    seen::{Seen, Workload},
};
use crate::deploy::{
    apply::Applied,
    mirror::{Update, Updates},
    report::{Event, Report},
};

/// How a rollout ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Ready pods of every Deployment and StatefulSet together.
    pub ready: i32,
    /// Completions of all Jobs together.
    pub completed: i32,
}

/// Follows each Deployment, StatefulSet and Job of `applied` until it is rolled out (a Job: complete), and tells `report`
/// how far each workload and pod is. Other kinds are ready as soon as they are applied.
///
/// `deadline` is how long a rollout may take; a Job whose programs run is given all the time they need.
///
/// # Errors
/// [`Failure::Diagnosed`] as soon as one workload will not complete by itself, or at the deadline;
/// [`Failure::Api`] if the API server refuses to be asked.
///
/// # Cancel safety
/// Reads only; dropping the future ends all its requests.
pub async fn wait(
    client: &Client,
    applied: &[Applied],
    report: &Report,
    deadline: Duration,
) -> Result<Outcome, Failure> {
    let rollouts = applied.iter().filter_map(|applied| {
        let kind = Kind::of(&applied.api.kind)?;
        let source = Source {
            client,
            applied,
            kind,
        };
        Some(Rollout::new(source, report, deadline).run())
    });
    let outcomes = try_join_all(rollouts).await?;
    Ok(outcomes
        .into_iter()
        .fold(Outcome::default(), |sum, outcome| Outcome {
            ready: sum.ready + outcome.ready,
            completed: sum.completed + outcome.completed,
        }))
}

/// One workload that is rolled out.
struct Rollout<'a> {
    source: Source<'a>,
    subject: String,
    report: &'a Report,
    patience: Duration,
    deadline: Instant,
    /// Since when each suspicion lasts, by pod and kind of cause.
    suspected: HashMap<(Option<String>, Discriminant<Cause>), Instant>,
    /// Pods that were told of, and whether their last word was told.
    told: BTreeMap<String, bool>,
    /// What the API server was last unable to do; cleared when it answers again.
    trouble: Option<Error>,
}

impl<'a> Rollout<'a> {
    fn new(source: Source<'a>, report: &'a Report, patience: Duration) -> Self {
        let applied = source.applied;
        Self {
            source,
            subject: format!("{}/{}", applied.api.kind, applied.name),
            report,
            patience,
            deadline: Instant::now() + patience,
            suspected: HashMap::new(),
            told: BTreeMap::new(),
            trouble: None,
        }
    }

    async fn run(mut self) -> Result<Outcome, Failure> {
        let mut workloads = self.source.workloads();
        let mut seen = self.first(&mut workloads).await?;
        let mut changes = self.source.changes(workloads, &seen);
        let mut known = Known {
            replica_sets: self.source.kind != Kind::Deployment,
            pods: false,
        };
        loop {
            let mut wake = self.deadline;
            if known.replica_sets && known.pods {
                let Verdict { progress, state } = judge(&seen);
                self.tell(&progress, &state);
                match state {
                    State::Done => return Ok(self.outcome(&progress)),
                    State::Failed(diagnosis) => return Err(self.diagnosed(*diagnosis).await),
                    State::Pending(suspicions) => match self.weigh(suspicions, &mut seen).await {
                        Ok(next) => wake = next,
                        Err(diagnosis) => return Err(self.diagnosed(diagnosis).await),
                    },
                }
            }
            if Instant::now() >= self.deadline {
                return Err(self.too_late(&seen).await);
            }
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(change)) => self.take(change, &mut seen, &mut known)?,
                    Some(Err(source)) => return Err(self.blind(source)),
                    None => return Err(self.too_late(&seen).await),
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Waits for the first sight of the workload.
    async fn first(&mut self, workloads: &mut Updates<Workload>) -> Result<Seen, Failure> {
        loop {
            match timeout_at(self.deadline, workloads.next()).await {
                Ok(Some(Ok(Update::Reset(mut found)))) => {
                    let workload = found.pop().filter(|workload| self.is_ours(workload));
                    return workload.map(Seen::new).ok_or_else(|| self.deleted());
                }
                Ok(Some(Ok(Update::Trouble(error)))) => self.trouble = Some(error),
                Ok(Some(Ok(Update::Set(_) | Update::Gone(_)))) => {}
                Ok(Some(Err(source))) => return Err(self.blind(source)),
                Ok(None) | Err(_) => {
                    return Err(match self.trouble.take() {
                        Some(source) => self.blind(source),
                        None => self.failure(Cause::TooSlow {
                            waiting_for: "the API server did not answer".into(),
                        }),
                    });
                }
            }
        }
    }

    /// Takes a change into what is seen.
    fn take(&mut self, change: Change, seen: &mut Seen, known: &mut Known) -> Result<(), Failure> {
        let trouble = match change {
            Change::Workload(Update::Set(workload)) if self.is_ours(&workload) => {
                seen.workload = workload;
                None
            }
            Change::Workload(Update::Reset(mut found)) => {
                let workload = found.pop().filter(|workload| self.is_ours(workload));
                seen.workload = workload.ok_or_else(|| self.deleted())?;
                None
            }
            Change::Workload(Update::Gone(_) | Update::Set(_)) => return Err(self.deleted()),
            Change::Workload(Update::Trouble(error)) => Some(error),
            Change::ReplicaSets(update) => {
                known.replica_sets |= matches!(update, Update::Reset(_));
                put(&mut seen.replica_sets, update)
            }
            Change::Pods(update) => {
                known.pods |= matches!(update, Update::Reset(_));
                put(&mut seen.pods, update)
            }
            Change::Events(update) => put(&mut seen.events, update),
        };
        self.trouble = trouble;
        Ok(())
    }

    /// Keeps the time of suspicions: says when to look again, or which has lasted too long.
    async fn weigh(
        &mut self,
        suspicions: Vec<Suspicion>,
        seen: &mut Seen,
    ) -> Result<Instant, Diagnosis> {
        let now = Instant::now();
        let mut wake = self.deadline;
        let mut suspected = HashMap::new();
        for Suspicion {
            diagnosis,
            patience,
        } in suspicions
        {
            let key = (diagnosis.pod.clone(), discriminant(&diagnosis.cause));
            let since = self.suspected.get(&key).copied().unwrap_or(now);
            suspected.insert(key, since);
            match since.checked_add(patience) {
                Some(due) if due > now => wake = wake.min(due),
                Some(_) if !self.is_cleared(seen, &diagnosis).await => return Err(diagnosis),
                _ => {}
            }
        }
        self.suspected = suspected;
        Ok(wake)
    }

    /// Whether an unschedulable pod is waited for after all: autoscalers say so in events that are no warnings.
    async fn is_cleared(&self, seen: &mut Seen, diagnosis: &Diagnosis) -> bool {
        if !matches!(diagnosis.cause, Cause::Unschedulable { .. }) {
            return false;
        }
        let pod = diagnosis.pod.as_deref().unwrap_or_default();
        let filter = ListParams::default().fields(&format!("involvedObject.name={pod}"));
        let events: Api<ClusterEvent> =
            Api::namespaced(self.source.client.clone(), &self.source.applied.namespace);
        if let Ok(Ok(list)) = timeout(EVENTS_PATIENCE, events.list(&filter)).await {
            for event in list {
                put(&mut seen.events, Update::Set(event));
            }
        }
        match judge(seen).state {
            State::Pending(suspicions) => suspicions
                .iter()
                .all(|suspicion| suspicion.diagnosis != *diagnosis),
            _ => false,
        }
    }

    fn tell(&mut self, progress: &Progress, state: &State) {
        if progress.at_work {
            self.deadline = Instant::now() + self.patience;
        }
        for (pod, phase) in &progress.pods {
            let subject = format!("Pod/{pod}");
            let failed = phase.starts_with(FAILED);
            let last_word = failed || matches!(phase.as_str(), READY | "Succeeded");
            self.report.event(if failed {
                Event::failed(subject, phase)
            } else if last_word {
                Event::done(subject, phase.to_lowercase())
            } else {
                Event::running(subject, phase)
            });
            self.told.insert(pod.clone(), last_word);
        }
        self.told.retain(|pod, last_word| {
            let gone = progress.pods.iter().all(|(name, _)| name != pod);
            if gone && !*last_word {
                self.report.event(Event::done(format!("Pod/{pod}"), "gone"));
            }
            !gone
        });
        let word = if self.source.kind == Kind::Job {
            "completed"
        } else {
            "ready"
        };
        let count = format!("{}/{} {word}", progress.ready, progress.wanted);
        let subject = self.subject.clone();
        self.report.event(match (state, &progress.waiting_for) {
            (State::Done, _) => Event::done(subject, count),
            (State::Failed(_), _) => Event::failed(subject, count),
            (State::Pending(_), Some(waiting_for)) if progress.ready >= progress.wanted => {
                Event::running(subject, format!("{count}, {waiting_for}"))
            }
            (State::Pending(_), _) => Event::running(subject, count),
        });
    }

    fn outcome(&self, progress: &Progress) -> Outcome {
        match self.source.kind {
            Kind::Job => Outcome {
                ready: 0,
                completed: progress.ready,
            },
            Kind::Deployment | Kind::StatefulSet => Outcome {
                ready: progress.ready,
                completed: 0,
            },
        }
    }

    async fn too_late(&mut self, seen: &Seen) -> Failure {
        match self.trouble.take() {
            Some(source) => self.blind(source),
            None => self.diagnosed(overdue(seen)).await,
        }
    }

    async fn diagnosed(&self, mut diagnosis: Diagnosis) -> Failure {
        evidence::gather(
            self.source.client,
            &self.source.applied.namespace,
            &mut diagnosis,
        )
        .await;
        Failure::Diagnosed(Box::new(diagnosis))
    }

    fn deleted(&self) -> Failure {
        self.failure(Cause::Deleted)
    }

    fn failure(&self, cause: Cause) -> Failure {
        Failure::Diagnosed(Box::new(Diagnosis {
            workload: self.subject.clone(),
            pod: None,
            index: None,
            container: None,
            cause,
        }))
    }

    fn blind(&self, source: Error) -> Failure {
        Failure::Api {
            workload: self.subject.clone(),
            source,
        }
    }

    /// Whether this is the object that was applied, and not another of the same name.
    fn is_ours(&self, workload: &Workload) -> bool {
        workload.meta().uid.as_deref() == Some(self.source.applied.uid.as_str())
    }
}

/// Which collections have been listed once: before that, absence means nothing.
struct Known {
    replica_sets: bool,
    pods: bool,
}

/// How long a question for events may take.
const EVENTS_PATIENCE: Duration = Duration::from_secs(2);
