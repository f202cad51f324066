//! The proxy: Services on loopback.

use std::net::SocketAddr;

/// Where a port of a Service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// The port's name.
    pub port_name: Option<String>,
    /// The port's number.
    pub asked: u16,
    /// What is listened on: the number that was asked for, or the next one that was free.
    pub actual: SocketAddr,
}
