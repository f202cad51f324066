//! [`Observed`]: what is seen of the election's Lease, and since when (T2, E5).

use std::time::Duration;

use super::marks::Mark;
use crate::{
    api::Sight,
    lease::{Identity, Lease, Version},
    moment::Moment,
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Observed {
    /// As it was seen last; `None` also before anything was seen.
    pub(super) lease: Option<Lease>,
    /// Of the newest of what was seen: what is older is no news (W4).
    pub(super) version: Version,
    /// Since when its spec is unchanged, on our clock, with no gap in what we see.
    pub(super) since: Moment,
    /// Whether a watch shows it.
    pub(super) sighted: bool,
    /// The server contradicted what was seen: nothing is done before it is seen anew (W5).
    pub(super) contradicted: bool,
    /// An empty holder's predecessor was seen to have this duration (E5).
    replaced: Option<Duration>,
    /// When its holder was proved to have ended (P1).
    pub(super) ended: Option<Moment>,
}

impl Observed {
    pub(super) fn holder(&self) -> Option<&Identity> {
        self.lease.as_ref()?.spec.holder.as_ref()
    }

    /// A state of the Lease, newer than what was seen before.
    pub(super) fn is(&mut self, now: Moment, lease: Lease) {
        let old = self.lease.as_ref().filter(|old| old.uid == lease.uid);
        if old.map(|old| &old.spec) != Some(&lease.spec) {
            self.replaced = match (&lease.spec.holder, old.map(|old| &old.spec)) {
                (None, Some(old)) if old.holder.is_some() => old.duration,
                (None, Some(_)) => self.replaced,
                _ => None,
            };
            self.since = now;
        }
        self.now_is(lease);
    }

    /// There is none.
    pub(super) fn is_absent(&mut self, now: Moment, version: Version) {
        if self.lease.take().is_some() {
            self.since = now;
        }
        self.version = self.version.max(version);
        (self.contradicted, self.replaced, self.ended) = (false, None, None);
    }

    /// A watch begins, after a gap in which anything may have happened: every timer starts again (T2), and what an empty
    /// holder replaced is not known, unless it was seen.
    pub(super) fn begins(
        &mut self,
        now: Moment,
        lease: Option<Lease>,
        version: Version,
        goes_on: bool,
    ) {
        let same = match (&self.lease, &lease) {
            (Some(old), Some(new)) => old.uid == new.uid && old.spec == new.spec,
            _ => false,
        };
        if !same {
            self.replaced = None;
        }
        if !(same && goes_on) {
            self.since = now;
        }
        self.sighted = true;
        if let Some(lease) = lease {
            self.now_is(lease);
        } else {
            (self.lease, self.ended) = (None, None);
            self.version = version;
            self.contradicted = false;
        }
    }

    fn now_is(&mut self, lease: Lease) {
        if self.holder() != lease.spec.holder.as_ref() {
            self.ended = None;
        }
        self.version = lease.version;
        self.contradicted = false;
        self.lease = Some(lease);
    }

    /// From when on it may be taken, if nothing changes: its holder is gone, or was never there.
    pub(super) fn free(&self, me: &Identity, configured: Duration, always: bool) -> Moment {
        let Some(lease) = &self.lease else {
            return self.since;
        };
        let spec = &lease.spec;
        match &spec.holder {
            Some(holder) if holder == me => self.since,
            Some(_) => {
                let expired = self.since + spec.duration.unwrap_or(configured);
                self.ended.map_or(expired, |ended| ended.min(expired))
            }
            None if always => self.since,
            None => match Mark::of(lease) {
                Some(Mark::Created | Mark::Released) => self.since,
                _ => self.since + self.replaced.unwrap_or(configured),
            },
        }
    }
}

/// The Lease of that name in a list, for watches by name.
pub(super) fn only(leases: Vec<Lease>) -> Option<Lease> {
    leases.into_iter().next()
}

/// The Lease in an event that shows one.
pub(super) fn shown(sight: &Sight) -> Option<&Lease> {
    match sight {
        Sight::Added(lease) | Sight::Modified(lease) | Sight::Deleted(lease) => Some(lease),
        Sight::Listed(leases, _) => leases.first(),
        Sight::Lost => None,
    }
}
