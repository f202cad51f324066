//! What changed hands between two maps.

use super::ShardMap;
use crate::{Error, Node, NodeId, Slot};

/// A slot that has another owner than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move<'a> {
    /// Which slot.
    pub slot: Slot,
    /// Who had it.
    pub from: &'a Node,
    /// Who has it now.
    pub to: &'a Node,
}

pub(super) fn between<'a>(
    before: &'a ShardMap,
    after: &'a ShardMap,
) -> Result<impl Iterator<Item = Move<'a>>, Error> {
    let (left, right) = (before.slots().count(), after.slots().count());
    if left != right {
        return Err(Error::OtherSlots { left, right });
    }
    let renumbered = before.members.renumbered(&after.members);
    let owners = before.owners.iter().zip(&after.owners).enumerate();
    Ok(owners.filter_map(move |(slot, (old, new))| {
        let stays = renumbered[usize::from(*old)] == Some(*new);
        (!stays).then(|| Move {
            slot: Slot::new(slot),
            from: before.node(NodeId(*old)),
            to: after.node(NodeId(*new)),
        })
    }))
}
