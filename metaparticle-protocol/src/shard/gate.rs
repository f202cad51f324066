//! What a gate does with a request that another gate sent to it (rule M8). It carries slot, token and session uid, not the
//! generation: that rises while the owner stays.

use super::map::{Map, Slot};
use crate::{Token, Uid};

/// Whom a request was sent to, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The slot of its key.
    pub slot: Slot,
    /// The slot's token in the sender's map.
    pub token: Token,
    /// The owner's session in the sender's map.
    pub session: Uid,
}

impl Claim {
    /// What a sender writes onto a request for that slot; `None` if nobody owns it.
    #[must_use]
    pub fn of(map: &Map, slot: Slot) -> Option<Self> {
        let entry = map.entry(slot)?;
        Some(Self {
            slot,
            token: entry.token,
            session: entry.owner?.uid.clone(),
        })
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is admitted.
    Serve,
    /// The sender's map is old: it reads, and sends elsewhere.
    Moved,
    /// The slot is being drained here, or was, or is served in a moment: the sender keeps the request until it sees a
    /// higher generation, or a little while.
    Hold,
    /// The receiver's map is old, or its ownership unproven: it reads, and decides again; then 503.
    Ask,
}

/// What a receiver knows of the slot that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Here {
    /// It serves the slot, under this token.
    Serving(Token),
    /// It owns the slot under this token, and drains it, has drained it, or is about to serve it.
    Draining(Token),
    /// It owns the slot under this token, and cannot prove it now (M5).
    Unproven(Token),
    /// Another owned it under this token, or nobody, when the map was seen last; `None` if none was.
    Elsewhere(Option<Token>),
}

/// Decides. `own` is the receiver's session, `here` what it knows of the slot.
#[must_use]
pub fn verdict(claim: &Claim, own: Option<&Uid>, here: Here) -> Verdict {
    if own != Some(&claim.session) {
        return Verdict::Moved;
    }
    let token = match here {
        Here::Serving(token) | Here::Draining(token) | Here::Unproven(token) => Some(token),
        Here::Elsewhere(token) => token,
    };
    match token {
        None => Verdict::Ask,
        Some(token) if claim.token > token => Verdict::Ask,
        Some(token) if claim.token < token => Verdict::Moved,
        Some(_) => match here {
            Here::Serving(_) => Verdict::Serve,
            Here::Draining(_) => Verdict::Hold,
            Here::Unproven(_) => Verdict::Ask,
            Here::Elsewhere(_) => Verdict::Moved,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_the_rule() {
        let claim = |token| Claim {
            slot: Slot(3),
            token: Token(token),
            session: "mine".into(),
        };
        let own: Uid = "mine".into();
        let told = |token, here| verdict(&claim(token), Some(&own), here);
        for here in [
            Here::Serving(Token(7)),
            Here::Draining(Token(7)),
            Here::Unproven(Token(7)),
        ] {
            assert_eq!(told(6, here), Verdict::Moved, "{here:?}");
            assert_eq!(told(8, here), Verdict::Ask, "{here:?}");
            assert_eq!(
                verdict(&claim(7), Some(&"new".into()), here),
                Verdict::Moved
            );
            assert_eq!(verdict(&claim(7), None, here), Verdict::Moved);
        }
        assert_eq!(told(7, Here::Serving(Token(7))), Verdict::Serve);
        assert_eq!(told(7, Here::Draining(Token(7))), Verdict::Hold);
        assert_eq!(told(7, Here::Unproven(Token(7))), Verdict::Ask);
        assert_eq!(told(7, Here::Elsewhere(Some(Token(9)))), Verdict::Moved);
        assert_eq!(told(9, Here::Elsewhere(Some(Token(7)))), Verdict::Ask);
        assert_eq!(told(9, Here::Elsewhere(None)), Verdict::Ask);
    }
}
