//! `backoffLimitPerIndex`: how often each index failed, and how long it waits before it is tried again.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};

use crate::controllers::{object::Object, pods::phase};

use super::{
    backoff::{finished_at, wait},
    indexes::{Indexes, index, parse},
    policy::{Meaning, meaning},
    world::World,
};

/// The annotation of a pod with how often its index had failed before.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// The failures of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    pub(super) count: u32,
    last: Timestamp,
    fatal: bool,
}

impl Failures {
    /// How long to wait from now, if `first` is waited after the first.
    pub(super) fn remaining(self, first: Duration, now: Timestamp) -> Duration {
        wait(first, self.count, self.last, now)
    }
}

/// Those of every index that failed; nothing if they are not counted by index.
pub(super) fn failures(world: &World<'_>) -> Option<BTreeMap<i32, Failures>> {
    world
        .spec
        .backoff_limit_per_index
        .filter(|_| world.is_indexed())?;
    let mut all: BTreeMap<i32, Failures> = BTreeMap::new();
    let ended = world
        .pods
        .iter()
        .filter(|it| world.has_ended(it) && phase(it) != "Succeeded");
    for (pod, index) in ended.filter_map(|it| Some((it, index(it)?))) {
        let meaning = meaning(world.job, pod);
        let count = before(pod) + u32::from(meaning != Meaning::Ignore);
        let last = finished_at(pod, world.now);
        let fatal = meaning == Meaning::FailIndex;
        let known = all.entry(index).or_insert(Failures { count, last, fatal });
        known.count = known.count.max(count);
        known.last = known.last.max(last);
        known.fatal |= fatal;
    }
    Some(all)
}

/// The indexes that are given up.
pub(super) fn failed(world: &World<'_>, done: &Indexes) -> Option<Indexes> {
    let limit = world.spec.backoff_limit_per_index?;
    let all = failures(world)?;
    let status = world.status();
    let mut failed = status
        .failed_indexes
        .as_deref()
        .map(parse)
        .unwrap_or_default();
    let spent = |it: &Failures| it.fatal || i64::from(it.count) > i64::from(limit);
    failed.extend(
        all.iter()
            .filter(|(_, it)| spent(it))
            .map(|(index, _)| *index),
    );
    failed.retain(|it| !done.contains(it));
    Some(failed)
}

fn before(pod: &Object<Pod>) -> u32 {
    let annotations = pod.metadata.annotations.as_ref();
    let count = annotations.and_then(|it| it.get(FAILURES)?.parse().ok());
    count.unwrap_or_default()
}
