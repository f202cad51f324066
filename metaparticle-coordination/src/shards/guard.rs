//! [`Guard`]: the right to act for a key, as long as its slot is owned here.

use std::{fmt, sync::Arc, time::Duration};

use metaparticle_protocol::{Name, Token, fence::Kind, shard::Slot};

use super::Place;
use crate::{
    fence::Fence,
    lost::Lost,
    word::{Held, Permit},
};

/// The right to act for a key, as long as its slot is owned here. It keeps nobody waiting: [`permit`](Self::permit) does.
#[derive(Clone)]
pub struct Guard {
    pub(super) map: Name,
    pub(super) slot: Slot,
    pub(super) token: Token,
    pub(super) held: Held,
}

impl Guard {
    /// The slot of the key.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The fencing token: higher than that of every earlier owner of the slot, unless somebody deleted or edited the map.
    /// Comparable within one slot only.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token.0
    }

    /// Whether the slot is still owned here. Two clock reads and an atomic load; asks nobody.
    ///
    /// # Errors
    /// [`Lost`], for ever after: [`Lost::Moved`] from the moment on at which the slot begins to move.
    pub fn check(&self) -> Result<(), Lost> {
        self.held.check()
    }

    /// How long it stays valid if the API server is not heard of any more; zero if it is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.held.remaining()
    }

    /// Waits until the slot is lost, or begins to move, and says why.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn lost(&self) -> Lost {
        self.held.lost().await
    }

    /// Runs `work` while the slot is owned, and drops it as soon as it is not.
    ///
    /// # Errors
    /// [`Lost`], if the slot was lost before `work` ended, also if only by a moment.
    ///
    /// # Cancel safety
    /// As cancel safe as `work`.
    pub async fn guarded<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        self.held.guarded(work).await
    }

    /// A permit, for work that must not be cut off when the slot moves: it moves when all of them are dropped, or at the
    /// [drain's](super::Builder::drain) deadline.
    ///
    /// # Errors
    /// [`Lost`], if the slot is lost or moving already.
    pub fn permit(&self) -> Result<Permit, Lost> {
        self.held.permit()
    }

    /// What makes the API server refuse the writes of an owner that was deposed: see [`fence`](crate::fence). For objects
    /// that belong to one key.
    #[must_use]
    pub fn fence(&self) -> Fence {
        Fence::new(Kind::Shard, self.map.clone(), self.token, self.held.clone())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("slot", &self.slot)
            .field("token", &self.token)
            .field("valid", &self.check())
            .finish_non_exhaustive()
    }
}

/// A key that cannot be acted for here, now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotOwned {
    /// Another process owns it.
    #[error("slot {slot} belongs to `{pod}`")]
    Elsewhere {
        /// The slot of the key.
        slot: Slot,
        /// The name of the owner's pod.
        pod: Arc<str>,
    },
    /// It was owned here, and moves to another process.
    #[error("slot {slot} moves to another process")]
    Moving {
        /// The slot of the key.
        slot: Slot,
    },
    /// Nobody owns it at present: its owner died a short while ago, or nobody has come yet.
    #[error("nobody owns slot {slot} at present")]
    Nobody {
        /// The slot of the key.
        slot: Slot,
    },
    /// It is owned here, as the map says, and nothing proves it at present: the API server is away (M5).
    #[error("nothing proves at present that slot {slot} is still owned here")]
    Unproven {
        /// The slot of the key.
        slot: Slot,
    },
    /// No map was read yet, or there is none.
    #[error("there is no map of shards yet")]
    NoMap,
}

impl NotOwned {
    pub(super) fn of(slot: Slot, place: Place) -> Self {
        match place {
            Place::Peer(peer) => Self::Elsewhere {
                slot,
                pod: peer.pod,
            },
            Place::Draining => Self::Moving { slot },
            Place::Nobody => Self::Nobody { slot },
            Place::Here | Place::Unproven => Self::Unproven { slot },
            Place::NoMap => Self::NoMap,
        }
    }
}
