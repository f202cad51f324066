//! [`Refusal`]: a request that this process answers itself, with the reason in a header.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;

use crate::wire;

/// A request that neither the application nor another process gets: an error for the client, with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", .0.text().trim_end())]
pub struct Refusal(Reason);

impl Refusal {
    /// Why.
    #[must_use]
    pub const fn reason(self) -> Reason {
        self.0
    }

    /// The status that the client gets.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.0.status()
    }

    /// The answer: the reason as header [`wire::REASON`] and as a line of text, `Retry-After` of one second where the status
    /// is 503.
    #[must_use]
    pub fn response(self) -> Response<Full<Bytes>> {
        let reason = self.0;
        let mut response = Response::new(Full::new(Bytes::from_static(reason.text().as_bytes())));
        *response.status_mut() = reason.status();
        let headers = response.headers_mut();
        headers.insert(wire::REASON, HeaderValue::from_static(reason.as_str()));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        match reason.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            }
            _ => {}
        }
        response
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self(reason)
    }
}

/// What a gate lets through: all but `CONNECT`.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH";

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $text:literal;)*) => {
        /// Why a request is refused. Its name is in the header [`wire::REASON`], and a label of the metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name, as in `no-owner`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The status that the client gets.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)*
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($text, "\n"),)*
                }
            }
        }
    };
}

reasons! {
    /// No Host, several, or one that is none.
    BadHost = "bad-host", BAD_REQUEST, "the request has no Host, several, or one that is none";
    /// A request target that is neither a path nor a URL of http.
    BadTarget = "bad-target", BAD_REQUEST, "the request's target is neither a path nor an http URL";
    /// `CONNECT`.
    BadMethod = "bad-method", METHOD_NOT_ALLOWED, "CONNECT is not for this server";
    /// Lengths that contradict each other.
    BadFraming = "bad-framing", BAD_REQUEST, "the length of the request's body is said in two ways";
    /// A transfer coding other than `chunked`.
    BadCoding = "bad-coding", NOT_IMPLEMENTED, "chunked is the only transfer coding that is known here";
    /// An expectation other than `100-continue`.
    BadExpect = "bad-expect", EXPECTATION_FAILED, "100-continue is the only expectation that is met here";
    /// More headers, or more bytes of them, than the configuration allows.
    HeadTooLarge = "head-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large";
    /// A body longer than the configuration allows.
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "the request's body is too large";
    /// The key's header is there twice, with different values.
    BadKey = "bad-key", BAD_REQUEST, "the header with the key has two values";
    /// The request has no key, and the configuration refuses such.
    NoKey = "no-key", NOT_FOUND, "the request has no key";
    /// Another gate sent a claim that cannot be read.
    BadClaim = "bad-claim", BAD_REQUEST, "the claim of the gate cannot be read";
    /// The client took too long to send the head of its request.
    HeadTimeout = "head-timeout", REQUEST_TIMEOUT, "the request's head did not come in time";
    /// The client sent nothing of the body for too long.
    BodyTimeout = "body-timeout", REQUEST_TIMEOUT, "the request's body did not come in time";
    /// No map of shards was read yet.
    NoMap = "no-map", SERVICE_UNAVAILABLE, "who owns what is not known yet";
    /// Nobody owns the slot at present.
    NoOwner = "no-owner", SERVICE_UNAVAILABLE, "the key has no owner at present";
    /// The slot is owned here, and nothing proves it at present.
    OwnershipUnproven = "ownership-unproven", SERVICE_UNAVAILABLE, "the key's owner cannot prove that it is at present";
    /// The owner changed, and the request cannot be sent again; it was not delivered.
    NotDelivered = "not-delivered", SERVICE_UNAVAILABLE, "the request was not delivered, and cannot be sent again from here";
    /// Too many requests wait for slots that move.
    HoldOverflow = "hold-overflow", SERVICE_UNAVAILABLE, "too many requests wait for their keys' new owners";
    /// The slot took too long to move.
    HoldTimeout = "hold-timeout", SERVICE_UNAVAILABLE, "the key's new owner was waited for in vain";
    /// The slot moved while the request was under way.
    Cut = "cut", SERVICE_UNAVAILABLE, "the key's owner changed while the request was under way";
    /// No connection to the owner; the request was not delivered.
    UpstreamUnreachable = "upstream-unreachable", SERVICE_UNAVAILABLE, "the key's owner cannot be reached";
    /// The connection to the application or the owner broke; the request may have been delivered.
    UpstreamFailed = "upstream-failed", BAD_GATEWAY, "the connection broke before there was an answer";
    /// The application did not answer in time; the request was delivered.
    UpstreamTimeout = "upstream-timeout", GATEWAY_TIMEOUT, "there was no answer in time";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_a_name_of_its_own_that_is_in_the_answer() {
        let mut names = HashSet::new();
        for &reason in Reason::ALL {
            assert!(names.insert(reason.as_str()), "{reason:?} has another's");
            let response = Refusal::from(reason).response();
            assert_eq!(response.headers()[wire::REASON], reason.as_str());
            assert!(response.status().is_client_error() || response.status().is_server_error());
            assert_eq!(response.status(), reason.status());
        }
    }

    #[test]
    fn only_a_503_says_when_to_come_again() {
        for &reason in Reason::ALL {
            let response = Refusal::from(reason).response();
            let told = response.headers().contains_key(RETRY_AFTER);
            assert_eq!(told, response.status() == 503, "{reason:?}");
        }
    }
}
