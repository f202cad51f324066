//! [`Kind`] and [`Ticket`]: what a ticket says, and the Lease that says it (L1).

use std::{collections::BTreeMap, fmt, num::NonZeroU32, time::Duration};

use crate::{
    Lease, Name, Uid, Version,
    lease::{Draft, When, key},
};

/// Value of the label [`key::ROLE`] of a ticket.
pub const ROLE: &str = "ticket";

/// How a lock is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Alone.
    Mutex,
    /// Beside other readers.
    Reader,
    /// Alone, on a lock that also has readers.
    Writer,
    /// Beside so many others, less one.
    Semaphore(NonZeroU32),
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Semaphore(_) => "semaphore",
        }
    }

    fn parse(lease: &Lease) -> Option<Self> {
        Some(match &**lease.labels.get(key::KIND)? {
            "mutex" => Self::Mutex,
            "reader" => Self::Reader,
            "writer" => Self::Writer,
            "semaphore" => Self::Semaphore(lease.labels.get(key::LIMIT)?.parse().ok()?),
            _ => return None,
        })
    }

    /// Whether both can stand in one queue (L3).
    #[must_use]
    pub fn agrees(self, other: Self) -> bool {
        match (self, other) {
            (Self::Reader | Self::Writer, Self::Reader | Self::Writer) => true,
            _ => self == other,
        }
    }

    /// Whether a token comes with it (L6).
    #[must_use]
    pub const fn has_token(self) -> bool {
        matches!(self, Self::Mutex | Self::Writer)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mutex => f.write_str("a mutex"),
            Self::Reader | Self::Writer => f.write_str("a read-write lock"),
            Self::Semaphore(limit) => write!(f, "a semaphore of {limit}"),
        }
    }
}

/// A ticket that the watch shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ticket {
    pub(super) name: Name,
    pub(super) lock: Name,
    /// `None`: made by hand, or by a later version of this library.
    pub(super) kind: Option<Kind>,
    pub(super) session: (Name, Uid),
    /// The version in which it was first seen: for a look at who is near, never for the order.
    pub(super) first: Version,
    /// Its present version, which means nothing (L2).
    pub(super) current: Version,
}

impl Ticket {
    pub(super) fn of(lease: &Lease) -> Self {
        let label = |key| lease.labels.get(key).map_or("", |text| &**text);
        Self {
            name: lease.name.clone(),
            lock: label(key::LOCK).into(),
            kind: Kind::parse(lease),
            session: (label(key::SESSION).into(), label(key::SESSION_UID).into()),
            first: lease.version,
            current: lease.version,
        }
    }

    /// What is posted. `lease` is the session's duration: a Lease must have one.
    pub(super) fn draft(lock: &Name, kind: Kind, session: &(Name, Uid), lease: Duration) -> Draft {
        let mut labels = BTreeMap::from([
            (key::ROLE, ROLE.into()),
            (key::LOCK, lock.as_str().into()),
            (key::KIND, kind.label().into()),
            (key::SESSION, session.0.as_str().into()),
            (key::SESSION_UID, session.1.as_str().into()),
        ]);
        if let Kind::Semaphore(limit) = kind {
            labels.insert(key::LIMIT, limit.to_string().into());
        }
        Draft {
            holder: Some(session.0.as_str().into()),
            duration: lease,
            acquired: When::Now,
            renewed: When::Now,
            transitions: 0,
            annotations: BTreeMap::new(),
            labels,
            owner: Some(session.clone()),
        }
    }
}
