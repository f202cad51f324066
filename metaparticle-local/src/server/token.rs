//! [`Token`]: what a client has to show.

use std::{fmt, hint::black_box, io};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header::AUTHORIZATION};

use crate::api::failure::Failure;

/// A secret of 256 bits from the operating system, as text.
#[derive(Clone)]
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

impl Token {
    /// A new one.
    pub(super) fn random() -> io::Result<Self> {
        let mut bits = [0; 32];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut bits)
            .map_err(|_| io::Error::other("the operating system has no random numbers"))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bits)))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Refuses requests that do not show it.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let shown = headers
            .get(AUTHORIZATION)
            .map_or(&[][..], http::HeaderValue::as_bytes);
        let right = shown.split_at_checked(7).is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"Bearer ") && same(token, self.0.as_bytes())
        });
        if right {
            return Ok(());
        }
        Err(Failure::new(401, "Unauthorized", "Unauthorized"))
    }
}

/// Takes as long for a nearly right text as for a wrong one.
fn same(shown: &[u8], token: &[u8]) -> bool {
    let differences = shown
        .iter()
        .zip(token)
        .fold(0, |all, (a, b)| black_box(all | (a ^ b)));
    shown.len() == token.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(token: &Token, shown: &str) -> Option<u16> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, shown.parse().unwrap());
        token.check(&headers).err().map(|it| it.code)
    }

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token::random().unwrap();
        let text = token.text();
        assert_eq!(check(&token, &format!("Bearer {text}")), None);
        assert_eq!(check(&token, &format!("bearer {text}")), None);
        let short = &text[..text.len() - 1];
        for wrong in ["", "Bearer", "Bearer ", text, &format!("Bearer {short}")] {
            assert_eq!(check(&token, wrong), Some(401), "{wrong}");
        }
        assert_eq!(check(&token, &format!("Bearer {text}x")), Some(401));
        assert_eq!(check(&token, &format!("Basic  {text}")), Some(401));
    }

    #[test]
    fn a_token_has_256_bits_and_is_never_the_same() {
        let (a, b) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(a.text().len(), 43);
        assert_ne!(a.text(), b.text());
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = Token::random().unwrap();
        assert!(!format!("{token:?}").contains(token.text()));
    }
}
