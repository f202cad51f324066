//! [`Roster`]: the sessions of all processes, as an assigner and every candidate for it sees them; who may own slots, what is
//! acknowledged, and the death of owners, which is one write and not an opinion (rules S2, S4, P1, T2).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{acks::Acks, map::Peer};
use crate::{
    Budget, Call, Identity, Lease, Moment, Mutants, Name, Reply, Request, Rollback, Sight, Spec,
    Uid, Version,
    lease::{Draft, When, key},
    mutant::Mutant,
    session::REVOKED,
};

/// All sessions that are seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Roster {
    map: Name,
    by: Identity,
    budget: Budget,
    mutants: Mutants,
    seen: BTreeMap<Uid, Seen>,
    /// Known to be dead, by an acknowledgement.
    dead: BTreeSet<Uid>,
    /// Whether the watch shows what happens.
    pub(super) sighted: bool,
    /// Since when.
    since: Moment,
    /// The longest of all durations seen (M7).
    longest: Duration,
    rollback: Rollback,
    /// Something changed that a plan rests on.
    pub(super) changed: bool,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    name: Name,
    version: Version,
    spec: Spec,
    annotations: BTreeMap<&'static str, Arc<str>>,
    /// Since when it has this spec, on our clock.
    since: Moment,
    /// Its spec was unchanged for its whole duration.
    expired: bool,
    /// Its process was proven to have ended (P1).
    proven: bool,
    revoke: Revoke,
    /// A map names it.
    named: bool,
    peer: Option<Peer>,
    acks: Acks,
    flight: Option<Call>,
    next: Option<(Moment, Step)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Revoke {
    No,
    /// Wanted; what it is like now is being read.
    Asked,
    /// It was read: if it is still wanted, it is done.
    Read,
    Wanted,
    Done,
}

/// What is asked about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Read,
    Bury,
    Revoke,
}

/// What is known of the life of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    /// It may own.
    Living,
    /// It lives, as far as is acknowledged, and not for long: nothing is moved from it or to it.
    Dying,
    /// It is dead: what it owned is free.
    Dead,
    /// Nobody knows: it must be looked up.
    Unknown,
}

impl Roster {
    pub(super) fn new(map: Name, by: Identity, budget: Budget, mutants: Mutants) -> Self {
        Self {
            map,
            by,
            budget,
            mutants,
            seen: BTreeMap::new(),
            dead: BTreeSet::new(),
            sighted: false,
            since: Moment::default(),
            longest: budget.lease,
            rollback: Rollback::default(),
            changed: false,
        }
    }

    /// How long nobody may own what nobody is known to own (M7).
    pub(super) const fn longest(&self) -> Duration {
        self.longest
    }

    /// Since when the watch shows what happens.
    pub(super) const fn sighted_since(&self) -> Moment {
        self.since
    }

    /// Who may own slots: one of each pod, the one that began last.
    pub(super) fn candidates(&self) -> BTreeMap<&Arc<str>, &Peer> {
        let mut best: BTreeMap<&Arc<str>, (&Seen, &Peer)> = BTreeMap::new();
        for seen in self.seen.values().filter(|seen| seen.is_candidate()) {
            let Some(peer) = &seen.peer else { continue };
            let later = |other: &(&Seen, &Peer)| {
                (seen.spec.acquired, &peer.uid) > (other.0.spec.acquired, &other.1.uid)
            };
            if best.get(&peer.pod).is_none_or(later) {
                best.insert(&peer.pod, (seen, peer));
            }
        }
        let each = best.into_iter();
        each.map(|(pod, (_, peer))| (pod, peer)).collect()
    }

    /// Those that the map names and that may live, with the container that their process runs in, if they say (P1).
    pub(super) fn suspects(&self) -> impl Iterator<Item = (&Uid, &Arc<str>)> {
        let named = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.named && !seen.proven);
        named.filter_map(|(uid, seen)| Some((uid, seen.annotations.get(key::CONTAINER)?)))
    }

    pub(super) fn life(&self, uid: &Uid) -> Life {
        match self.seen.get(uid) {
            Some(seen) if seen.is_dying() => Life::Dying,
            Some(_) => Life::Living,
            None if self.dead.contains(uid) => Life::Dead,
            None => Life::Unknown,
        }
    }

    /// What that session acknowledges.
    pub(super) fn acks(&self, uid: &Uid) -> Option<&Acks> {
        self.seen.get(uid).map(|seen| &seen.acks)
    }

    /// The map names these: their death matters, and the dead that nothing names are forgotten.
    pub(super) fn named(&mut self, named: &BTreeSet<&Uid>) {
        self.dead.retain(|uid| named.contains(uid));
        for (uid, seen) in &mut self.seen {
            seen.named = named.contains(uid);
        }
    }

    /// A map names this session, and the watch does not show it.
    pub(super) fn look_up(&mut self, now: Moment, peer: &Peer) {
        let seen = Seen {
            name: peer.session.clone(),
            version: Version(0),
            spec: Spec::default(),
            annotations: BTreeMap::new(),
            since: now,
            expired: false,
            proven: false,
            revoke: Revoke::No,
            named: true,
            peer: None,
            acks: Acks::default(),
            flight: None,
            next: Some((now, Step::Read)),
        };
        self.seen.entry(peer.uid.clone()).or_insert(seen);
    }

    pub(super) fn proven(&mut self, uid: &Uid) {
        if let Some(seen) = self.seen.get_mut(uid) {
            seen.proven = true;
            self.changed = true;
        }
    }

    /// It does not acknowledge in time (M6): it is to be taken from its holder (S4), unless a read shows that it has.
    /// Answers whether there is something to send.
    pub(super) fn revoke(&mut self, now: Moment, uid: &Uid) -> bool {
        let Some(seen) = self.seen.get_mut(uid) else {
            return false;
        };
        let (next, step) = match seen.revoke {
            Revoke::No => (Revoke::Asked, Step::Read),
            Revoke::Read => (Revoke::Wanted, Step::Revoke),
            Revoke::Asked | Revoke::Wanted | Revoke::Done => return false,
        };
        seen.revoke = next;
        seen.next = Some((now, step));
        true
    }

    /// Of these alone revocation is still wanted.
    pub(super) fn spare_all_but(&mut self, late: &BTreeSet<Uid>) {
        for (uid, seen) in &mut self.seen {
            if seen.revoke == Revoke::Read && !late.contains(uid) {
                seen.revoke = Revoke::No;
            }
        }
    }

    /// What time alone brings about.
    pub(super) fn pass(&mut self, now: Moment) {
        if !self.sighted {
            return;
        }
        for seen in self.seen.values_mut().filter(|seen| !seen.expired) {
            let expiry = seen.expiry(&self.budget, self.mutants);
            if now < expiry {
                continue;
            }
            // We slept over it, and have yet to see what happened meanwhile: the count starts again (T2).
            let late = now.since(expiry) > seen.duration(&self.budget) / 3;
            if late && !self.mutants.has(Mutant::LostWatchBlindness) {
                seen.since = now;
            } else {
                seen.expired = true;
                self.changed = true;
            }
        }
    }

    /// When time alone brings something about; or, if it `leads`, when something is to be sent.
    pub(super) fn wake(&self, leads: bool) -> Option<Moment> {
        let expiries = self.seen.values().filter(|seen| !seen.expired);
        let expiries = expiries.map(|seen| seen.expiry(&self.budget, self.mutants));
        let expiry = expiries.filter(|_| self.sighted).min();
        let sends = self.seen.values().filter(|seen| seen.flight.is_none());
        let send = sends.filter_map(|seen| seen.next.map(|(at, _)| at)).min();
        expiry.into_iter().chain(send.filter(|_| leads)).min()
    }

    /// What is to be asked now.
    pub(super) fn due(&mut self, now: Moment) -> Vec<(Uid, Step)> {
        let mut due = Vec::new();
        let mut gone = Vec::new();
        for (uid, seen) in &mut self.seen {
            if seen.flight.is_some() || seen.version == Version(0) && seen.next.is_none() {
                continue;
            }
            let owns = seen.named || seen.peer.is_some();
            let step = match seen.next {
                Some((at, step)) => (now >= at).then_some(step),
                None => ((seen.expired || seen.proven) && owns).then_some(Step::Bury),
            };
            match step {
                Some(Step::Bury) if self.mutants.has(Mutant::ExpiryByOpinion) => {
                    gone.push(uid.clone());
                }
                Some(step) => due.push((uid.clone(), step)),
                None => {}
            }
        }
        for uid in gone {
            self.buried(&uid);
        }
        due
    }

    /// That question, which leaves under the name `call`.
    pub(super) fn request(&mut self, uid: &Uid, step: Step, call: Call) -> Option<Request> {
        let by = format!("{REVOKED}{}", self.by);
        let seen = self.seen.get_mut(uid)?;
        seen.flight = Some(call);
        seen.next = None;
        let name = seen.name.clone();
        let has_version = !self.mutants.has(Mutant::DeleteWithoutVersion);
        Some(match step {
            Step::Read => Request::Get { name },
            Step::Bury => Request::Delete {
                name,
                uid: uid.clone(),
                version: Some(seen.version).filter(|_| has_version),
            },
            Step::Revoke => Request::Update {
                name,
                uid: uid.clone(),
                version: seen.version,
                draft: Draft {
                    holder: Some(by.into()),
                    duration: seen.duration(&self.budget),
                    acquired: When::Kept(seen.spec.acquired),
                    renewed: When::Kept(seen.spec.renewed),
                    transitions: seen.spec.transitions,
                    annotations: seen.annotations.clone(),
                    labels: BTreeMap::new(),
                    owner: None,
                },
            },
        })
    }

    /// An answer came.
    pub(super) fn answered(&mut self, now: Moment, uid: &Uid, step: Step, reply: Reply) {
        let Some(seen) = self.seen.get_mut(uid) else {
            return;
        };
        seen.flight = None;
        let again = now + self.budget.retry;
        match (step, reply) {
            (_, Reply::Absent) | (Step::Bury, Reply::Deleted) => self.buried(uid),
            (_, Reply::Is(lease)) if lease.uid != *uid => self.buried(uid),
            (Step::Read, Reply::Is(lease)) => {
                if seen.revoke == Revoke::Asked {
                    seen.revoke = Revoke::Read;
                }
                self.observe(now, lease, false);
            }
            (Step::Revoke, Reply::Is(lease)) => {
                seen.revoke = Revoke::Done;
                // The whole duration, from the acknowledgement (S4).
                self.observe(now, lease, true);
            }
            (_, Reply::Conflict) => self.read_again(now, uid),
            (_, Reply::Busy { after }) => {
                let at = again.max(now + after.unwrap_or_default());
                self.read_again(at, uid);
            }
            (_, Reply::Refused(_)) => self.read_again(now + self.budget.attempt, uid),
            // Whether it was done, a read tells.
            _ => self.read_again(again, uid),
        }
        self.changed = true;
    }

    fn read_again(&mut self, at: Moment, uid: &Uid) {
        if let Some(seen) = self.seen.get_mut(uid) {
            seen.next = Some((at, Step::Read));
            if seen.revoke == Revoke::Wanted {
                seen.revoke = Revoke::Asked;
            }
        }
    }

    /// The watch of all sessions tells something. `true`: the store went back (W3).
    pub(super) fn saw(&mut self, now: Moment, sight: Sight) -> bool {
        match sight {
            Sight::Lost => {
                self.sighted = false;
                self.rollback.watch_is_lost();
                false
            }
            Sight::Listed(leases, version) => {
                let back = self.rollback.watch_begins(version);
                (self.sighted, self.since) = (true, now);
                self.changed = true;
                let there: BTreeSet<_> = leases.iter().map(|lease| lease.uid.clone()).collect();
                let gone = self.seen.iter();
                let gone = gone.filter(|(uid, seen)| {
                    // One that is looked up may be younger than this list.
                    !there.contains(*uid) && seen.version != Version(0)
                });
                let gone: Vec<_> = gone.map(|(uid, _)| uid.clone()).collect();
                for uid in gone {
                    self.buried(&uid);
                }
                for lease in leases {
                    let anew = !self.mutants.has(Mutant::LostWatchBlindness);
                    self.observe(now, lease, anew);
                }
                back
            }
            Sight::Added(lease) | Sight::Modified(lease) => {
                let back = self.rollback.event(lease.version);
                let known = self.seen.get(&lease.uid);
                if back || known.is_none_or(|seen| seen.version < lease.version) {
                    self.observe(now, lease, back);
                }
                back
            }
            Sight::Deleted(lease) => {
                self.buried(&lease.uid);
                self.rollback.event(lease.version)
            }
        }
    }

    fn buried(&mut self, uid: &Uid) {
        if self.seen.remove(uid).is_some() {
            self.dead.insert(uid.clone());
            self.changed = true;
        }
    }

    /// Its time starts again if its spec changed, or `anew` (T2).
    fn observe(&mut self, now: Moment, lease: Lease, anew: bool) {
        let before = self.seen.get(&lease.uid);
        let same = before.filter(|seen| seen.spec == lease.spec && !anew);
        let (since, expired) = same.map_or((now, false), |seen| (seen.since, seen.expired));
        let revoked = lease.spec.holder.as_ref();
        let revoked = revoked.is_some_and(|holder| holder.as_str().starts_with(REVOKED));
        let told = |key| lease.annotations.get(key).cloned();
        let ours = told(key::SHARDS).is_some_and(|map| *map == *self.map.as_str());
        let peer = told(key::POD).filter(|_| ours).map(|pod| Peer {
            pod,
            session: lease.name.clone(),
            uid: lease.uid.clone(),
            address: told(key::ADDRESS).unwrap_or_default(),
        });
        let acks = told(key::DRAINED).and_then(|text| Acks::parse(&text));
        let seen = Seen {
            name: lease.name,
            version: lease.version,
            since,
            expired,
            proven: before.is_some_and(|seen| seen.proven),
            revoke: match before.map(|seen| seen.revoke) {
                _ if revoked => Revoke::Done,
                Some(Revoke::Done) | None => Revoke::No,
                Some(revoke) => revoke,
            },
            named: before.is_some_and(|seen| seen.named),
            peer,
            acks: acks.unwrap_or_default(),
            flight: before.and_then(|seen| seen.flight),
            next: before.and_then(|seen| seen.next),
            spec: lease.spec,
            annotations: lease.annotations,
        };
        let duration = seen.duration(&self.budget);
        self.longest = self.longest.max(duration);
        self.changed |= before.is_none_or(|before| {
            before.expired
                || before.annotations != seen.annotations
                || before.spec.holder != seen.spec.holder
        });
        self.seen.insert(lease.uid, seen);
    }
}

impl Seen {
    /// Its own duration, whatever ours is.
    fn duration(&self, budget: &Budget) -> Duration {
        self.spec.duration.unwrap_or(budget.lease)
    }

    fn expiry(&self, budget: &Budget, mutants: Mutants) -> Moment {
        if self.revoke == Revoke::Done && mutants.has(Mutant::RevocationWithoutWait) {
            return self.since;
        }
        self.since + self.duration(budget)
    }

    fn is_dying(&self) -> bool {
        self.expired || self.proven || self.revoke == Revoke::Done
    }

    fn is_candidate(&self) -> bool {
        !self.is_dying() && !self.annotations.contains_key(key::LEAVING)
    }
}
