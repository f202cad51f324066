//! What an election looks like from here.

use std::sync::Arc;

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
