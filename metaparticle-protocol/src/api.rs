//! What is asked of the API server, what it answers, and what its watches tell.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::lease::{Draft, Lease, Name, Uid, Version};

/// Names one request of one machine, so that its reply finds back. Never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u64);

/// Names one watch of one machine. Its [`Sight`]s come back with it. Never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watch(pub u64);

/// What a watch shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// The one Lease of this name, whatever its uid.
    Name(Name),
    /// All Leases with these labels of ours: keys without domain, and their values.
    Labels(BTreeMap<&'static str, Arc<str>>),
}

/// One request. Each write carries what it relies on (W1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// A consistent read.
    Get {
        /// Of this Lease.
        name: Name,
    },
    /// POST. Never anything else creates (W1).
    Create {
        /// Under this name.
        name: Name,
        /// What it is to be.
        draft: Draft,
    },
    /// PUT, with uid and version. Mutants alone leave one out: an empty uid, version 0.
    Update {
        /// Of this Lease,
        name: Name,
        /// this one of that name,
        uid: Uid,
        /// in this state.
        version: Version,
        /// What it is to become.
        draft: Draft,
    },
    /// DELETE, with preconditions.
    Delete {
        /// Of this Lease,
        name: Name,
        /// this one of that name,
        uid: Uid,
        /// in this state, if it matters.
        version: Option<Version>,
    },
    /// All Leases with these labels of ours.
    List {
        /// Keys without domain, and their values.
        labels: BTreeMap<&'static str, Arc<str>>,
        /// `resourceVersion` with `resourceVersionMatch=Exact`; `None` is a consistent list.
        exactly: Option<Version>,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// Done, or read: the object as the server has it.
    Is(Lease),
    /// Deleted by this request.
    Deleted,
    /// 404: there is none of that name.
    Absent,
    /// 409 to an update or a deletion: another state or another uid.
    Conflict,
    /// 409 `AlreadyExists` to a creation.
    Exists,
    /// The list, and the version that it shows.
    List(Vec<Lease>, Version),
    /// 410: the version that was asked for is forgotten.
    Gone,
    /// 429, or another answer that says: not done, come again.
    Busy {
        /// `Retry-After`, if it was said.
        after: Option<Duration>,
    },
    /// Not done, and asking again changes nothing: no permission, no such namespace, quota, invalid.
    Refused(Arc<str>),
    /// Nobody knows whether it was done: time over, connection lost, 5xx. Never an acknowledgement (T1).
    Unknown,
}

/// What a watch tells. The first thing after it began, and after [`Sight::Lost`], is [`Sight::Listed`]. Its list is asked
/// for only when the machine was told of the loss (W3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// A consistent list with which the watch began anew, and the version that it shows.
    Listed(Vec<Lease>, Version),
    /// ADDED: created, or come into the selection.
    Added(Lease),
    /// MODIFIED.
    Modified(Lease),
    /// DELETED, in its last state; its version is that of the deletion.
    Deleted(Lease),
    /// Nothing is seen from now on: what happens meanwhile is learned from the next list.
    Lost,
}
