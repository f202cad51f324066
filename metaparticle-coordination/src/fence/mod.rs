//! Fencing: a write of a holder that was deposed without knowing it is refused by the API server.
//!
//! # Why a lease is not enough
//! `check()` says that the term is valid *now*. Between it and the arrival of the next write the process may be paused,
//! the packet may wait in a queue, and the term may go to somebody else. No check on the sender's side closes that gap;
//! the receiver must compare. So each hold has a **token**, of two holds of one election or lock the later has the
//! higher, and what is guarded bears the token of its last holder as an annotation:
//! ```yaml
//! metadata:
//!   annotations:
//!     election.metaparticle.dev/billing: "4711"
//! ```
//! A new holder [claims](Fenced::claim) what it guards: it writes its token there *before* it acts. From then on the API
//! server refuses what an earlier holder still sends (rules F1 and F3).
//!
//! # Two ways to be refused
//! - **By compare-and-swap**: [`Claimed::update`], [`Claimed::update_status`] and [`Claimed::delete`] carry uid and
//!   version of a state that bore the holder's own token. Had anybody claimed the object since, the version would be
//!   another. This needs nothing but an API server.
//! - **By the admission policy** ([`admission_policy`]): an update that states a lower token than the stored one, or
//!   none, is refused, whoever sends it. [`Claimed::patch`] relies on it, and asks first whether it is there.
//!
//! # What is not fenced
//! The policy compares what an update states about the object's metadata. Where nothing is stated, nothing is compared:
//!
//! | request | why not | instead |
//! |---|---|---|
//! | CREATE | there is no stored object to compare with | create it before, without meaning; then claim it |
//! | DELETE of a collection | states no version of each object | [`Claimed::delete`] one by one |
//! | `/status` of a custom resource, as a patch | the server drops what it says about metadata | [`Claimed::update_status`] |
//! | `/scale` | another object, without annotations | `spec.replicas` through [`Claimed::update`] |
//! | `/eviction`, `/binding` | objects of their own, created | [`Claimed::delete`] for an eviction; none for a binding |
//!
//! [`Fenced`] has no method for the first two, and [`Claimed::patch_subresource`] refuses the others by name. They can be
//! sent past it with a plain [`kube::Api`]: then they are as safe as `check()`, which is: almost always, and not proven.
//!
//! # Other stores
//! A token is a number. A database does the same with a column: `UPDATE … SET token = $1 … WHERE token <= $1`, in the
//! same transaction as the write that it protects. An HTTP service can refuse a lower one in a header. What does not
//! compare tokens is not fenced by them, whatever the lock.

mod claimed;
mod client;
mod error;
mod patch;
mod policy;
#[cfg(test)]
mod tests;

use metaparticle_protocol::{
    fence::{Kind, annotation},
    lease::{Name, Token},
};

pub use self::{
    claimed::Claimed,
    client::Fenced,
    error::{Error, NotFenced},
    policy::{admission_policy, lease_policy},
};
use crate::{lost::Lost, word::Held};

/// The token of one hold, with the hold itself: what a write is fenced with.
///
/// Comes from a term, a mutex or a writer. Copies belong to the same hold.
///
/// # Examples
/// ```no_run
/// # use k8s_openapi::api::core::v1::ConfigMap;
/// # use metaparticle_coordination::fence::{Error, Fence};
/// # async fn example(client: kube::Client, fence: Fence) -> Result<(), Error> {
/// let maps = fence.api(kube::Api::<ConfigMap>::default_namespaced(client));
/// let mut prices = maps.claim("prices").await?;
/// prices
///     .update(|map| {
///         map.data.get_or_insert_default().insert("tea".into(), "3".into());
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fence {
    kind: Kind,
    name: Name,
    token: Token,
    held: Held,
}

impl Fence {
    pub(crate) fn new(kind: Kind, name: Name, token: Token, held: Held) -> Self {
        Self {
            kind,
            name,
            token,
            held,
        }
    }

    /// The token: higher than that of every earlier hold of this election or lock, as the API server accepted them.
    ///
    /// Comparable within one election or lock only.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token.0
    }

    /// Key of the annotation that bears the token on what is guarded: `election.metaparticle.dev/billing`.
    #[must_use]
    pub fn annotation(&self) -> String {
        annotation(self.kind, &self.name)
    }

    /// Whether the hold is valid now. A write that begins now may still arrive later: that is what the token is for.
    ///
    /// # Errors
    /// [`Lost`], for ever after.
    pub fn check(&self) -> Result<(), Lost> {
        self.held.check()
    }

    /// A client for the objects of `api` that sends nothing once the hold has ended, and states the token always.
    #[must_use]
    pub fn api<K>(&self, api: kube::Api<K>) -> Fenced<K> {
        Fenced::new(self.clone(), api)
    }
}
