//! [`Part`]: what one election, the session or the locks of a coordinator tell the world: counts, health, a line in the
//! log, and an Event on its Lease.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use metaparticle_protocol::{Name, Token};

use crate::{events::Events, lost::Lost};

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An election.
    Election,
    /// The session that carries the locks of a process.
    Session,
    /// A lock of any kind, by its name.
    Lock,
    /// The slots of a map of shards.
    Shard,
}

impl Kind {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Election => "election",
            Self::Session => "session",
            Self::Lock => "lock",
            Self::Shard => "shard",
        }
    }
}

/// How a part is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// How many guards it has out: terms, a session, locks.
    pub held: u64,
    /// What keeps it from working, as long as it does.
    pub trouble: Option<Arc<str>>,
}

/// What a part has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartMetrics {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// How often it was acquired.
    pub acquired: u64,
    /// How often it was given back in order, hand-overs included.
    pub released: u64,
    /// How often it was lost.
    pub lost: u64,
    /// How many are held now.
    pub held: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Part {
    kind: Kind,
    name: Name,
    /// The Lease that Events are about; `None`: no Events.
    lease: Option<Name>,
    events: Events,
    acquired: AtomicU64,
    released: AtomicU64,
    lost: AtomicU64,
    trouble: Mutex<Option<Arc<str>>>,
}

impl Part {
    pub(crate) fn new(kind: Kind, name: Name, lease: Option<Name>, events: Events) -> Self {
        Self {
            kind,
            name,
            lease,
            events,
            acquired: AtomicU64::new(0),
            released: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            trouble: Mutex::default(),
        }
    }

    /// It is held from now on.
    pub(crate) fn acquired(&self, token: Option<Token>) {
        self.acquired.fetch_add(1, Ordering::Relaxed);
        let (kind, name) = (self.kind.as_str(), &self.name);
        let token = token.map(|token| token.0);
        if self.is_frequent() {
            tracing::debug!(kind, %name, token, "acquired");
            return;
        }
        tracing::info!(kind, %name, token, "acquired");
        let with = token.map_or_else(String::new, |token| format!(" with token {token}"));
        self.tell("Acquired", format!("acquired {kind} {name}{with}"), false);
    }

    /// It was given back, to a successor if one is named.
    pub(crate) fn released(&self, successor: Option<&str>) {
        self.released.fetch_add(1, Ordering::Relaxed);
        let (kind, name) = (self.kind.as_str(), &self.name);
        if self.is_frequent() {
            tracing::debug!(kind, %name, "released");
            return;
        }
        tracing::info!(rule = "E4", kind, %name, successor, "released");
        let to = successor.map_or_else(String::new, |to| format!(" to {to}"));
        self.tell("Released", format!("gave back {kind} {name}{to}"), false);
    }

    /// It was lost.
    pub(crate) fn lost(&self, why: &Lost) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        let (kind, name) = (self.kind.as_str(), &self.name);
        if self.kind == Kind::Shard {
            // Thousands at a time: who drives them says it once.
            tracing::debug!(rule = why.rule(), kind, %name, %why, "lost");
            return;
        }
        tracing::warn!(rule = why.rule(), kind, %name, %why, "lost");
        self.tell("Lost", format!("lost {kind} {name}: {why}"), true);
    }

    /// What keeps it from working; `None` once nothing does.
    pub(crate) fn trouble(&self, trouble: Option<Arc<str>>) {
        let mut present = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *present == trouble {
            return;
        }
        let (kind, name) = (self.kind.as_str(), &self.name);
        if let Some(trouble) = &trouble {
            tracing::warn!(kind, %name, %trouble, "in trouble");
        } else {
            tracing::info!(kind, %name, "well again");
        }
        *present = trouble;
    }

    /// Locks come and go hundreds of times a second, slots thousands at a time.
    fn is_frequent(&self) -> bool {
        matches!(self.kind, Kind::Lock | Kind::Shard)
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            kind: self.kind,
            name: self.name.clone(),
            held: self.metrics().held,
            trouble: self
                .trouble
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    pub(crate) fn metrics(&self) -> PartMetrics {
        // Endings first: a concurrent acquisition must not make the difference negative.
        let released = self.released.load(Ordering::Relaxed);
        let lost = self.lost.load(Ordering::Relaxed);
        let acquired = self.acquired.load(Ordering::Relaxed);
        PartMetrics {
            kind: self.kind,
            name: self.name.clone(),
            acquired,
            released,
            lost,
            held: acquired.saturating_sub(released).saturating_sub(lost),
        }
    }

    fn tell(&self, reason: &'static str, note: String, warning: bool) {
        if let Some(lease) = &self.lease {
            self.events.tell(lease.clone(), reason, note, warning);
        }
    }
}
