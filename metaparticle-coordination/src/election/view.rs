//! What an election looks like from here.

use std::{fmt, sync::Arc, time::Duration};

use metaparticle_protocol::election;

/// What a candidate is in its election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It asks for no term, and watches.
    Bystander,
    /// It asks for one.
    Candidate,
    /// It leads.
    Leader,
    /// It led, and hands over; what its permits protect still goes on.
    Leaving,
}

/// An election as one candidate sees it. It may be out of date by the time it is read: ask [`Term::check`](super::Term::check)
/// before acting on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// `holderIdentity` of the Lease. Ours begins with the pod's name and an underscore.
    pub holder: Option<Arc<str>>,
    /// The holder's fencing token, if it is a candidate of this library.
    pub token: Option<u64>,
    /// What this process is in it.
    pub role: Role,
    /// Whether this process sees the Lease at present.
    pub sighted: bool,
    pub(super) container: Option<Arc<str>>,
}

impl View {
    pub(super) const BLIND: Self = Self {
        holder: None,
        token: None,
        role: Role::Bystander,
        sighted: false,
        container: None,
    };

    /// The name of the holder's pod, or its whole identity, if it is not one of this library's.
    #[must_use]
    pub fn holder_pod(&self) -> Option<&str> {
        self.holder.as_deref().map(pod)
    }
}

/// The pod's name in an identity.
pub(super) fn pod(identity: &str) -> &str {
    identity.split_once('_').map_or(identity, |(pod, _)| pod)
}

impl From<election::View> for View {
    fn from(view: election::View) -> Self {
        Self {
            holder: view.holder.map(|holder| holder.as_str().into()),
            token: view.token.map(|token| token.0),
            role: match view.role {
                election::Role::Candidate => Role::Candidate,
                election::Role::Leader => Role::Leader,
                election::Role::Leaving => Role::Leaving,
                _ => Role::Bystander,
            },
            sighted: view.sighted,
            container: view.container,
        }
    }
}

/// The numbers that follow from a lease's duration: what it costs, and what it bears.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Budget {
    /// The lease.
    pub lease: Duration,
    /// From one renewal to the next.
    pub renew_every: Duration,
    /// How long a leader leads without hearing from the API server, at the most.
    pub valid: Duration,
    /// An outage of the API server that refuses connections and is over by then costs no term, whenever it begins.
    pub refused_outage: Duration,
    /// The same, of one that takes connections and does not answer.
    pub hung_outage: Duration,
    /// The longest time without a leader after a crash, on top of how long the others need to act: the lease.
    pub fail_over: Duration,
    /// Of the leader.
    pub requests_per_second: f64,
    /// Of everyone else.
    pub follower_requests_per_second: f64,
}

impl Budget {
    pub(super) fn of(budget: metaparticle_protocol::Budget) -> Self {
        // A renewal is sent at a third at the latest; in an outage that begins then, what is left is the valid time
        // without that third, a pause and an attempt.
        let left = budget.usable.saturating_sub(budget.renew_every);
        let pause = budget.retry * 3 / 2;
        Self {
            lease: budget.lease,
            renew_every: budget.renew_every,
            valid: budget.usable,
            refused_outage: left.saturating_sub(pause),
            hung_outage: left.saturating_sub(pause + budget.attempt),
            fail_over: budget.lease,
            requests_per_second: 1.0 / budget.renew_every.as_secs_f64(),
            follower_requests_per_second: 1.0 / 60.0,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "lease {:?}: valid {:?} after the last renewal; rides out {:.1?} without connection, {:.1?} without answer; \
             a crash is succeeded after at most {:?}; {:.3} requests/s leading, {:.3} following",
            self.lease,
            self.valid,
            self.refused_outage,
            self.hung_outage,
            self.fail_over,
            self.requests_per_second,
            self.follower_requests_per_second
        )
    }
}
