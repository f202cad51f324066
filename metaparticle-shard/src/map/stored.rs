//! A map as it is kept or sent: what is read is checked before it is a map.

use serde::{Deserialize, Serialize};

use super::ShardMap;
use crate::{Error, Layout, Members, Node, Slots};

/// Of the stored form, and of the hash that the slots of keys come from.
pub(crate) const FORMAT: &str = "slots/1 rapidhash/3";

#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    format: String,
    replicas: u8,
    /// In the order of names.
    nodes: Vec<Node>,
    /// Of each slot, the place in `nodes`.
    owners: Vec<u16>,
}

impl From<ShardMap> for Stored {
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 replicas")]
    fn from(map: ShardMap) -> Self {
        Self {
            format: FORMAT.to_owned(),
            replicas: map.replicas as u8,
            nodes: map.members.nodes().to_vec(),
            owners: map.owners.into(),
        }
    }
}

impl TryFrom<Stored> for ShardMap {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        if stored.format != FORMAT {
            return Err(Error::Format(stored.format));
        }
        let count = u32::try_from(stored.owners.len()).unwrap_or(u32::MAX);
        let slots = Slots::try_new(count)?;
        let replicas = Layout::replicas_within(stored.replicas)?;
        let members = Members::try_new(stored.nodes.iter().cloned())?;
        // Nodes that do not stand in the order of names are found by name.
        let place = |node: &Node| members.id(node.name()).map(|id| id.0);
        let places: Vec<Option<u16>> = stored.nodes.iter().map(place).collect();
        let owner = |(slot, node): (usize, &u16)| {
            let place = places.get(usize::from(*node)).copied().flatten();
            place
                .filter(|id| members.nodes()[usize::from(*id)].weight() > 0)
                .ok_or(Error::Owner { slot, node: *node })
        };
        let owners: Result<Vec<_>, _> = stored.owners.iter().enumerate().map(owner).collect();
        Layout::fits(slots, &members)?;
        Ok(Self::new(owners?.into(), members, replicas))
    }
}
