//! [`judge`]: from what is seen of a workload to whether its rollout is done, goes on or has failed. Pure.
//!
//! Only the new revision counts: a controller that has not observed the generation yet proves nothing, and pods of an
//! older revision neither complete a rollout nor fail it.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::Pod,
};

use super::{
    cause::{Cause, Diagnosis, Refusal},
    pods::{self, Finding},
    seen::{Seen, Workload},
};

/// How a rollout stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How far it is.
    pub progress: Progress,
    /// Whether it goes on.
    pub state: State,
}

/// Whether a rollout goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It goes on. What looks wrong may pass; each suspicion says how long it may last.
    Pending(Vec<Suspicion>),
    /// It is complete.
    Done,
    /// It will not complete by itself.
    Failed(Box<Diagnosis>),
}

/// Something that is a failure only if it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// What is wrong if it lasts.
    pub diagnosis: Diagnosis,
    /// How long it may last.
    pub patience: Duration,
}

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pods of the new revision that are ready, or completions of a Job.
    pub ready: i32,
    /// How many there are to be.
    pub wanted: i32,
    /// What else is awaited, in words.
    pub waiting_for: Option<String>,
    /// The pods of the new revision: name and phase in one word, as `kubectl get pods` has it.
    pub pods: Vec<(String, String)>,
    /// Whether the programs of a Job are running: how long they take is theirs to say.
    pub at_work: bool,
}

/// A refusal may stem from an object that is created a moment later, or from pods that are about to go.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(5);

/// Judges a rollout.
#[must_use]
pub fn judge(seen: &Seen) -> Verdict {
    let mut progress = Progress {
        ready: 0,
        wanted: 0,
        waiting_for: None,
        pods: seen.new_pods().map(pods::line).collect(),
        at_work: false,
    };
    let early = match &seen.workload {
        Workload::Deployment(deployment) => of_deployment(seen, deployment, &mut progress),
        Workload::StatefulSet(set) => of_stateful_set(set, &mut progress),
        Workload::Job(job) => of_job(seen, job, &mut progress),
    };
    let state = match early {
        Some(state) => state,
        // The pods shown may be of the revision before.
        None if progress.waiting_for.as_deref() == Some(STALE) => {
            progress.pods.clear();
            State::Pending(Vec::new())
        }
        None => of_pods(seen),
    };
    let state = match state {
        State::Pending(suspicions) if is_moving(seen) => {
            State::Pending(without_shortage(suspicions))
        }
        state => state,
    };
    Verdict { progress, state }
}

/// Whether room is being made: pods that end free some, and pods that start let others end.
fn is_moving(seen: &Seen) -> bool {
    let ends = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
    seen.pods.values().any(ends) || seen.new_pods().any(|pod| pods::is_starting(seen, pod))
}

/// A rolling update on a full cluster or a tight quota goes on one pod at a time; that it waits is no fault of it.
fn without_shortage(mut suspicions: Vec<Suspicion>) -> Vec<Suspicion> {
    suspicions.retain(|suspicion| {
        let cause = &suspicion.diagnosis.cause;
        !matches!(
            cause,
            Cause::Unschedulable { .. }
                | Cause::Refused {
                    by: Refusal::Quota,
                    ..
                }
        )
    });
    suspicions
}

/// What to say of a rollout for which time is over.
#[must_use]
pub fn overdue(seen: &Seen) -> Diagnosis {
    let Verdict { progress, state } = judge(seen);
    match state {
        State::Failed(diagnosis) => return *diagnosis,
        State::Pending(suspicions) => {
            if let Some(suspicion) = suspicions.into_iter().next() {
                return suspicion.diagnosis;
            }
        }
        State::Done => {}
    }
    if progress.waiting_for.as_deref() != Some(STALE)
        && let Some(diagnosis) = pods::not_ready(seen)
    {
        return diagnosis;
    }
    let waiting_for = progress
        .waiting_for
        .unwrap_or_else(|| format!("{} of {} pods were ready", progress.ready, progress.wanted));
    of_workload(seen, Cause::TooSlow { waiting_for })
}

/// What is awaited while status and revision are still of an earlier generation.
const STALE: &str = "the controller has not seen the change yet";

fn of_deployment(seen: &Seen, deployment: &Deployment, progress: &mut Progress) -> Option<State> {
    let spec = deployment.spec.as_ref();
    let status = deployment.status.as_ref();
    progress.wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    if is_stale(
        deployment.metadata.generation,
        status.and_then(|status| status.observed_generation),
    ) {
        progress.waiting_for = Some(STALE.into());
        return None;
    }
    let new = seen.new_replica_set().and_then(|set| set.status.as_ref());
    progress.ready = new.and_then(|new| new.ready_replicas).unwrap_or(0);

    let number = |field: fn(&_) -> Option<i32>| status.and_then(field).unwrap_or(0);
    let total = number(|status: &k8s_openapi::api::apps::v1::DeploymentStatus| status.replicas);
    let updated = number(|status| status.updated_replicas);
    let available = number(|status| status.available_replicas);
    if updated >= progress.wanted && total <= updated && available >= progress.wanted {
        progress.ready = progress.ready.max(progress.wanted.min(available));
        return Some(State::Done);
    }
    if spec.and_then(|spec| spec.paused) == Some(true) {
        return Some(failed(of_workload(seen, Cause::Paused)));
    }
    progress.waiting_for = Some(if updated < progress.wanted {
        format!(
            "{updated} of {} pods are of the new revision",
            progress.wanted
        )
    } else if available < progress.wanted {
        format!("{available} of {} pods are available", progress.wanted)
    } else {
        format!("{} pods of the earlier revision are to go", total - updated)
    });

    // Pods that cannot even be created are the ReplicaSet's to tell.
    let refused = new
        .and_then(|new| new.conditions.as_ref())
        .into_iter()
        .flatten()
        .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")
        .and_then(|condition| condition.message.as_deref());
    if let Some(message) = refused {
        return Some(of_refusal(seen, message));
    }
    let gave_up = status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
        .any(|condition| {
            condition.type_ == "Progressing"
                && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
        });
    if gave_up && !matches!(of_pods(seen), State::Failed(_)) {
        let diagnosis = pods::not_ready(seen).unwrap_or_else(|| {
            let waiting_for = progress.waiting_for.clone().unwrap_or_default();
            of_workload(seen, Cause::TooSlow { waiting_for })
        });
        return Some(failed(diagnosis));
    }
    None
}

fn of_stateful_set(set: &StatefulSet, progress: &mut Progress) -> Option<State> {
    let spec = set.spec.as_ref();
    let status = set.status.as_ref();
    progress.wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    if is_stale(
        set.metadata.generation,
        status.and_then(|status| status.observed_generation),
    ) {
        progress.waiting_for = Some(STALE.into());
        return None;
    }
    let status = status?;
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let ready = status.ready_replicas.unwrap_or(0);
    // The status counts ready pods of both revisions; the pods themselves are judged one by one.
    progress.ready = i32::try_from(
        progress
            .pods
            .iter()
            .filter(|(_, phase)| phase == pods::READY)
            .count(),
    )
    .unwrap_or(i32::MAX);
    if updated >= progress.wanted && ready >= progress.wanted && available >= progress.wanted {
        progress.ready = progress.wanted;
        return Some(State::Done);
    }
    progress.waiting_for = Some(if updated < progress.wanted {
        format!(
            "{updated} of {} pods are of the new revision",
            progress.wanted
        )
    } else {
        format!("{available} of {} pods are available", progress.wanted)
    });
    None
}

fn of_job(seen: &Seen, job: &Job, progress: &mut Progress) -> Option<State> {
    let spec = job.spec.as_ref();
    let status = job.status.as_ref();
    progress.wanted = spec.and_then(|spec| spec.completions).unwrap_or(1);
    progress.ready = status.and_then(|status| status.succeeded).unwrap_or(0);
    progress.at_work = progress
        .pods
        .iter()
        .any(|(_, phase)| phase == pods::READY || phase == "Running");
    let condition = |names: &[&str]| {
        status
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
            .find(|condition| {
                condition.status == "True" && names.contains(&condition.type_.as_str())
            })
    };
    if condition(&["Complete"]).is_some() {
        return Some(State::Done);
    }
    if let Some(condition) = condition(&["Failed", "FailureTarget"]) {
        return Some(failed(pods::of_failed_job(
            seen,
            condition.reason.clone().unwrap_or_default(),
            condition.message.clone().unwrap_or_default(),
        )));
    }
    progress.waiting_for = Some(format!(
        "{} of {} completions",
        progress.ready, progress.wanted
    ));
    if spec.and_then(|spec| spec.suspend) == Some(true) {
        progress.waiting_for = Some("the job is suspended".into());
        return Some(State::Pending(vec![Suspicion {
            diagnosis: of_workload(seen, Cause::Suspended),
            patience: Duration::MAX,
        }]));
    }
    None
}

/// Judges the pods of the new revision, and what the controller says of those that it cannot create.
fn of_pods(seen: &Seen) -> State {
    let mut suspicions = Vec::new();
    for pod in seen.new_pods() {
        match pods::examine(seen, pod) {
            Finding::Well => {}
            Finding::Suspicious(suspicion) => suspicions.push(suspicion),
            Finding::Failed(diagnosis) => return failed(diagnosis),
        }
    }
    let refused = seen
        .events_of_workload()
        .into_iter()
        .rfind(|event| event.reason.as_deref() == Some("FailedCreate"))
        .and_then(|event| event.message.as_deref());
    if let Some(message) = refused
        && is_short_of_pods(seen)
    {
        match of_refusal(seen, message) {
            State::Pending(more) => suspicions.extend(more),
            state => return state,
        }
    }
    State::Pending(suspicions)
}

/// Whether the controller still has pods to create, so that an event about a refusal has not been overtaken.
fn is_short_of_pods(seen: &Seen) -> bool {
    let pods: Vec<&Pod> = seen.new_pods().collect();
    let wanted = match &seen.workload {
        Workload::Deployment(_) => return false, // its ReplicaSet's condition tells
        Workload::StatefulSet(set) => set.spec.as_ref().and_then(|spec| spec.replicas),
        Workload::Job(job) => job.spec.as_ref().and_then(|spec| spec.parallelism),
    };
    i32::try_from(pods.len()).unwrap_or(i32::MAX) < wanted.unwrap_or(1)
}

fn of_refusal(seen: &Seen, message: &str) -> State {
    let by = if message.contains("exceeded quota") || message.contains("failed quota") {
        Refusal::Quota
    } else if message.contains("violates PodSecurity") {
        Refusal::PodSecurity
    } else if message.contains("LimitRange")
        || message.contains("usage per Container")
        || message.contains("usage per Pod")
    {
        Refusal::LimitRange
    } else if message.contains("service account") || message.contains("serviceaccount") {
        Refusal::ServiceAccount
    } else {
        Refusal::Other
    };
    let message = message.to_owned();
    let diagnosis = of_workload(seen, Cause::Refused { by, message });
    match by {
        Refusal::PodSecurity | Refusal::LimitRange => failed(diagnosis),
        _ => State::Pending(vec![Suspicion {
            diagnosis,
            patience: REFUSAL_PATIENCE,
        }]),
    }
}

fn of_workload(seen: &Seen, cause: Cause) -> Diagnosis {
    Diagnosis {
        workload: seen.workload.subject(),
        pod: None,
        index: None,
        container: None,
        cause,
    }
}

fn failed(diagnosis: Diagnosis) -> State {
    State::Failed(Box::new(diagnosis))
}

fn is_stale(generation: Option<i64>, observed: Option<i64>) -> bool {
    observed.unwrap_or(0) < generation.unwrap_or(1)
}
