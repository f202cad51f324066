//! What is asked of the API server about the map, what it answers, and what the watch of it tells. The map is one object of
//! a fixed name, which the driver knows.

use std::{sync::Arc, time::Duration};

use crate::{Token, Uid, Version};

/// The object as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Its identity over time.
    pub uid: Uid,
    /// Of this state of it.
    pub version: Version,
    /// The packed map; empty if the object has none.
    pub data: Arc<[u8]>,
}

/// One request. Each write carries what it relies on (W1), and the token of the term (M1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// A consistent read of the metadata alone (M5).
    Head,
    /// A consistent read.
    Get,
    /// POST. Never anything else creates (W1).
    Create {
        /// The packed map.
        data: Arc<[u8]>,
        /// For the object's annotation (F1).
        term: Token,
    },
    /// PUT, with uid and version.
    Update {
        /// This one of that name,
        uid: Uid,
        /// in this state.
        version: Version,
        /// What it is to become.
        data: Arc<[u8]>,
        /// For the object's annotation (F1).
        term: Token,
    },
    /// DELETE of what is no map, with preconditions.
    Delete {
        /// This one of that name,
        uid: Uid,
        /// in this state.
        version: Version,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// What [`Request::Head`] showed.
    Head(Uid, Version),
    /// Done, or read: the object as the server has it.
    Is(Stored),
    /// Deleted by this request.
    Deleted,
    /// 404.
    Absent,
    /// 409 to an update, a deletion, or a creation.
    Conflict,
    /// 429, or another answer that says: not done, come again.
    Busy {
        /// `Retry-After`, if it was said.
        after: Option<Duration>,
    },
    /// Not done, and asking again changes nothing.
    Refused(Arc<str>),
    /// Nobody knows whether it was done.
    Unknown,
}

/// What the watch of the map tells, as [`crate::Sight`] does of Leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// A consistent list with which the watch began anew, and the version that it shows.
    Listed(Option<Stored>, Version),
    /// ADDED or MODIFIED.
    Is(Stored),
    /// DELETED; the uid of what was there, and the version of its deletion.
    Deleted(Uid, Version),
    /// Nothing is seen from now on.
    Lost,
}
