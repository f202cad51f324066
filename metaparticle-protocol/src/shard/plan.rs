//! [`Planner`]: where slots are to be. The assigner asks one, whoever wrote it, whenever members come, go, or leave.

use std::{
    cmp::Reverse,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Where slots are to be: of each, the index of a member. `members` are the names of all pods that may own, sorted, and
/// never empty; `present` says of each slot whose it is or moves to, `None` if it is nobody's who may keep it. It must be a
/// function of these two, and keep what it planned when it is asked again.
pub type Plan = fn(members: &[Arc<str>], present: &[Option<u16>]) -> Vec<u16>;

/// Whoever plans.
#[derive(Clone, Copy)]
pub struct Planner(Plan);

impl Planner {
    /// That one.
    #[must_use]
    pub const fn new(plan: Plan) -> Self {
        Self(plan)
    }

    /// Asks it. What it does not say, or says of members that are not there, is the first member's.
    pub(super) fn plan(self, members: &[Arc<str>], present: &[Option<u16>]) -> Vec<u16> {
        let mut planned = (self.0)(members, present);
        planned.resize(present.len(), 0);
        for index in &mut planned {
            if usize::from(*index) >= members.len() {
                *index = 0;
            }
        }
        planned
    }
}

impl Default for Planner {
    fn default() -> Self {
        Self(even)
    }
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Planner")
    }
}

impl PartialEq for Planner {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Planner {}

impl Hash for Planner {
    /// One process asks one planner: it tells nothing apart.
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Every member within one slot of its equal share, and no more moves than that takes: who has the most keeps the larger
/// share, who has too much gives its last slots, who has too little gets them in order.
///
/// # Panics
/// With more than 65,535 members.
#[must_use]
pub fn even(members: &[Arc<str>], present: &[Option<u16>]) -> Vec<u16> {
    let count = members.len();
    let mut has = vec![0_usize; count];
    for index in present.iter().flatten() {
        has[usize::from(*index)] += 1;
    }
    let mut share = vec![present.len() / count; count];
    let mut by_size: Vec<_> = (0..count).collect();
    by_size.sort_by_key(|index| (Reverse(has[*index]), *index));
    for index in by_size.iter().take(present.len() % count) {
        share[*index] += 1;
    }
    let mut kept = vec![0_usize; count];
    let mut planned: Vec<Option<u16>> = Vec::with_capacity(present.len());
    for slot in present {
        let keeps = slot.filter(|index| {
            let index = usize::from(*index);
            kept[index] < share[index]
        });
        if let Some(index) = keeps {
            kept[usize::from(index)] += 1;
        }
        planned.push(keeps);
    }
    let mut next = 0;
    let fill = planned.into_iter().map(|slot| {
        slot.unwrap_or_else(|| {
            while kept[next] >= share[next] {
                next += 1;
            }
            kept[next] += 1;
            u16::try_from(next).expect("there are few members")
        })
    });
    fill.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(count: usize) -> Vec<Arc<str>> {
        (0..count)
            .map(|index| format!("pod-{index}").into())
            .collect()
    }

    proptest! {
        #[test]
        fn shares_are_even_moves_are_the_fewest_and_what_was_planned_is_kept(
            count in 1_usize..12, present in prop::collection::vec(0_u16..14, 1..200)
        ) {
            let members = members(count);
            let present: Vec<_> = present
                .into_iter()
                .map(|index| (usize::from(index) < count).then_some(index))
                .collect();
            let planned = even(&members, &present);
            let size = |of: u16| planned.iter().filter(|index| **index == of).count();
            let sizes: Vec<_> = (0..count).map(|of| size(of.try_into().expect("small"))).collect();
            let (low, high) = (present.len() / count, present.len().div_ceil(count));
            prop_assert!(sizes.iter().all(|size| (low..=high).contains(size)), "{sizes:?}");
            // Nobody who may keep a slot loses one while it has less than its share.
            let mut had = vec![0_usize; count];
            for index in present.iter().flatten() {
                had[usize::from(*index)] += 1;
            }
            for (index, (had, has)) in had.iter().zip(&sizes).enumerate() {
                let lost = present.iter().zip(&planned).filter(|(before, after)| {
                    before.map(usize::from) == Some(index) && usize::from(**after) != index
                });
                prop_assert_eq!(lost.count(), had.saturating_sub(*has));
            }
            let again: Vec<_> = planned.iter().copied().map(Some).collect();
            prop_assert_eq!(even(&members, &again), planned);
        }
    }

    #[test]
    fn answer_of_a_planner_that_errs_is_mended() {
        let short = Planner::new(|_, _| vec![7]);
        assert_eq!(short.plan(&members(2), &[None, None]), [0, 0]);
    }
}
