//! [`Census`]: the hourly look for sessions that nobody waits for and nobody renews (S3).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    Budget, Call, Lease, Moment, Name, Reply, Request, Spec, Uid, Version, lease::key, session,
};

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(3600);
/// A session unchanged for so many of its durations is a leftover.
const DURATIONS: u32 = 10;

/// All sessions of the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Census {
    spread: Duration,
    begun: bool,
    second: bool,
    next: Option<Moment>,
    /// When the look that is under way was due.
    looking: Moment,
    found: BTreeMap<Uid, Found>,
    leftovers: Vec<(Name, Uid, Version)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Found {
    spec: Spec,
    since: Moment,
}

impl Census {
    pub(super) fn new(spread: Duration) -> Self {
        Self {
            spread,
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, now: Moment) {
        if !self.begun {
            self.begun = true;
            self.next = Some(now);
        }
    }

    pub(super) fn wake(&self) -> Option<Moment> {
        self.next
    }

    pub(super) fn due(&mut self, now: Moment, calls: &mut u64) -> Vec<(Call, Request)> {
        let mut number = || {
            let call = Call(*calls);
            *calls += 1;
            call
        };
        let mut requests: Vec<_> = self
            .leftovers
            .drain(..)
            .map(|(name, uid, version)| {
                let version = Some(version);
                (number(), Request::Delete { name, uid, version })
            })
            .collect();
        if let Some(at) = self.next.filter(|at| now >= *at) {
            self.next = None;
            self.looking = at;
            let labels = BTreeMap::from([(key::ROLE, session::ROLE.into())]);
            let exactly = None;
            requests.push((number(), Request::List { labels, exactly }));
        }
        requests
    }

    /// The answer to a look: all sessions that exist, if it is one.
    pub(super) fn listed(
        &mut self,
        now: Moment,
        reply: Reply,
        budget: &Budget,
    ) -> Option<BTreeSet<Uid>> {
        let Reply::List(leases, _) = reply else {
            self.next = Some(now + budget.lease);
            return None;
        };
        // Leftovers of the last process are told from the living after ten durations; later ones can wait.
        self.next = Some(if self.second {
            now + EVERY + self.spread
        } else {
            now + budget.lease * (DURATIONS + 1)
        });
        self.second = true;
        let mut before = std::mem::take(&mut self.found);
        // We slept, or our clock jumped: the time in between proves nothing (T2).
        if now.since(self.looking) > budget.attempt + budget.lease / 3 {
            before.clear();
        }
        for lease in &leases {
            self.judge(now, lease, before.remove(&lease.uid), budget);
        }
        Some(leases.into_iter().map(|lease| lease.uid).collect())
    }

    fn judge(&mut self, now: Moment, lease: &Lease, before: Option<Found>, budget: &Budget) {
        let duration = lease.spec.duration.unwrap_or(budget.lease);
        let found = before
            .filter(|found| found.spec == lease.spec)
            .unwrap_or_else(|| Found {
                spec: lease.spec.clone(),
                since: now,
            });
        if now.since(found.since) >= duration * DURATIONS {
            self.leftovers
                .push((lease.name.clone(), lease.uid.clone(), lease.version));
        }
        self.found.insert(lease.uid.clone(), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    const LEASE: Duration = Duration::from_secs(3);

    /// What is deleted at the second look, which comes `late` after it was due, if nothing changed.
    fn reaped(late: Duration) -> usize {
        let budget = Budget::try_new(LEASE).expect("a lease");
        let session = Lease {
            name: Name::from("s"),
            uid: Uid::from("u"),
            version: Version(7),
            spec: Spec {
                holder: Some(Identity::from("p")),
                duration: Some(LEASE),
                ..Spec::default()
            },
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            deleting: false,
        };
        let mut census = Census::new(Duration::ZERO);
        let mut calls = 0;
        census.begin(Moment::default());
        for late in [Duration::ZERO, late] {
            let now = census.wake().expect("a look is due") + late;
            assert_eq!(census.due(now, &mut calls).len(), 1);
            let reply = Reply::List(vec![session.clone()], Version(9));
            assert!(census.listed(now, reply, &budget).is_some());
        }
        census.due(Moment::default(), &mut calls).len()
    }

    #[test]
    fn session_that_nobody_renews_is_a_leftover_at_the_second_look() {
        assert_eq!(reaped(Duration::ZERO), 1);
    }

    #[test]
    fn look_that_comes_late_proves_nothing() {
        assert_eq!(reaped(Duration::from_secs(60)), 0);
    }
}
