//! [`Ownership`]: what the data plane asks of whoever knows who owns which slot.

use std::{net::SocketAddr, sync::Arc};

use metaparticle_protocol::{
    Token, Uid,
    shard::{Claim, Slot, Verdict},
};
use tokio::sync::watch;

/// Who serves which slot, as this process knows it at this moment. All but [`refresh`](Self::refresh) answer from memory,
/// at once, on every thread.
pub trait Ownership: Send + Sync + 'static {
    /// A request that is under way here. Dropped when its response's body has ended.
    type Admission: Admission;

    /// The slot of a key; none before a map was read.
    fn slot(&self, key: &[u8]) -> Option<Slot>;

    /// Where requests for that slot go now.
    fn find(&self, slot: Slot) -> Place;

    /// What becomes of a request that another gate sent here (rule M8).
    fn judge(&self, claim: &Claim) -> Verdict;

    /// Begins a request for a slot that is [`Place::Here`]; `None` if it is not, or not any more.
    fn admit(&self, slot: Slot) -> Option<Self::Admission>;

    /// The uid of this process's session, of which a hello must be; none while it has no session.
    fn session(&self) -> Option<Uid>;

    /// The name of this process's pod.
    fn pod(&self) -> Arc<str>;

    /// What hellos between gates are authenticated with; none before a map was read.
    fn key(&self) -> Option<Arc<[u8]>>;

    /// Sees to it that the map is read consistently, soon: one read for all who ask at the same time. Returns when that
    /// read is done, or cannot be.
    ///
    /// # Cancel safety
    /// Cancel safe.
    fn refresh(&self) -> impl Future<Output = ()> + Send;

    /// Counts up with each change of what [`find`](Self::find) or [`admit`](Self::admit) say.
    fn changed(&self) -> watch::Receiver<u64>;
}

/// A request that is under way. The slot is not given away while one is held, until the drain's deadline.
pub trait Admission: Send + Sync + 'static {
    /// The token under which the slot is served, for the header that tells the application.
    fn token(&self) -> Token;

    /// Resolves when the slot begins to move: what is under way is to come to its end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    fn draining(&self) -> impl Future<Output = ()> + Send + 'static;

    /// Resolves when the slot is not served here any more: whatever is still under way is to be cut.
    ///
    /// # Cancel safety
    /// Cancel safe.
    fn lost(&self) -> impl Future<Output = ()> + Send + 'static;
}

/// Where requests for a slot go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the application of this process.
    Here,
    /// It is drained here, for another: wait for a change.
    Draining,
    /// To that process.
    Peer(Arc<Peer>, Token),
    /// Nobody owns it at present.
    Nobody,
    /// It is ours, and nothing proves it at present (M5): `ownership-unproven`.
    Unproven,
    /// No map was read yet: `no-map`.
    NoMap,
}

/// Another process with a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name of its pod.
    pub pod: Arc<str>,
    /// Its session's uid: who it must be.
    pub session: Uid,
    /// Where its gate listens; none if the map's text is no address.
    pub address: Option<SocketAddr>,
}
