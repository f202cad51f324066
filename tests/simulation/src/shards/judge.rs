//! What must be true of a map long after the last fault.

use std::collections::BTreeMap;

use metaparticle_protocol::{Name, Uid, shard::Slot};

use super::{Sharer, app::resource, slots, wire};
use crate::{monitor::Violation, world::World};

/// Every slot is served by its owner, nothing moves, and the living share evenly.
///
/// # Errors
/// If not.
pub fn slots_settled(world: &World<Sharer>) -> Result<(), Violation> {
    let stuck = |text: String| Err(Violation::Stuck(text));
    for slot in 0..slots(world.plan()) {
        let name = Name::from(resource(Slot(slot)));
        if world
            .monitor()
            .holders(world.clocks(), &name)
            .next()
            .is_none()
        {
            return stuck(format!("nobody serves slot {slot}"));
        }
    }
    let stored = world.store().object(&wire::MAP.into());
    let Some(map) = stored.and_then(|object| wire::map(&object.lease)) else {
        return stuck("there is no map".to_owned());
    };
    let mut sizes: BTreeMap<&Uid, u32> = BTreeMap::new();
    for (slot, entry) in map.entries() {
        match (entry.owner, entry.to) {
            (Some(owner), None) => *sizes.entry(&owner.uid).or_default() += 1,
            (None, _) => return stuck(format!("nobody owns slot {slot}")),
            (Some(_), Some(_)) => return stuck(format!("slot {slot} still moves")),
        }
    }
    let most = sizes.values().max().copied().unwrap_or_default();
    let least = sizes.values().min().copied().unwrap_or_default();
    if most > least + 1 {
        return stuck(format!("shares from {least} to {most}"));
    }
    Ok(())
}
