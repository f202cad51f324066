//! How many pods a Job has: [`change`].

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;

use crate::controllers::{
    object::Object,
    pods::{is_active, is_terminating},
    replica_set::order,
};

use super::{decide::Tally, indexes::index, world::World};

/// The most pods made at once.
const BURST: usize = 500;

/// Pods to delete, or to make.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) delete: Vec<String>,
    pub(super) create: Vec<Option<i32>>,
}

/// What to delete or make, so that as many pods are active as are useful.
pub(super) fn change(world: &World<'_>, tally: &Tally<'_>) -> Change {
    let active = tally.active.len();
    let wanted = wanted(world, tally);
    let delete = surplus(world, tally, active.saturating_sub(wanted));
    if !delete.is_empty() {
        return Change {
            delete,
            create: Vec::new(),
        };
    }
    let going = if world.replaces_failed_only() {
        tally.terminating
    } else {
        0
    };
    let going = usize::try_from(going).unwrap_or_default();
    let missing = wanted.saturating_sub(active + going).min(BURST);
    let create = if world.is_indexed() {
        pending(world, tally).take(missing).map(Some).collect()
    } else {
        vec![None; missing]
    };
    Change { delete, create }
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

/// The lowest indexes that have neither succeeded nor a pod.
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
    all.filter(move |it| !taken.contains(it) && !tally.done.contains(it))
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
