//! What a fenced client may do to an object in the version that it read (rules F1 and F3).
//!
//! The API server refuses updates with a lower token; it does not judge deletions. So these carry the uid and the version
//! of a state that bears the holder's *own* token: had anybody claimed the object since, the version would be another.

pub mod policy;

use std::fmt;

use crate::{
    lease::{Name, Token},
    mutant::{Mutant, Mutants},
};

/// What kind of hold a token belongs to. Elections and locks may have the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The term of an election.
    Election,
    /// A mutex, or the writer of a read-write lock (L6).
    Lock,
    /// A slot of a map of shards (M3): what is guarded belongs to one slot, so that its tokens rise.
    Shard,
}

impl Kind {
    /// The domain of its annotations.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Election => "election.metaparticle.dev",
            Self::Lock => "lock.metaparticle.dev",
            Self::Shard => "shard.metaparticle.dev",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Election => "election",
            Self::Lock => "lock",
            Self::Shard => "shard",
        })
    }
}

/// Key of the annotation that bears the token on an object that is guarded: `election.metaparticle.dev/billing`. It
/// contains the name, so that the tokens of two elections are never compared (F1).
#[must_use]
pub fn annotation(kind: Kind, name: &Name) -> String {
    format!("{}/{name}", kind.domain())
}

/// What a holder does with an object that it wants deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletion {
    /// Delete it, with the uid and the version that were read.
    Allowed,
    /// Claim it first (write one's own token onto it), then delete the version that the claim made.
    ClaimFirst,
    /// Nothing: a later holder has claimed it, the own hold is lost.
    Lost,
}

/// What the holder of `own` does with an object whose state that was read bears `stored`.
#[must_use]
pub fn deletion(own: Token, stored: Option<Token>, mutants: Mutants) -> Deletion {
    if mutants.has(Mutant::DeleteForeignVersion) {
        return Deletion::Allowed;
    }
    match stored {
        Some(stored) if stored == own => Deletion::Allowed,
        Some(stored) if stored > own => Deletion::Lost,
        Some(_) | None => Deletion::ClaimFirst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_the_own_token_is_deleted() {
        for (stored, verdict) in [
            (None, Deletion::ClaimFirst),
            (Some(Token(4)), Deletion::ClaimFirst),
            (Some(Token(5)), Deletion::Allowed),
            (Some(Token(6)), Deletion::Lost),
        ] {
            assert_eq!(
                deletion(Token(5), stored, Mutants::NONE),
                verdict,
                "{stored:?}"
            );
        }
    }
}
