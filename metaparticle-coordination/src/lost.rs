//! [`Lost`]: why a guard holds no longer.

use std::sync::Arc;

/// Why a term, a lock or a permit is not valid any more. Final: a guard that was lost never becomes valid again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// No renewal was acknowledged for 80 % of the lease (T1).
    #[error("no renewal was acknowledged in time")]
    Expired,
    /// Another holder stands in its Lease (E6).
    #[error("`{by}` holds it now")]
    Taken {
        /// Who.
        by: Arc<str>,
    },
    /// Its Lease is gone, or is another one of the same name (E6, L5).
    #[error("its Lease was deleted")]
    Deleted,
    /// Its Lease was changed by somebody else.
    #[error("its Lease was changed by somebody else")]
    Changed,
    /// The API server's store went back to an earlier state (W3).
    #[error("the store of the API server went back to an earlier state")]
    RolledBack,
    /// This process's session has ended, and with it every lock that it held (S2).
    #[error("the session of this process has ended: {why}")]
    Session {
        /// Why.
        why: Arc<str>,
    },
    /// The slot moves to another process, or did (M4).
    #[error("its slot moves to another process")]
    Moved,
    /// The map of shards is gone, or says nothing any more (M5).
    #[error("the map of shards is gone")]
    NoMap,
    /// A later holder has claimed what it guards: the API server showed, or refused by, a higher token (F1, F3).
    #[error("a later holder has claimed what it guards")]
    Fenced,
    /// It was given back: unlocked, stepped down, dropped.
    #[error("it was given back")]
    Released,
    /// The coordinator was shut down, or its runtime has ended.
    #[error("coordination was shut down")]
    Shutdown,
}

impl Lost {
    /// The rule of the protocol that ended it, for logs.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Expired => "T1",
            Self::Taken { .. } | Self::Deleted | Self::Changed => "E6",
            Self::RolledBack => "W3",
            Self::Session { .. } => "S2",
            Self::Moved => "M4",
            Self::NoMap => "M5",
            Self::Fenced => "F3",
            Self::Released | Self::Shutdown => "E4",
        }
    }
}
