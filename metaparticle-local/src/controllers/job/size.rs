//! How many pods a Job has: [`change`].

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;

use crate::controllers::{
    object::Object,
    pods::{is_active, is_terminating},
    replica_set::order,
};

use super::{decide::Tally, indexes::index, per_index::failures, world::World};

/// The most pods made at once.
const BURST: usize = 500;

/// Pods to delete, or to make.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) delete: Vec<String>,
    pub(super) create: Vec<Option<i32>>,
    /// When an index that waits may be tried again.
    pub(super) again: Option<Duration>,
}

/// What to delete or make, so that as many pods are active as are useful.
pub(super) fn change(world: &World<'_>, tally: &Tally<'_>) -> Change {
    let active = tally.active.len();
    let wanted = wanted(world, tally);
    let delete = surplus(world, tally, active.saturating_sub(wanted));
    if !delete.is_empty() {
        return Change {
            delete,
            ..Change::default()
        };
    }
    let going = if world.replaces_failed_only() {
        tally.terminating
    } else {
        0
    };
    let going = usize::try_from(going).unwrap_or_default();
    let missing = wanted.saturating_sub(active + going).min(BURST);
    if !world.is_indexed() {
        return Change {
            create: vec![None; missing],
            ..Change::default()
        };
    }
    let failures = failures(world).unwrap_or_default();
    let wait = |it: &i32| {
        failures.get(it).map_or(Duration::ZERO, |it| {
            it.remaining(world.backoff.first(), world.now)
        })
    };
    let (ready, waiting): (Vec<i32>, Vec<i32>) =
        pending(world, tally).partition(|it| wait(it).is_zero());
    Change {
        create: ready.into_iter().take(missing).map(Some).collect(),
        again: waiting.iter().map(wait).min(),
        ..Change::default()
    }
}

fn wanted(world: &World<'_>, tally: &Tally<'_>) -> usize {
    let parallelism = world.spec.parallelism.unwrap_or(1);
    let wanted = match world.completions() {
        // Work that pods divide among them: the first success says that it is done.
        None if tally.succeeded > 0 => return tally.active.len(),
        None => parallelism,
        Some(completions) => (completions - tally.succeeded).min(parallelism),
    };
    usize::try_from(wanted).unwrap_or_default()
}

/// The indexes that have neither succeeded nor a pod and are not given up, the lowest first.
fn pending<'a>(world: &'a World<'_>, tally: &'a Tally<'_>) -> impl Iterator<Item = i32> + 'a {
    let blocks =
        |it: &&Object<Pod>| is_active(it) || (world.replaces_failed_only() && is_terminating(it));
    let taken: BTreeSet<i32> = world
        .pods
        .iter()
        .filter(blocks)
        .filter_map(|it| index(it))
        .collect();
    let all = 0..world.completions().unwrap_or_default();
    let is_open = move |it: &i32| {
        let given_up = tally.given_up.as_ref().is_some_and(|all| all.contains(it));
        !taken.contains(it) && !tally.done.contains(it) && !given_up
    };
    all.filter(is_open)
}

/// Pods that are too many: of indexes that are out of range or twice there, then those that are missed the least.
fn surplus(world: &World<'_>, tally: &Tally<'_>, least: usize) -> Vec<String> {
    let mut active: Vec<&Object<Pod>> = tally.active.clone();
    active.sort_by(|one, other| order(one, other, world.now));
    let (mut surplus, mut rest) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for pod in active.into_iter().rev() {
        let index = index(pod).filter(|it| *it < world.completions().unwrap_or_default());
        let valid = index.is_some_and(|it| seen.insert(it));
        if world.is_indexed() && !valid {
            surplus.push(pod);
        } else {
            rest.push(pod);
        }
    }
    let more = least.saturating_sub(surplus.len());
    surplus.extend(rest.into_iter().rev().take(more));
    surplus.into_iter().map(|it| it.name().to_owned()).collect()
}
