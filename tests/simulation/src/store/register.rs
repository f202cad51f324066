//! [`Register`]: one object that holders write, guarded by the monotone rule (F1).

use metaparticle_protocol::{Token, Version};

/// An object with the annotation of a token, and the admission rule that refuses a lower one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    version: Version,
    token: Option<Token>,
    present: bool,
    /// The highest token that was ever accepted: what no lower one may follow, also not after a deletion.
    claimed: Option<Token>,
}

/// What came of a write to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Write {
    /// Written; in this version.
    Done(Version),
    /// Refused by the admission rule: it has a higher token.
    Fenced,
    /// Another version.
    Conflict,
    /// Accepted, although a higher token had claimed it: what must never be.
    Stale,
}

impl Register {
    /// What a reader sees: the version and the token; `None` if it was deleted.
    #[must_use]
    pub fn read(&self) -> Option<(Version, Option<Token>)> {
        self.present.then_some((self.version, self.token))
    }

    /// The highest token that was ever accepted.
    #[must_use]
    pub const fn claimed(&self) -> Option<Token> {
        self.claimed
    }

    /// Creates it, with no token, if it is not there. Creations are not covered by the rule.
    pub fn create(&mut self) {
        if !self.present {
            self.present = true;
            self.token = None;
            self.claimed = None;
            self.version.0 += 1;
        }
    }

    /// An update that states a token: a claim, if it is the first with that token.
    pub fn update(&mut self, token: Token) -> Write {
        if !self.present {
            return Write::Conflict;
        }
        if self.token.is_some_and(|stored| token < stored) {
            return Write::Fenced;
        }
        self.token = Some(token);
        self.version.0 += 1;
        let stale = self.claimed.is_some_and(|claimed| token < claimed);
        self.claimed = self.claimed.max(Some(token));
        if stale {
            Write::Stale
        } else {
            Write::Done(self.version)
        }
    }

    /// A deletion with a version, by the holder of `token`. The admission rule does not judge it.
    pub fn delete(&mut self, version: Version, token: Token) -> Write {
        if !self.present || version != self.version {
            return Write::Conflict;
        }
        self.present = false;
        self.version.0 += 1;
        if self.claimed.is_some_and(|claimed| token < claimed) {
            Write::Stale
        } else {
            Write::Done(self.version)
        }
    }
}
