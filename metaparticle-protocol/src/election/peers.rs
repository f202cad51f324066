//! [`Peers`]: the candidates as the leader sees them, and who is to follow it (E4, E6).
//!
//! Nothing here is safe or unsafe: a successor that is dead or hangs costs the second for which an offer stands.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use crate::{
    api::{Request, Sight},
    lease::{Identity, Lease, Name, key},
    moment::Moment,
};

/// A candidate renews its candidate Lease so often.
pub(super) const EVERY: Duration = Duration::from_secs(60);
/// Unchanged for so long, it is passed over.
pub(super) const FRESH: Duration = Duration::from_secs(150);
/// Unchanged for so long, it is deleted.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Peers {
    seen: BTreeMap<Name, Peer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    lease: Lease,
    changed: Moment,
    /// It was only listed: it may be long gone.
    unproven: bool,
}

impl Peers {
    pub(super) fn saw(&mut self, now: Moment, sight: Sight) {
        match sight {
            Sight::Listed(leases, _) => {
                let mut before = std::mem::take(&mut self.seen);
                for lease in leases {
                    let known = before
                        .remove(&lease.name)
                        .filter(|peer| peer.lease == lease);
                    self.seen.insert(
                        lease.name.clone(),
                        known.unwrap_or(Peer {
                            lease,
                            changed: now,
                            unproven: true,
                        }),
                    );
                }
            }
            Sight::Added(lease) | Sight::Modified(lease) => {
                let peer = Peer {
                    changed: now,
                    unproven: false,
                    lease,
                };
                self.seen.insert(peer.lease.name.clone(), peer);
            }
            Sight::Deleted(lease) => {
                self.seen.remove(&lease.name);
            }
            Sight::Lost => {}
        }
    }

    /// Who is fresh, best first: by priority, then by name, so that it is the same one each time. Not `me`, and not who was
    /// just deposed because it was gone, unless it has shown itself since.
    pub(super) fn fresh(
        &self,
        now: Moment,
        me: &Identity,
        deposed: Option<&Identity>,
    ) -> Vec<Identity> {
        let mut fresh: Vec<_> = self
            .seen
            .values()
            .filter(|peer| now.since(peer.changed) < FRESH)
            .filter_map(|peer| Some((peer.lease.spec.holder.as_ref()?, peer)))
            .filter(|(who, peer)| *who != me && !(peer.unproven && Some(*who) == deposed))
            .map(|(who, peer)| (Reverse(priority(&peer.lease)), who))
            .collect();
        fresh.sort();
        fresh.into_iter().map(|(_, who)| who.clone()).collect()
    }

    /// One candidate Lease that was left behind, to be deleted; forgotten here.
    pub(super) fn left_behind(&mut self, now: Moment, own: Option<&Name>) -> Option<Request> {
        let name = self
            .seen
            .iter()
            .find(|(name, peer)| now.since(peer.changed) >= LEFT_BEHIND && Some(*name) != own)
            .map(|(name, _)| name.clone())?;
        let lease = self.seen.remove(&name)?.lease;
        Some(Request::Delete {
            name,
            uid: lease.uid,
            version: Some(lease.version),
        })
    }
}

/// Whether `who` has this identity, or is the process of the pod of that name.
pub(super) fn is(who: &Identity, named: &str) -> bool {
    let rest = who.as_str().strip_prefix(named);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// A list of candidates, in the order in which they may act.
pub(super) fn order(leases: &[Lease]) -> Vec<Identity> {
    let mut order: Vec<_> = leases
        .iter()
        .filter_map(|lease| Some((Reverse(priority(lease)), lease.spec.holder.as_ref()?)))
        .collect();
    order.sort();
    order.into_iter().map(|(_, who)| who.clone()).collect()
}

fn priority(lease: &Lease) -> i32 {
    let written = lease.annotations.get(key::PRIORITY);
    written.and_then(|text| text.parse().ok()).unwrap_or(0)
}
