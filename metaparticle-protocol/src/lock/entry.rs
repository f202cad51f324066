//! [`Entry`]: how far one acquisition has come. [`Leaving`]: a ticket that is to go.

use std::collections::BTreeSet;

use super::{Guard, Kind};
use crate::{Name, Uid, Version};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    base: Name,
    /// Which try: each has a name of its own (L1).
    attempt: u32,
    pub(super) lock: Name,
    pub(super) kind: Kind,
    pub(super) once: bool,
    /// Its ticket vanished: the session must show that it lives before the next.
    pub(super) doubts: bool,
    pub(super) stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// To be posted.
    Waiting,
    /// Posted, unanswered.
    Posting {
        /// The watch that ran when it was sent still runs.
        fresh: bool,
        /// An earlier POST of this name was not answered.
        unsure: bool,
        /// The request is under way; else it is to be sent again.
        flying: bool,
    },
    /// Created; its ADDED is yet to come in the same watch.
    Made { created: Option<(Uid, Version)> },
    /// Created, and its ADDED is missed: the order comes from an exact list (L2).
    Missed {
        uid: Uid,
        created: Version,
        exact: Option<BTreeSet<Uid>>,
        flying: bool,
    },
    /// In its place.
    Queued {
        uid: Uid,
        created: Version,
        /// The predecessors that live. Only ever fewer.
        ahead: BTreeSet<Uid>,
        /// The caller was told that this process holds what it waits for.
        warned: bool,
    },
    /// Held.
    Held { uid: Uid },
    /// Lost. The ticket stays until the caller has let go.
    Spent { uid: Uid },
    /// Withdrawn while the POST is under way.
    Withdrawn,
}

impl Entry {
    pub(super) const fn new(base: Name, lock: Name, kind: Kind, once: bool) -> Self {
        Self {
            base,
            attempt: 0,
            lock,
            kind,
            once,
            doubts: false,
            stage: Stage::Waiting,
        }
    }

    /// The name of the present try.
    pub(super) fn name(&self) -> Name {
        match self.attempt {
            0 => self.base.clone(),
            attempt => format!("{}-{attempt}", self.base).into(),
        }
    }

    /// Begins anew, under a new name.
    pub(super) fn again(&mut self) {
        self.attempt += 1;
        self.stage = Stage::Waiting;
    }

    /// Its ticket, once its uid is known.
    pub(super) const fn uid(&self) -> Option<&Uid> {
        match &self.stage {
            Stage::Made {
                created: Some((uid, _)),
            }
            | Stage::Missed { uid, .. }
            | Stage::Queued { uid, .. }
            | Stage::Held { uid }
            | Stage::Spent { uid } => Some(uid),
            Stage::Waiting
            | Stage::Posting { .. }
            | Stage::Made { created: None }
            | Stage::Withdrawn => None,
        }
    }

    /// Whether a ticket of this name, with a uid yet unknown, is its own.
    pub(super) fn may_be(&self, name: &Name) -> bool {
        self.uid().is_none() && self.stage != Stage::Waiting && self.name() == *name
    }

    pub(super) const fn is_spent(&self) -> bool {
        matches!(self.stage, Stage::Spent { .. })
    }

    /// Whether somebody waits for it.
    pub(super) const fn is_wanted(&self) -> bool {
        !matches!(
            self.stage,
            Stage::Held { .. } | Stage::Spent { .. } | Stage::Withdrawn
        )
    }
}

/// A ticket that is deleted until its DELETED is seen (L4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaving {
    pub(super) name: Name,
    /// A version in which it existed.
    pub(super) existed: Version,
    /// Who is told when it is gone.
    pub(super) guard: Option<Guard>,
    pub(super) flying: bool,
    pub(super) acknowledged: bool,
    /// With a mutant: it is still relied on.
    pub(super) relied_on: bool,
}
