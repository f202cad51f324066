//! A Lease of the Kubernetes API as the protocol sees it: what is compared, what is counted, what is only carried.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text! {
    /// Name of a Lease, within its namespace.
    Name
}
text! {
    /// `metadata.uid`: an object deleted and created anew has another one.
    Uid
}
text! {
    /// Who holds: `holderIdentity`, never empty.
    Identity
}
number! {
    /// `resourceVersion`, comparable within one resource type (KEP-5504).
    Version
}
number! {
    /// A fencing token: of two holders of one election or lock, the later has the higher.
    Token
}

/// A `MicroTime` of a Lease, in microseconds since the epoch: compared for equality only (rule T2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

/// A Lease that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Its name.
    pub name: Name,
    /// Its identity over time.
    pub uid: Uid,
    /// Of this state of it.
    pub version: Version,
    /// What the protocol compares.
    pub spec: Spec,
    /// Annotations of this library, by their key without the domain; see [`key`].
    pub annotations: BTreeMap<&'static str, Arc<str>>,
    /// Labels of this library, by their key without the domain; see [`key`].
    pub labels: BTreeMap<&'static str, Arc<str>>,
    /// Whether it is on its way out (`deletionTimestamp`).
    pub deleting: bool,
}

/// `spec` of a Lease. Equal specs mean: nothing was written in between that counts (T2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spec {
    /// `holderIdentity`; `None` also if it is empty.
    pub holder: Option<Identity>,
    /// `leaseDurationSeconds`.
    pub duration: Option<Duration>,
    /// `acquireTime`.
    pub acquired: Option<Stamp>,
    /// `renewTime`.
    pub renewed: Option<Stamp>,
    /// `leaseTransitions`.
    pub transitions: u32,
}

/// A Lease to be written. What is not named here (labels and annotations of others, owners) is kept as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draft {
    /// `holderIdentity`; `None` writes the empty string, as client-go does.
    pub holder: Option<Identity>,
    /// `leaseDurationSeconds`, whole seconds.
    pub duration: Duration,
    /// `acquireTime`.
    pub acquired: When,
    /// `renewTime`.
    pub renewed: When,
    /// `leaseTransitions`.
    pub transitions: u32,
    /// All annotations of this library that it is to have; others of this library are removed.
    pub annotations: BTreeMap<&'static str, Arc<str>>,
    /// All labels of this library that it is to have. Only at creation.
    pub labels: BTreeMap<&'static str, Arc<str>>,
    /// The Lease that owns it (`ownerReferences`). Only at creation.
    pub owner: Option<(Name, Uid)>,
}

/// A time to be written. The driver fills in the wall clock, for people and client-go to see; nobody of us reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// The wall clock when it is sent.
    Now,
    /// As it was.
    Kept(Option<Stamp>),
}

/// Keys of annotations and labels of this library, without their domain [`DOMAIN`](key::DOMAIN).
pub mod key {
    /// Before each key: `metaparticle.dev/token`.
    pub const DOMAIN: &str = "metaparticle.dev";
    /// Annotation of an election: the term's token.
    pub const TOKEN: &str = "token";
    /// Annotation of an election: whose term the token is; counts only if it equals the holder (E7).
    pub const HOLDER: &str = "holder";
    /// Annotation of an election: marks an empty holder as ours, created or released (E5), or an offer (E4).
    pub const STATE: &str = "state";
    /// Annotation of an election: who may act first when the leader is gone, best first (E6). A delay, never a condition.
    pub const SUCCESSORS: &str = "successors";
    /// Annotation of an election: the holder's container, if it proved which one it runs in (P1).
    pub const CONTAINER: &str = "container";
    /// Annotation of a candidate: its priority.
    pub const PRIORITY: &str = "priority";
    /// Label and annotation of a ticket: the name of its lock. Label of a candidate: the name of its election.
    pub const LOCK: &str = "lock";
    /// Label of a ticket: `mutex`, `reader`, `writer` or `semaphore`.
    pub const KIND: &str = "kind";
    /// Label of a ticket: how many may hold a semaphore.
    pub const LIMIT: &str = "limit";
    /// Label of a ticket: the name of its session.
    pub const SESSION: &str = "session";
    /// Label of a ticket: the uid of its session.
    pub const SESSION_UID: &str = "session-uid";
    /// Label of every Lease of this library: `election`, `candidate`, `session` or `ticket`.
    pub const ROLE: &str = "role";
    /// Annotation of a session: the map of shards that its process owns slots of (M2).
    pub const SHARDS: &str = "shards";
    /// Annotation of such a session: the name of its pod, where slots are placed (M2).
    pub const POD: &str = "pod";
    /// Annotation of such a session: where its gate listens.
    pub const ADDRESS: &str = "address";
    /// Annotation of such a session: its process is to own nothing any more.
    pub const LEAVING: &str = "leaving";
    /// Annotation of such a session: the slots that it has drained, and for which generation (M4).
    pub const DRAINED: &str = "drained";
    /// All of them: what a driver carries between objects and [`Lease`](super::Lease).
    pub const ALL: [&str; 17] = [
        TOKEN,
        HOLDER,
        STATE,
        SUCCESSORS,
        CONTAINER,
        PRIORITY,
        LOCK,
        KIND,
        LIMIT,
        SESSION,
        SESSION_UID,
        ROLE,
        SHARDS,
        POD,
        ADDRESS,
        LEAVING,
        DRAINED,
    ];
}
