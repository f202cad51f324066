//! The rolling update: new pods as far as `maxSurge` allows, old ones away as far as `maxUnavailable` does.

use super::{plan::Plan, sets::Set};

/// How large the new ReplicaSet, now of size `replicas`, may become.
pub(super) fn room(plan: &Plan<'_>, replicas: i32) -> i32 {
    let free = plan.bounds.most() - plan.wanted();
    if free <= 0 {
        return replicas;
    }
    replicas + free.min(plan.bounds.replicas - replicas)
}

/// Scales the new ReplicaSet; says whether it did.
pub(super) fn grow(plan: &mut Plan<'_>) -> bool {
    let Some(new) = plan.new else { return false };
    let replicas = plan.sets[new].replicas;
    let target = if replicas > plan.bounds.replicas {
        plan.bounds.replicas
    } else {
        room(plan, replicas)
    };
    plan.scale(new, target)
}

/// Scales old ReplicaSets down, unhealthy pods first: they are missed by nobody.
pub(super) fn shrink(plan: &mut Plan<'_>) {
    let Some(new) = plan.new else { return };
    let missing = plan.sets[new].replicas - staying(&plan.sets[new]);
    // As if every old pod were available: what is left to take away at all.
    let spare = |plan: &Plan<'_>| plan.wanted() - plan.bounds.least() - missing;
    for index in plan.active_old() {
        let set = &plan.sets[index];
        let unhealthy = (set.replicas - staying(set)).min(spare(plan));
        if unhealthy > 0 {
            plan.scale(index, plan.sets[index].replicas - unhealthy);
        }
    }
    let mut left = plan.sets.iter().map(staying).sum::<i32>() - plan.bounds.least();
    for index in plan.active_old() {
        let down = plan.sets[index].replicas.min(left);
        if down > 0 {
            plan.scale(index, plan.sets[index].replicas - down);
            left -= down;
        }
    }
}

/// Available pods that do not go: a count that is older than the size of its ReplicaSet is too high.
fn staying(set: &Set) -> i32 {
    set.available().min(set.replicas)
}
