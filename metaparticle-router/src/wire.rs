//! What gates say to each other in headers. Each name begins with `x-metaparticle-`; a client's are taken away.

use std::str;

use http::{HeaderMap, HeaderName, HeaderValue};
use metaparticle_protocol::{
    Token,
    shard::{Claim, Slot},
};

use crate::{Reason, Refusal};

/// How the name of each internal header begins.
pub const PREFIX: &str = "x-metaparticle-";

/// On a request between gates: slot, token and session uid, as in `17 5 0b9a…` ([`put_claim`]).
pub const CLAIM: HeaderName = HeaderName::from_static("x-metaparticle-claim");

/// On a response between gates: [`Turned`].
pub const TURNED: HeaderName = HeaderName::from_static("x-metaparticle-turned");

/// On a response to a client: why it was refused ([`Reason`]).
pub const REASON: HeaderName = HeaderName::from_static("x-metaparticle-reason");

/// On a request to the application: the token under which its slot is served.
pub const TOKEN: HeaderName = HeaderName::from_static("x-metaparticle-token");

/// On a request to the application: its slot.
pub const SLOT: HeaderName = HeaderName::from_static("x-metaparticle-slot");

/// On the hello, the first request of a connection between gates: the session uid of whom it is meant for, and in the
/// response of who answered.
pub const SESSION: HeaderName = HeaderName::from_static("x-metaparticle-session");

/// On the hello, both ways: a number used once.
pub const NONCE: HeaderName = HeaderName::from_static("x-metaparticle-nonce");

/// On the hello, both ways: what proves that the sender has the key.
pub const MAC: HeaderName = HeaderName::from_static("x-metaparticle-mac");

/// The receiver of a request does not serve it, decided before its body was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turned {
    /// The sender's map is old: it reads, and sends elsewhere.
    Moved,
    /// The slot is being drained: the sender keeps the request until the map changes.
    Hold,
}

impl Turned {
    /// The value of [`TURNED`].
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Hold => "hold",
        }
    }

    /// Writes it onto a response to a gate.
    pub fn put(self, headers: &mut HeaderMap) {
        headers.insert(TURNED, HeaderValue::from_static(self.as_str()));
    }

    /// Takes it off a gate's response; `None` if the request was served, or refused.
    #[must_use]
    pub fn take(headers: &mut HeaderMap) -> Option<Self> {
        match headers.remove(TURNED)?.as_bytes() {
            b"moved" => Some(Self::Moved),
            b"hold" => Some(Self::Hold),
            _ => None,
        }
    }
}

/// Writes whom a request is sent to onto it. A session uid that no header can carry is left out, so that the receiver
/// turns the request away.
pub fn put_claim(headers: &mut HeaderMap, claim: &Claim) {
    let text = format!("{} {} {}", claim.slot, claim.token, claim.session);
    let value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("-"));
    headers.insert(CLAIM, value);
}

/// Takes the claim off a request that a gate sent; none if it has none. A request with a claim is served here or turned
/// away, never forwarded: so no request goes in circles.
///
/// # Errors
/// [`Reason::BadClaim`] if there are several, or one that cannot be read.
pub fn take_claim(headers: &mut HeaderMap) -> Result<Option<Claim>, Refusal> {
    let mut claims = headers.get_all(CLAIM).iter();
    let Some(value) = claims.next() else {
        return Ok(None);
    };
    let claim = match claims.next() {
        None => read(value.as_bytes()),
        Some(_) => None,
    };
    headers.remove(CLAIM);
    claim.map(Some).ok_or(Reason::BadClaim.into())
}

fn read(value: &[u8]) -> Option<Claim> {
    let mut parts = str::from_utf8(value).ok()?.split(' ');
    let slot = Slot(number(parts.next()?)?.try_into().ok()?);
    let token = Token(number(parts.next()?)?);
    let session = parts.next().filter(|uid| !uid.is_empty())?.into();
    parts.next().is_none().then_some(Claim {
        slot,
        token,
        session,
    })
}

/// A number as it is printed: no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = text == "0" || !text.starts_with('0');
    (digits && plain).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(claims: &[&str]) -> HeaderMap {
        let values = claims.iter().map(|it| HeaderValue::from_str(it).unwrap());
        values.map(|value| (CLAIM, value)).collect()
    }

    #[test]
    fn a_claim_is_read_strictly_and_taken_off() {
        let claim = Claim {
            slot: Slot(17),
            token: Token(0),
            session: "0b9a".into(),
        };
        let mut good = headers(&["17 0 0b9a"]);
        assert_eq!(take_claim(&mut good), Ok(Some(claim)));
        assert!(good.is_empty());
        assert_eq!(take_claim(&mut good), Ok(None));
        for bad in [
            "",
            "-",
            "17",
            "17 5",
            "17 5 ",
            "17 5 a b",
            "17  5 a",
            " 17 5 a",
            "+17 5 a",
            "017 5 a",
            "4294967296 5 a",
            "17 18446744073709551616 a",
            "1\t5 a",
        ] {
            let mut bad = headers(&[bad]);
            assert_eq!(
                take_claim(&mut bad),
                Err(Reason::BadClaim.into()),
                "{bad:?}"
            );
            assert!(bad.is_empty());
        }
        let twice = take_claim(&mut headers(&["17 5 a", "17 5 a"]));
        assert_eq!(twice, Err(Reason::BadClaim.into()));
    }

    #[test]
    fn a_session_that_no_header_carries_is_turned_away() {
        let mut headers = HeaderMap::new();
        let claim = Claim {
            slot: Slot(1),
            token: Token(1),
            session: "a\r\nX: y".into(),
        };
        put_claim(&mut headers, &claim);
        assert_eq!(take_claim(&mut headers), Err(Reason::BadClaim.into()));
    }

    #[test]
    fn turned_is_taken_off_the_response_that_says_so() {
        for turned in [Turned::Moved, Turned::Hold] {
            let mut headers = HeaderMap::new();
            turned.put(&mut headers);
            assert_eq!(Turned::take(&mut headers), Some(turned));
            assert_eq!(Turned::take(&mut headers), None);
        }
        let mut other: HeaderMap = [(TURNED, HeaderValue::from_static("x"))]
            .into_iter()
            .collect();
        assert_eq!(Turned::take(&mut other), None);
        assert!(other.is_empty());
    }

    #[test]
    fn each_name_begins_as_clients_may_not_begin_theirs() {
        for name in [CLAIM, TURNED, REASON, TOKEN, SLOT, SESSION, NONCE, MAC] {
            assert!(name.as_str().starts_with(PREFIX), "{name}");
        }
    }
}
