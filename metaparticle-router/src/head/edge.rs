//! [`Edge`]: what a connection says about each request on it.

use std::net::IpAddr;

use http::HeaderValue;

use crate::Config;

/// More than a gate adds: who the client is, a claim, what HTTP/1.1 wants.
const ADDED_HEADERS: usize = 16;
const ADDED_BYTES: usize = 4 << 10;

/// What is the same for all requests of one connection. Made once for each.
#[derive(Clone, Debug)]
pub struct Edge {
    pub(super) caller: Caller,
    pub(super) max_headers: usize,
    pub(super) max_head_bytes: usize,
}

/// At the other end.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Another gate, which has mended what comes already.
    Gate,
    /// Anybody else.
    Client {
        address: HeaderValue,
        /// As an element of `Forwarded`, up to `host=`; none if the application does not get it.
        element: Option<String>,
        secure: bool,
        trusted_hops: usize,
    },
}

impl Edge {
    /// Of a client's connection, which comes from that address; `secure` is whether over TLS.
    #[must_use]
    pub fn client(address: IpAddr, secure: bool, config: &Config) -> Self {
        let address = address.to_canonical();
        let element = config.forwarded.then(|| {
            let proto = proto(secure);
            match address {
                IpAddr::V4(it) => format!("for={it};proto={proto};host="),
                IpAddr::V6(it) => format!("for=\"[{it}]\";proto={proto};host="),
            }
        });
        let address = HeaderValue::try_from(address.to_string());
        let caller = Caller::Client {
            // Never so: an address is of digits, letters, dots and colons.
            address: address.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
            element,
            secure,
            trusted_hops: config.trusted_hops.into(),
        };
        Self::new(caller, config)
    }

    /// Of a connection that began with another gate's hello: its internal headers are believed, and it has said who the
    /// client is. What that gate has added is allowed on top of the limits: a request that entered there enters here.
    #[must_use]
    pub fn gate(config: &Config) -> Self {
        Self {
            max_headers: config.max_headers + ADDED_HEADERS,
            // The host is said up to three times.
            max_head_bytes: 3 * config.max_head_bytes + ADDED_BYTES,
            ..Self::new(Caller::Gate, config)
        }
    }

    fn new(caller: Caller, config: &Config) -> Self {
        Self {
            caller,
            max_headers: config.max_headers,
            max_head_bytes: config.max_head_bytes,
        }
    }

    /// The most headers that a request may have.
    pub(crate) const fn max_headers(&self) -> usize {
        self.max_headers
    }

    /// The most bytes that its head may have.
    pub(crate) const fn max_head_bytes(&self) -> usize {
        self.max_head_bytes
    }

    /// Whether another gate is at the other end.
    #[must_use]
    pub const fn is_gate(&self) -> bool {
        matches!(self.caller, Caller::Gate)
    }
}

pub(super) const fn proto(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}
