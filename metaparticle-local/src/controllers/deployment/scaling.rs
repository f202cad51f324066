//! A Deployment that is scaled, or paused: its ReplicaSets grow and shrink in proportion, so that a rollout that goes wrong
//! does not take all the new pods.

use super::{
    bounds::is_recreate,
    plan::Plan,
    revision::{DESIRED, MOST},
    sets::Set,
};

/// Brings the ReplicaSets to the Deployment's size.
pub(super) fn scale(plan: &mut Plan<'_>) {
    if let Some(only) = active_or_latest(plan) {
        plan.scale(only, plan.bounds.replicas);
    } else if is_saturated(plan) {
        for index in plan.active_old() {
            plan.scale(index, 0);
        }
    } else if !is_recreate(plan.spec) {
        in_proportion(plan);
    }
}

/// The only ReplicaSet that wants pods; the newest if none does.
fn active_or_latest(plan: &Plan<'_>) -> Option<usize> {
    let active: Vec<usize> = (0..plan.sets.len())
        .filter(|&index| plan.sets[index].replicas > 0)
        .collect();
    match active.as_slice() {
        [] => plan.new.or_else(|| plan.old().pop()),
        [only] => Some(*only),
        _ => None,
    }
}

/// Whether the new ReplicaSet alone does what the Deployment wants.
fn is_saturated(plan: &Plan<'_>) -> bool {
    let wanted = plan.bounds.replicas;
    plan.new.map(|new| &plan.sets[new]).is_some_and(|new| {
        new.noted(DESIRED) == Some(wanted) && new.replicas == wanted && new.available() == wanted
    })
}

fn in_proportion(plan: &mut Plan<'_>) {
    let allowed = if plan.bounds.replicas > 0 {
        plan.bounds.most()
    } else {
        0
    };
    let change = allowed - plan.wanted();
    let mut active: Vec<usize> = (0..plan.sets.len())
        .filter(|&index| plan.sets[index].replicas > 0)
        .collect();
    if change > 0 {
        active.sort_by(|a, b| plan.sets[*a].growth().cmp(&plan.sets[*b].growth()));
    } else {
        active.sort_by(|a, b| plan.sets[*a].shrinkage().cmp(&plan.sets[*b].shrinkage()));
    }
    let mut left = change;
    let mut sizes: Vec<i32> = Vec::new();
    for &index in &active {
        let part = share(&plan.sets[index], plan);
        let part = if change > 0 {
            part.min(left)
        } else {
            part.max(left)
        };
        sizes.push(plan.sets[index].replicas + part);
        left -= part;
    }
    if let Some(largest) = sizes.first_mut() {
        *largest = (*largest + left).max(0);
    }
    for (index, size) in active.into_iter().zip(sizes) {
        plan.scale(index, size);
        plan.note_size(index);
    }
}

/// How much a ReplicaSet grows if it stays the same part of the whole.
fn share(set: &Set, plan: &Plan<'_>) -> i32 {
    if plan.bounds.replicas == 0 {
        return -set.replicas;
    }
    let before = set
        .noted(MOST)
        .filter(|it| *it > 0)
        .or(plan.status.replicas);
    let Some(before) = before.map(i64::from) else {
        return 0;
    };
    let product = i64::from(set.replicas) * i64::from(plan.bounds.most());
    let size = (2 * product + before) / (2 * before); // rounded, halves up
    i32::try_from(size).unwrap_or(i32::MAX) - set.replicas
}
