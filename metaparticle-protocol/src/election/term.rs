//! [`Term`]: one term, from the acknowledged acquisition to its end.

use std::sync::Arc;

use super::{io::TermId, marks};
use crate::{
    lease::{Identity, Lease, Stamp, Token, Uid, Version},
    moment::Moment,
    validity::Validity,
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Term {
    pub(super) id: TermId,
    pub(super) token: Token,
    pub(super) uid: Uid,
    /// Of our record as it is now: what the next write relies on.
    pub(super) version: Version,
    pub(super) transitions: u32,
    pub(super) acquired: Option<Stamp>,
    pub(super) validity: Validity,
    /// When the next renewal is due.
    pub(super) renew: Moment,
    pub(super) mode: Mode,
    /// The work has returned and the permits are dropped.
    pub(super) idle: bool,
    /// The server contradicted a write: read first (W5).
    pub(super) confirm: bool,
    /// Who was named to follow.
    pub(super) to: Option<Arc<str>>,
    /// Who was offered the Lease last.
    pub(super) offered: Option<Identity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mode {
    /// The guard is valid.
    Leading,
    /// The guard is invalid; permits may live until then.
    Draining { until: Moment },
    /// Permits outlived the drain: no renewal, and no release ever (E4).
    Expiring,
    /// Nothing of the term lives but the record.
    Offering,
}

impl Term {
    pub(super) fn new(
        id: TermId,
        token: Token,
        lease: &Lease,
        validity: Validity,
        renew: Moment,
    ) -> Self {
        Self {
            id,
            token,
            uid: lease.uid.clone(),
            version: lease.version,
            transitions: lease.spec.transitions,
            acquired: lease.spec.acquired,
            validity,
            renew,
            mode: Mode::Leading,
            idle: false,
            confirm: false,
            to: None,
            offered: None,
        }
    }

    /// Whether a state of the Lease is this term's: own identity, uid and token (W5).
    pub(super) fn is_in(&self, lease: &Lease, me: &Identity) -> bool {
        lease.uid == self.uid
            && lease.spec.holder.as_ref() == Some(me)
            && marks::token(lease) == Some(self.token)
    }

    pub(super) fn renews(&self) -> bool {
        matches!(self.mode, Mode::Leading | Mode::Draining { .. })
    }

    /// When the next write is due.
    pub(super) fn due(&self, rest: Moment) -> Option<Moment> {
        match self.mode {
            Mode::Leading | Mode::Draining { .. } => Some(self.renew),
            Mode::Offering => Some(rest),
            Mode::Expiring => None,
        }
    }

    /// When something is due, if a request may be sent or not.
    pub(super) fn wake(&self, may_send: bool, rest: Moment) -> Option<Moment> {
        let drained = match self.mode {
            Mode::Draining { until } => Some(until),
            _ => None,
        };
        let send = self.due(rest).filter(|_| may_send);
        [Some(self.validity.deadline()), drained, send]
            .into_iter()
            .flatten()
            .min()
    }
}
