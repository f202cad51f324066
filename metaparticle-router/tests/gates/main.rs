//! Gates with real sockets, before real applications; who owns what is told by a fake.

#![allow(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod app;
mod client;
mod clients;
mod fake;
mod hostile;
mod moves;
mod outcomes;
mod own;
mod peers;
mod router;
mod routing;
mod streams;
