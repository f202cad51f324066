//! [`enum@Error`]: why a fenced write was not done.

use std::time::Duration;

use crate::lost::Lost;

/// Why a fenced request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The hold has ended, or the object bears the token of a later one. Nothing more is to be written.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The request cannot be fenced.
    #[error(transparent)]
    NotFenced(#[from] NotFenced),
    /// The object that was claimed is gone, or another one of its name took its place.
    #[error("`{object}` was deleted, or created anew, after it was claimed: claim it again")]
    Gone {
        /// Its name.
        object: String,
    },
    /// No answer within what was left of the hold's validity, or within ten seconds. It may have been done.
    #[error(
        "no answer to `{request}` within {after:?}: it may have been done, so read before it is tried again"
    )]
    Unanswered {
        /// What was asked for.
        request: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The patch cannot state a token.
    #[error(
        "the patch {what}: give it an object as its root, and leave uid, name and our annotations to the claim"
    )]
    Patch {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The API server's answer.
    #[error("could not {request}")]
    Api {
        /// What was asked for.
        request: String,
        /// What it said.
        #[source]
        source: kube::Error,
    },
}

impl Error {
    /// Whether the hold has ended.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// A request that no token protects, so that it is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{request} is not fenced: {why}; {instead}")]
pub struct NotFenced {
    /// Which request, by name.
    pub request: String,
    /// Why the API server does not compare tokens there.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
}
