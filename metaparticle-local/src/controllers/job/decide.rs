//! What a Job does next: counts pods that ended, makes more, and knows when it is over.

use std::time::Duration;

use k8s_openapi::{
    api::{
        batch::v1::{JobStatus, UncountedTerminatedPods},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

use crate::controllers::{
    object::{Object, count},
    pods::{is_active, is_ready, is_terminating, phase, until},
};

use super::{
    backoff::Backoff,
    conditions::{Verdict, ensure, is_true, newly},
    indexes::{Indexes, format, index, parse},
    per_index,
    policy::{Meaning, fulfilled, meaning},
    size,
    world::World,
};

/// The finalizer of pods that are not counted yet.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// What to do, in this order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Decision {
    /// Pods to delete without counting them.
    pub(super) dismiss: Vec<String>,
    /// Pods to delete, and to count when they end.
    pub(super) delete: Vec<String>,
    /// Pods to make, each with its index if it has one.
    pub(super) create: Vec<Option<i32>>,
    /// The Job's status.
    pub(super) status: JobStatus,
    /// Pods that are counted now, and need not be kept.
    pub(super) release: Vec<String>,
    /// Events: warning, reason, message.
    pub(super) events: Vec<(bool, String, String)>,
    /// Whether the Job itself goes: it is over for long enough.
    pub(super) expire: bool,
    /// Failures in a row.
    pub(super) backoff: Backoff,
    /// When to look again, if nothing else happens.
    pub(super) again: Option<Duration>,
}

/// The pods, counted.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    pub(super) active: Vec<&'a Object<Pod>>,
    pub(super) terminating: i32,
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    /// Indexes that succeeded.
    pub(super) done: Indexes,
    /// Indexes that are given up, if they are counted by index.
    pub(super) given_up: Option<Indexes>,
    /// What a failed pod says about the whole.
    verdict: Option<String>,
}

/// Decides.
pub(super) fn decide(world: &World<'_>) -> Decision {
    let mut decision = Decision {
        status: world.status(),
        backoff: world.backoff,
        ..Decision::default()
    };
    if let Some(over) = world.finished_at() {
        let kept = world.pods.iter().filter(|it| is_tracked(it));
        decision.release = kept.map(|it| it.name().to_owned()).collect();
        expire(world, over, &mut decision);
        return decision;
    }
    let ended: Vec<_> = world
        .pods
        .iter()
        .filter(|it| is_tracked(it) && world.has_ended(it))
        .collect();
    decision.release = ended.iter().map(|it| it.name().to_owned()).collect();
    decision.backoff = world.backoff.with(ended.iter().map(|it| &***it), world.now);
    let tally = tally(world, &ended);
    if decision.status.start_time.is_none() && !world.is_suspended() {
        decision.status.start_time = Some(Time(world.now));
    }
    let mut verdict = world.verdict().or_else(|| judge(world, &tally, &decision));
    let mut active = tally.active.len();
    if verdict.is_none() && !world.job.is_deleting() {
        manage(world, &tally, &mut decision);
        active = active - decision.dismiss.len() + decision.create.len();
        verdict = is_complete(world, &tally, active).then(Verdict::completions_reached);
    }
    if let Some(verdict) = verdict {
        decision.delete = tally.active.iter().map(|it| it.name().to_owned()).collect();
        let over = active == 0 && tally.terminating == 0;
        active = 0;
        conclude(world, &verdict, over, &mut decision);
    } else if !world.is_suspended() {
        look_again(world.deadline(&decision.status), world.now, &mut decision);
    }
    let leaves = |it: &Object<Pod>| {
        decision
            .delete
            .iter()
            .chain(&decision.dismiss)
            .any(|name| name == it.name())
    };
    let ready = tally
        .active
        .iter()
        .filter(|it| is_ready(it) && !leaves(it))
        .count();
    let status = &mut decision.status;
    status.active = count(number(active));
    status.ready = Some(number(ready));
    status.terminating = Some(tally.terminating);
    status.succeeded = count(tally.succeeded);
    status.failed = count(tally.failed);
    status.completed_indexes =
        (world.is_indexed() && !tally.done.is_empty()).then(|| format(&tally.done));
    status.failed_indexes = tally.given_up.as_ref().map(format);
    status.uncounted_terminated_pods = Some(UncountedTerminatedPods::default());
    decision
}

/// Whether the Job keeps the pod until it has counted it.
pub(super) fn is_tracked(pod: &Pod) -> bool {
    pod.metadata
        .finalizers
        .iter()
        .flatten()
        .any(|it| it == TRACKING)
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn tally<'a>(world: &World<'a>, ended: &[&Object<Pod>]) -> Tally<'a> {
    let before = world.status();
    let terminating = world.pods.iter().filter(|it| is_terminating(it));
    let mut tally = Tally {
        active: world.pods.iter().filter(|it| is_active(it)).collect(),
        terminating: number(terminating.count()),
        succeeded: before.succeeded.unwrap_or_default(),
        failed: before.failed.unwrap_or_default(),
        done: before
            .completed_indexes
            .as_deref()
            .map(parse)
            .unwrap_or_default(),
        given_up: None,
        verdict: None,
    };
    for pod in ended {
        let index = index(pod).filter(|it| *it < world.completions().unwrap_or_default());
        if world.is_indexed() && index.is_none() {
            continue;
        }
        match (phase(pod), index) {
            ("Succeeded", Some(index)) if world.is_indexed() => drop(tally.done.insert(index)),
            ("Succeeded", _) => tally.succeeded += 1,
            ("Failed", _) => match meaning(world.job, pod) {
                Meaning::Ignore => {}
                Meaning::Count | Meaning::FailIndex => tally.failed += 1,
                Meaning::FailJob(message) => {
                    tally.failed += 1;
                    tally.verdict.get_or_insert(message);
                }
            },
            _ => tally.failed += 1,
        }
    }
    if world.is_indexed() {
        tally.succeeded = number(tally.done.len());
        tally.given_up = per_index::failed(world, &tally.done);
    }
    tally
}

/// What ends a Job before all is done.
fn judge(world: &World<'_>, tally: &Tally<'_>, decision: &Decision) -> Option<Verdict> {
    if let Some(message) = &tally.verdict {
        return Some(Verdict::failed("PodFailurePolicy", message));
    }
    let limit = world.spec.backoff_limit.unwrap_or(6);
    if tally.failed > limit || world.restarts().is_some_and(|it| it > 0 && it >= limit) {
        let message = "Job has reached the specified backoff limit";
        return Some(Verdict::failed("BackoffLimitExceeded", message));
    }
    let deadline = world
        .deadline(&decision.status)
        .filter(|_| !world.is_suspended());
    if deadline.is_some_and(|it| it <= world.now) {
        let message = "Job was active longer than specified deadline";
        return Some(Verdict::failed("DeadlineExceeded", message));
    }
    if let Some(failed) = tally.given_up.as_ref().map(|it| number(it.len())) {
        if world
            .spec
            .max_failed_indexes
            .is_some_and(|most| failed > most)
        {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(Verdict::failed("MaxFailedIndexesExceeded", message));
        }
        if failed > 0 && Some(tally.succeeded + failed) >= world.completions() {
            return Some(Verdict::failed("FailedIndexes", "Job has failed indexes"));
        }
    }
    let rule = fulfilled(world.job, &tally.done).filter(|_| world.is_indexed())?;
    Some(Verdict::succeeded(
        "SuccessPolicy",
        &format!("Matched rules at index {rule}"),
    ))
}

fn is_complete(world: &World<'_>, tally: &Tally<'_>, active: usize) -> bool {
    active == 0
        && match world.completions() {
            Some(completions) => tally.succeeded >= completions,
            None => tally.succeeded > 0,
        }
}

/// Suspends, resumes, deletes surplus pods or makes missing ones.
fn manage(world: &World<'_>, tally: &Tally<'_>, decision: &mut Decision) {
    let status = &mut decision.status;
    let mut conditions = status.conditions.take().unwrap_or_default();
    if world.is_suspended() {
        if ensure(
            &mut conditions,
            "Suspended",
            true,
            "JobSuspended",
            "Job suspended",
            world.now,
        ) {
            decision
                .events
                .push((false, "Suspended".to_owned(), "Job suspended".to_owned()));
        }
        status.start_time = None;
        decision.dismiss = tally.active.iter().map(|it| it.name().to_owned()).collect();
    } else {
        if is_true(&conditions, "Suspended").is_some() {
            ensure(
                &mut conditions,
                "Suspended",
                false,
                "JobResumed",
                "Job resumed",
                world.now,
            );
            decision
                .events
                .push((false, "Resumed".to_owned(), "Job resumed".to_owned()));
            status.start_time = Some(Time(world.now));
        }
        let change = size::change(world, tally);
        let by_index = tally.given_up.is_some();
        let wait = if by_index {
            Duration::ZERO
        } else {
            decision.backoff.remaining(world.now)
        };
        decision.again = change.again;
        decision.dismiss = change.delete;
        if change.create.is_empty() || wait.is_zero() {
            decision.create = change.create;
        } else {
            decision.again = Some(wait);
        }
    }
    decision.status.conditions = (!conditions.is_empty()).then_some(conditions);
}

/// Writes down why it is over, and that it is, once no pod is left.
fn conclude(world: &World<'_>, verdict: &Verdict, over: bool, decision: &mut Decision) {
    let conditions = decision.status.conditions.get_or_insert_default();
    if is_true(conditions, verdict.interim()).is_none() {
        conditions.push(newly(verdict.interim(), verdict, world.now));
    }
    if !over {
        return;
    }
    conditions.push(newly(verdict.last(), verdict, world.now));
    if verdict.success {
        decision.status.completion_time = Some(Time(world.now));
        decision
            .events
            .push((false, "Completed".to_owned(), "Job completed".to_owned()));
    } else {
        decision
            .events
            .push((true, verdict.reason.clone(), verdict.message.clone()));
    }
}

/// `ttlSecondsAfterFinished`.
fn expire(world: &World<'_>, over: Timestamp, decision: &mut Decision) {
    let Some(seconds) = world.spec.ttl_seconds_after_finished else {
        return;
    };
    let due = over
        .saturating_add(SignedDuration::from_secs(seconds.into()))
        .unwrap_or(Timestamp::MAX);
    if world.job.is_deleting() {
        return;
    }
    decision.expire = due <= world.now;
    look_again(Some(due), world.now, decision);
}

fn look_again(due: Option<Timestamp>, now: Timestamp, decision: &mut Decision) {
    let delay = due.map(|due| until(due, now)).filter(|it| !it.is_zero());
    decision.again = decision.again.into_iter().chain(delay).min();
}
