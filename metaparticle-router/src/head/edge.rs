//! [`Edge`]: what a connection says about each request on it.

use std::net::IpAddr;

use http::HeaderValue;

use crate::Config;

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
    /// client is.
    #[must_use]
    pub fn gate(config: &Config) -> Self {
        Self::new(Caller::Gate, config)
    }

    fn new(caller: Caller, config: &Config) -> Self {
        Self {
            caller,
            max_headers: config.max_headers,
            max_head_bytes: config.max_head_bytes,
        }
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
