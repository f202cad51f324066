//! What is to change in the map: assignments, commits, cancellations, and the next wave of moves (M1, M4, M6, M7).

use std::{collections::BTreeSet, sync::Arc};

use super::{Assigner, Back, COALESCE, GRACE, Placement};
use crate::{
    Moment, Uid, Version,
    shard::{
        bucket::RESERVE,
        map::{Entry, Map, Peer, Slot},
        roster::Life,
    },
};

/// What one slot needs.
enum Need<'a> {
    Nothing,
    /// It is nobody's, or a dead one's: it goes to this one.
    Assign(&'a Peer),
    /// Its owner has acknowledged.
    Commit,
    /// Its target is dead.
    Cancel,
    /// It is to move there.
    Prepare(&'a Peer),
}

impl Assigner {
    /// The next map, if it is time to write one. Says in `next` when to look again.
    pub(super) fn changes(
        &mut self,
        now: Moment,
        uid: &Uid,
        version: Version,
        map: &Map,
    ) -> Option<Map> {
        for peer in map.peers() {
            if self.roster.sighted && self.roster.life(&peer.uid) == Life::Unknown {
                self.roster.look_up(now, peer);
                self.again(now);
            }
        }
        let gives = self.gives(now, uid);
        let settled = self.is_settled(now);
        let placement = self.placement(map);
        let term = self.term?.token;
        let mut edit = map.edit(version, term, self.mutants);
        let mut late = BTreeSet::new();
        let mut is_urgent = false;
        let mut commits = false;
        let mut wave = Vec::new();
        for (slot, entry) in map.entries() {
            if let Some(owner) = entry.owner
                && self.is_late(now, slot, &entry)
                && self.roster.life(&owner.uid) == Life::Living
            {
                late.insert(owner.uid.clone());
            }
            match self.need(slot, &entry, (gives, settled), placement.as_deref()) {
                Need::Nothing => {}
                Need::Assign(peer) => {
                    edit.assign(slot, peer);
                    is_urgent = true;
                }
                Need::Cancel => {
                    edit.cancel(slot);
                    is_urgent = true;
                }
                Need::Commit => {
                    edit.commit(slot);
                    commits = true;
                }
                Need::Prepare(to) => wave.push((slot, to)),
            }
        }
        self.revoke(now, &late);
        if !commits {
            self.gather = None;
        }
        let gathered = commits && now >= *self.gather.get_or_insert(now + COALESCE);
        let begins = !wave.is_empty() && self.bucket.has(now, 1 + RESERVE);
        let writes = self.bucket.has(now, 1) && (is_urgent || gathered || begins);
        if !writes {
            if !wave.is_empty() {
                self.again(self.bucket.when(1 + RESERVE));
            }
            if is_urgent {
                self.again(self.bucket.when(1));
            } else if let Some(gather) = self.gather.filter(|_| commits) {
                self.again(self.bucket.when(1).max(gather));
            }
            return None;
        }
        if begins {
            for (slot, to) in wave.iter().take(map.slots().wave() as usize) {
                edit.prepare(*slot, to);
            }
        }
        self.gather = None;
        Some(edit.finish())
    }

    fn again(&mut self, at: Moment) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Whether what nobody owns may be given: it is known to be nobody's for long enough (M7).
    fn gives(&mut self, now: Moment, uid: &Uid) -> bool {
        if self.waited.as_ref() == Some(uid) {
            return true;
        }
        if !self.roster.sighted {
            return false;
        }
        let since = self.first.as_ref().map_or(now, |(_, since)| *since);
        let end = since + self.roster.longest();
        if now >= end {
            self.waited = Some(uid.clone());
            return true;
        }
        self.again(end);
        false
    }

    /// Whether those who were cut off when this one was could come back since, under new sessions: after an outage their
    /// slots are to be where they were (T2).
    fn is_settled(&mut self, now: Moment) -> bool {
        let since = match self.back {
            Back::Always => self.roster.sighted_since(),
            Back::No => return false,
            Back::Since(back) => back.max(self.roster.sighted_since()),
        };
        let end = since + self.config.budget.renew_every;
        if now < end {
            self.again(end);
        }
        now >= end
    }

    /// Where slots are to be; `None` if nobody may own any.
    fn placement(&mut self, map: &Map) -> Option<Arc<Placement>> {
        if let Some(plan) = &self.plan {
            return Some(Arc::clone(plan));
        }
        let candidates = self.roster.candidates();
        let most = map.slots().peers().min(map.slots().number() as usize);
        let pods: Vec<_> = candidates
            .keys()
            .take(most)
            .map(|pod| Arc::clone(pod))
            .collect();
        if pods.is_empty() {
            return None;
        }
        let peers = candidates.values().take(most);
        let peers: Vec<_> = peers.map(|peer| (*peer).clone()).collect();
        let index = |peer: &Peer| {
            let index = pods.binary_search(&peer.pod).ok()?;
            u16::try_from(index).ok()
        };
        let present = map.entries();
        let present = present.map(|(_, entry)| entry.to.or(entry.owner).and_then(index));
        let present: Vec<_> = present.collect();
        let slots = self.config.planner.plan(&pods, &present);
        let plan = Arc::new(Placement { peers, slots });
        self.plan = Some(Arc::clone(&plan));
        Some(plan)
    }

    fn need<'a>(
        &self,
        slot: Slot,
        entry: &Entry<'_>,
        (gives, settled): (bool, bool),
        placement: Option<&'a Placement>,
    ) -> Need<'a> {
        let planned = placement.and_then(|placement| {
            let index = placement.slots.get(slot.0 as usize)?;
            placement.peers.get(usize::from(*index))
        });
        let assign = planned.map_or(Need::Nothing, Need::Assign);
        let Some(owner) = entry.owner else {
            return if gives { assign } else { Need::Nothing };
        };
        let life = self.roster.life(&owner.uid);
        match entry.to {
            _ if life == Life::Dead => match planned {
                // It is back, or others had time to come back.
                Some(to) if settled || to.pod == owner.pod => assign,
                _ => Need::Nothing,
            },
            // To cancel is safe whether or not it is dead.
            Some(to) if matches!(self.roster.life(&to.uid), Life::Dead | Life::Dying) => {
                Need::Cancel
            }
            Some(_) => {
                let acks = self.roster.acks(&owner.uid);
                let said =
                    |acks: &crate::shard::Acks| acks.say(slot, entry.generation, self.mutants);
                if acks.is_some_and(said) {
                    Need::Commit
                } else {
                    Need::Nothing
                }
            }
            None => match planned {
                Some(to) if to.uid != owner.uid && life == Life::Living => Need::Prepare(to),
                _ => Need::Nothing,
            },
        }
    }

    /// Whether its owner should have acknowledged (M6).
    fn is_late(&mut self, now: Moment, slot: Slot, entry: &Entry<'_>) -> bool {
        let Some((_, since)) = self.moving.get(&slot) else {
            return false;
        };
        let until = *since + self.config.drain + GRACE;
        let said = entry.owner.is_some_and(|owner| {
            let acks = self.roster.acks(&owner.uid);
            acks.is_some_and(|acks| acks.say(slot, entry.generation, self.mutants))
        });
        if said || !self.roster.sighted {
            return false;
        }
        if now < until {
            self.again(until);
        }
        now >= until
    }

    /// Takes the sessions of those who are late (S4).
    fn revoke(&mut self, now: Moment, late: &BTreeSet<Uid>) {
        self.roster.spare_all_but(late);
        for uid in late {
            if self.roster.revoke(now, uid) {
                self.again(now);
            }
        }
    }
}
